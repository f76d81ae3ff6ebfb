"""Very many timers are due at once beside very many that are not, and several processes share them: each is fired once, soon, and a poll with
nothing due costs nothing.

``DOUGONG_TEST_DUE=100000 DOUGONG_TEST_FUTURE=1000000`` are the sizes that are promised, with the times that are promised for them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from builder.store import tables
from builder.store.statement import Query, Rows, Statement, Unit
from tests.faults.timing import LATER, drain, open_instance, share
from tests.support.leads import APP, Office, office, reminder, step, tell

DUE = int(os.environ.get("DOUGONG_TEST_DUE", "2000"))
FUTURE = int(os.environ.get("DOUGONG_TEST_FUTURE", "3000"))
FULL = 100_000, 1_000_000
LATEST_SECONDS, POLL_SECONDS = 60, 0.005
AT_ONCE = 500
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + (DUE + FUTURE) // 200)]
SIGNING = reminder(
    "signing",
    {"type": "date", "moment": "close_on"},
    step("0 min", tell("{{title}}")),
    late={"policy": "all", "tolerance": "60 d"},
)
_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(["tests.faults.timing"])


async def prepare(url: str, due: int) -> None:
    """Add leads whose timers are due, and timers of a time to come."""
    async with office(url, SIGNING) as desk:
        for first in range(0, due, AT_ONCE):
            some = range(first, min(first + AT_ONCE, due))
            body = {"owner": desk.people["zhang"], "close_on": "2026-11-24"}
            await desk.create_many("lead", [{"title": f"{n}", **body} for n in some])
        await asyncio.to_thread(add_future, desk, FUTURE)


def add_future(desk: Office, count: int) -> None:
    """Copy a timer as often, a year later and later."""
    database = desk.registry.database
    with database.transaction() as connection:
        row = connection.execute(sa.select(tables.timer).limit(1)).one()._asdict()
        for first in range(0, count, 10_000):
            ids = [desk.service.app.services.ids.record_id() for _ in range(min(10_000, count - first))]
            copies = [
                {**row, "generation": i, "subject": i, "record_id": i, "due_at": LATER + timedelta(days=365, minutes=n)}
                for n, i in enumerate(ids, first)
            ]
            connection.execute(sa.insert(tables.timer), copies)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.parametrize("dialect", ["postgresql"])
@pytest.mark.parametrize("workers", [2, 4])
async def test_processes_share_what_is_due(migrated_database_url: str, workers: int) -> None:
    await prepare(migrated_database_url, DUE)
    shares = await asyncio.to_thread(run_workers, migrated_database_url, workers)
    app = open_instance(migrated_database_url)
    async with app.running():
        assert await drain(app) == 0
        with app.services.database.snapshot() as connection:
            fired = Counter(connection.scalars(sa.select(tables.timer_firing.c.record_id)))
            told = connection.scalar(sa.text("SELECT count(*) FROM dougong_inbox"))
            left = connection.scalar(sa.select(sa.func.count(tables.timer.c.due_at)))
    seconds = max(took for _, took in shares)
    print(f"{DUE} due beside {FUTURE}, {workers} workers: {[n for n, _ in shares]}, the last after {seconds:.1f} s")  # noqa: T201
    assert (len(fired), set(fired.values()), told) == (DUE, {1}, DUE)
    assert left == FUTURE
    assert sum(count for count, _ in shares) == DUE
    assert sum(count > 0 for count, _ in shares) >= 2
    if (DUE, FUTURE) >= FULL:
        assert seconds < LATEST_SECONDS


def run_workers(url: str, workers: int) -> list[tuple[int, float]]:
    """Let so many processes begin together; return what each did."""
    pipes = [_NURSERY.Pipe() for _ in range(workers)]
    processes = [_NURSERY.Process(target=share, args=(url, there)) for _, there in pipes]
    for process, (_, there) in zip(processes, pipes, strict=True):
        process.start()
        there.close()  # so that one that dies is no silence
    try:
        assert [here.recv() for here, _ in pipes] == ["ready"] * workers
        for here, _ in pipes:
            here.send("go")
        return [here.recv() for here, _ in pipes]
    finally:
        for process in processes:
            process.join(60)
            process.kill()


async def test_a_poll_with_nothing_due_looks_at_the_index_of_what_is_to_come(migrated_database_url: str) -> None:
    """However many timers wait: the statements that a tick asks all the time read only what is due."""
    await prepare(migrated_database_url, 1)
    app = open_instance(migrated_database_url)
    async with app.running():
        timers, database = app.services.timers, app.services.database
        await drain(app)
        took = []
        for _ in range(50):
            began = time.perf_counter()
            assert await timers.fire_due() == (0, 0)
            took.append(time.perf_counter() - began)
        values = {"app": APP, "now": app.services.clock.now(), "limit": 500, "only": None}
        for statement in (timers._due, timers._due_of_app, timers._next):
            plan = await explained(database, Query(statement, values))
            assert "ix_dougong_timer_due_at" in plan
            assert "Seq Scan on dougong_timer" not in plan
            assert "SCAN dougong_timer" not in plan
    print(f"a poll beside {FUTURE}: {statistics.median(took) * 1000:.2f} ms")  # noqa: T201
    if FULL[1] <= FUTURE:
        assert statistics.median(took) < POLL_SECONDS


async def explained(database: Any, query: Query) -> str:
    words = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    statement = Statement(f"{words} {query.statement.sql}", query.statement.slots, has_rows=True)

    def unit() -> Unit[Rows]:
        return (yield Query(statement, query.values))

    return "\n".join(str(row[-1]) for row in await database.read(unit))
