"""A process that is stopped, or cut off, in the middle of a transaction: the server ends it, and what it held is free for others."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from builder.store.database import DatabaseBusy, open_database
from builder.store.statement import Query, Rows, Statement, Unit
from tests.support.timing import wait_until

pytestmark = pytest.mark.anyio


def said(sql: str, *, rows: bool = True) -> Query:
    return Query(Statement(sql, (), rows), {})


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_who_is_silent_in_a_transaction_loses_it(migrated_database_url: str):
    database = open_database(migrated_database_url)
    await database.start()
    others = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

    def asked() -> Unit[Rows]:
        return (yield said("SHOW idle_in_transaction_session_timeout"))

    def is_there(pid: object) -> bool:
        with database.snapshot() as connection:
            return bool(connection.scalar(others, {"pid": pid}))

    def silent() -> Unit[Rows]:
        ((pid,),) = yield said("SELECT pg_backend_pid()")
        yield said("SET LOCAL idle_in_transaction_session_timeout = 50", rows=False)
        yield said("CREATE TABLE left_behind (n integer)", rows=False)
        assert wait_until(lambda: not is_there(pid))
        return (yield said("SELECT 1"))

    try:
        assert (await database.read(asked))[0][0] == "1min"
        with pytest.raises(DatabaseBusy):
            await database.write(silent)
        assert (await database.read(asked))[0][0] == "1min"  # the next one has a session of its own
        with database.snapshot() as connection:
            assert not sa.inspect(connection).has_table("left_behind")
    finally:
        await database.stop()
        database.close()
