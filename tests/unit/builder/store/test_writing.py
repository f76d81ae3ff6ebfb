"""What a large write on SQLite costs where triggers follow each row, and what is left of a unit that fails alone or among others."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from builder.store.database import Database, open_database
from builder.store.statement import Query, prepare
from tests.support.timing import wait_until

pytestmark = pytest.mark.anyio
ROWS = sa.Table("rows", sa.MetaData(), sa.Column("id", sa.Text), sa.Column("parent", sa.Text))


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path):
    made = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with made.transaction() as connection:
        for sql in (
            "CREATE TABLE rows (id TEXT PRIMARY KEY, parent TEXT)",
            "CREATE INDEX by_parent ON rows (parent)",
            # enough pages that rows land on different ones
            "INSERT INTO rows WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
            "SELECT hex(randomblob(8)), hex(randomblob(8)) FROM n",
            "CREATE TABLE noted (id TEXT PRIMARY KEY) WITHOUT ROWID",
            "CREATE TRIGGER note AFTER INSERT ON rows BEGIN INSERT INTO noted (id) VALUES (NEW.id); END",
        ):
            connection.exec_driver_sql(sql)
    await made.start()
    yield made
    await made.stop()


def unit(rows: list[dict[str, str]]):
    statement = prepare(sa.insert(ROWS).values(id=sa.bindparam("id"), parent=sa.bindparam("parent")), "sqlite")

    def run():
        yield Query(statement, rows)

    return run


async def cost(database: Database, count: int, chance: random.Random) -> float:
    """Processor seconds of one write of so many rows, half of them written beside a neighbour."""
    rows = [{"id": f"{chance.getrandbits(64):016X}", "parent": f"{chance.getrandbits(64):016X}"} for _ in range(count)]
    before = time.process_time()
    await asyncio.gather(database.write(unit(rows[: count // 2])), database.write(unit(rows[count // 2 :])))
    return time.process_time() - before


async def test_a_large_write_with_triggers_costs_as_much_a_row_as_a_small_one(database: Database):
    chance = random.Random("rows")
    small = min([await cost(database, 1_000, chance) for _ in range(3)])
    large = min([await cost(database, 6_000, chance) for _ in range(2)])
    assert (
        large / 6 < small * 2
    )  # with copies of pages in a list in memory, which is walked along for each row: four times and more


async def test_nothing_is_left_of_a_unit_that_fails_alone_or_among_others(database: Database):
    def bad():
        yield from unit([{"id": "bad", "parent": "p"}])()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(bad)
    good = [database.write(unit([{"id": f"good{n}", "parent": "p"}])) for n in range(3)]
    ended = await asyncio.gather(*good, database.write(bad), return_exceptions=True)
    assert [type(each) for each in ended] == [type(None), type(None), type(None), ValueError]
    with database.snapshot() as connection:
        found = connection.execute(sa.select(ROWS.c.id).where(ROWS.c.parent == "p")).scalars()
        assert sorted(found) == ["good0", "good1", "good2"]


async def test_the_writer_gives_back_what_a_large_write_needed(database: Database, monkeypatch: pytest.MonkeyPatch):
    given_back: list[float] = []
    monkeypatch.setattr("builder.store.sqlite._PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("builder.store.sqlite.give_back", lambda: given_back.append(time.monotonic()))
    chance = random.Random("rows")
    await cost(database, 100, chance)
    await cost(database, 100, chance)  # by now it has waited
    assert not given_back
    await cost(database, 6_000, chance)
    assert await asyncio.to_thread(wait_until, lambda: given_back)
    for _ in range(2):  # it goes on writing
        await cost(database, 100, chance)
    assert len(given_back) == 1
