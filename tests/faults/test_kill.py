"""kill -9 in the middle: of a publish at every step, of writes at a commit. What is left is as before or as after, never between."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from builder.registry.apps import get_app
from builder.registry.doctor import examine
from builder.registry.publishing import plan_draft
from builder.store import tables
from builder.store.database import Database, open_database
from tests.faults.crashing import open_registry, prepare, write_until_crash
from tests.support.publisher import publishing

pytestmark = pytest.mark.timeout(600)


def contents(database: Database) -> dict[str, list[Any]]:
    """Every row of every table, and every column and index: what must not have changed."""
    found: dict[str, list[Any]] = {}
    with database.snapshot() as connection:
        inspector = sa.inspect(connection)
        for name in sorted(inspector.get_table_names()):
            columns = [column["name"] for column in inspector.get_columns(name)]
            indexes = sorted(str(index["name"]) for index in inspector.get_indexes(name))
            table = sa.table(name, *map(sa.column, columns))
            rows = sorted(map(repr, connection.execute(sa.select(table))))
            found[name] = [columns, indexes, rows]
    return found


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_a_publish_killed_at_any_step_leaves_everything_as_it_was(migrated_database_url: str):
    prepare(migrated_database_url)
    database = open_database(migrated_database_url)
    registry = open_registry(database)
    before = contents(database)
    passages = 2 * len(plan_draft(registry, "shop").steps)
    with publishing() as publisher:
        for passage in sorted({1, passages // 2, passages - 1, passages}):
            outcome = publisher.publish(migrated_database_url, "shop", point="publish.step", passage=passage)
            assert (outcome, contents(database) == before) == ("killed", True), passage
        assert publisher.publish(migrated_database_url, "shop", point="publish.commit") == "killed"
        assert contents(database) == before
        assert publisher.publish(migrated_database_url, "shop") == "done"
    with database.snapshot() as connection:
        assert get_app(connection, "shop").published_version == 2
    assert examine(registry) == []
    database.close()


def test_what_was_acknowledged_is_there_and_nothing_is_there_by_halves(migrated_database_url: str):
    prepare(migrated_database_url)
    killed, said = write_until_crash(migrated_database_url, "write.commit:4")
    assert killed
    acknowledged = len(said.split())
    assert acknowledged == 3

    database = open_database(migrated_database_url)
    with database.snapshot() as connection:
        customer = sa.table("shop__customer", sa.column("name"), sa.column("number"))
        names = [row.name for row in connection.execute(sa.select(customer)) if "-" in row.name]
        numbers = list(connection.scalars(sa.select(customer.c.number).order_by(customer.c.number)))
        event = tables.event
        events = connection.scalar(sa.select(sa.func.count()).where(event.c.request_id.like("batch-%")))
    assert len(names) == events == 10 * acknowledged
    assert numbers == [f"C-{n:04d}" for n in range(1, 21 + 10 * acknowledged)]

    killed, said = write_until_crash(migrated_database_url, "write.commit:99")
    assert (killed, len(said.split())) == (False, 6)
    assert examine(open_registry(database)) == []
    database.close()
