"""Very many timers are due at once on SQLite, where one process does everything: who writes meanwhile waits for a small part of them only.

``DOUGONG_TEST_DRAIN=100000`` is the size that is promised, with the time that 99 of 100 writes take at most.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from builder.kernel.limits import TIMER_BATCH_SQLITE
from builder.store import tables
from runtime.timers.service import Timers
from tests.support.leads import Office, office, reminder, step, tell

DUE = int(os.environ.get("DOUGONG_TEST_DRAIN", "1000"))
FULL = 100_000
SECONDS = 0.2
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + DUE // 20)]
SIGNING = reminder("signing", {"type": "date", "moment": "close_on"}, step("0 min", tell("{{title}}")))


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_writes_go_on_while_everything_is_due(migrated_database_url: str) -> None:
    async with office(migrated_database_url, SIGNING) as desk:
        for first in range(0, DUE, 500):
            some = range(first, min(first + 500, DUE))
            body = {"owner": desk.people["zhang"], "close_on": "2026-11-24"}
            await desk.create_many("lead", [{"title": f"{n}", **body} for n in some])
        desk.service.clock.advance(timedelta(days=2))
        draining = asyncio.create_task(drain(desk.service.app.services.timers))
        waits = await write_until(desk, draining)
        assert await draining == DUE
        firing = tables.timer_firing.c
        with desk.registry.database.snapshot() as connection:
            fired = Counter(connection.scalars(sa.select(firing.record_id)))
            told = connection.scalar(sa.text("SELECT count(*) FROM dougong_inbox"))
        assert (len(fired), set(fired.values()), told) == (DUE, {1}, DUE)
    assert len(waits) >= DUE // TIMER_BATCH_SQLITE // 2  # each waited for one transaction, now and then for two
    if DUE >= FULL:
        assert sorted(waits)[len(waits) * 99 // 100] < SECONDS


async def drain(timers: Timers) -> int:
    fired = 0
    while (ticked := await timers.tick()).fired:
        fired += ticked.fired
    return fired


async def write_until(desk: Office, over: asyncio.Task[int]) -> list[float]:
    """Create records one after the other; return how long each took. None is refused."""
    waits = []
    while not over.done():
        began = time.perf_counter()
        await desk.create("customer", name="甲")
        waits.append(time.perf_counter() - began)
    return waits
