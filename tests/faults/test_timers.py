"""Timers under fire: killed, raced, under a clock that jumps. Each step once, and never for a record that has moved on."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from builder.store import tables
from runtime.records.caller import system_caller
from tests.faults.timing import drain, fire_until_crash, open_instance
from tests.support.leads import APP, Office, office, reminder, step, tell

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

FOLLOW = reminder(
    "follow",
    {"type": "unchanged"},
    step("24 h", tell("{{stage}}")),
    step("48 h", tell("{{stage}}")),
    condition='stage = "assigned"',
    late={"policy": "all", "tolerance": "60 d"},
)


async def add_leads(desk: Office, count: int) -> list[str]:
    bodies = [{"title": f"{n}", "owner": desk.people["zhang"]} for n in range(count)]
    return [str(lead["id"]) for lead in await desk.create_many("lead", bodies)]


def firings(database: Any) -> Counter[tuple[str, int]]:
    firing = tables.timer_firing
    with database.snapshot() as connection:
        rows = connection.execute(sa.select(firing.c.record_id, firing.c.step).where(firing.c.outcome == "fired"))
        return Counter((str(record), int(place)) for record, place in rows)


async def test_a_thousand_races_between_firing_and_moving_on(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        records = desk.service.app.services.records
        caller = system_caller("race-0001", "rest")
        won = 0
        for _ in range(10):
            leads = await add_leads(desk, 100)
            desk.service.clock.advance(timedelta(hours=24))
            before = len(desk.box.letters)
            await desk.timers.fire_due(10)  # some come in time
            moves = [records.update(caller, APP, "lead", lead, {"stage": "visited"}, None) for lead in leads]
            tick = asyncio.create_task(desk.timers.fire_due(60))
            await asyncio.gather(*moves[:50], desk.timers.fire_due(40), *moves[50:])
            await tick
            fired = {letter.record_id for letter in desk.box.letters[before:]}
            won += len(fired)
            # whatever was said was said about a record that still stood there …
            assert {letter.subject.zh for letter in desk.box.letters[before:]} <= {"assigned"}
            # … and once everybody has moved on nothing is left to come
            assert await desk.timers.fire_due() == (0, 0)
            desk.service.clock.advance(timedelta(hours=48))
            assert await desk.timers.fire_due() == (0, 0)
        assert max(firings(desk.registry.database).values(), default=1) == 1
        assert await desk.timers.audit(APP) == []
        assert 100 <= won <= 1_000


async def test_killed_while_firing(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        leads = await add_leads(desk, 600)
    for passage in (1, 2, 3):
        assert await asyncio.to_thread(fire_until_crash, migrated_database_url, passage), (
            "it was over before it was killed"
        )
    app = open_instance(migrated_database_url)
    async with app.running():
        await drain(app)
        found = firings(app.services.database)
        assert found == Counter({(lead, place): 1 for lead in leads for place in (0, 1)})
        with app.services.database.snapshot() as connection:
            told = connection.execute(sa.text("SELECT count(*) FROM dougong_inbox")).scalar_one()
        assert told == 2 * len(leads)
        assert await app.services.timers.audit(APP) == []


async def test_a_clock_that_jumps(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        await add_leads(desk, 3)
        desk.service.clock.advance(timedelta(hours=24))
        assert len(await desk.tick()) == 3
        desk.service.clock.advance(timedelta(minutes=-10))
        assert await desk.tick() == []
        desk.service.clock.advance(timedelta(hours=2))
        assert await desk.tick() == []
        desk.service.clock.advance(timedelta(hours=23))
        assert len(await desk.tick()) == 3


async def test_the_audit_tells_of_what_is_broken(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        first, second, third = await add_leads(desk, 3)
        assert await desk.timers.audit(APP) == []
        timer = tables.timer
        with desk.registry.database.transaction() as connection:
            connection.execute(sa.delete(timer).where(timer.c.record_id == first))
            connection.execute(sa.update(timer).where(timer.c.record_id == second).values(step=7))
            connection.execute(sa.update(timer).where(timer.c.record_id == third).values(rule="gone"))
        found = "\n".join(text.en for text in await desk.timers.audit(APP))
        assert f"The reminder follow does not watch lead/{first}" in found
        assert f"The reminder follow of lead/{second} is due without a step" in found
        assert "There are timers of gone" in found
