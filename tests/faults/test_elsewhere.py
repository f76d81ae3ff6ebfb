"""Schedules and deliveries under fire: killed at any moment, by several processes at once. A slot counts once, nothing posted is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.limits import SCHEDULE_BATCH
from builder.store.delivery_tables import cron_slot, outbox
from tests.faults.ticking import audit_later, begin, open_later, tick_until_quiet
from tests.support.office import Office, on
from tests.support.posting import call, post
from tests.support.receiver import HttpReceiver, http_receiver
from tests.support.timing import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
COUNTS = {"type": "set_fields", "set": [{"field": "serial", "formula": "serial + 1"}]}
DAILY = on({"type": "schedule", "cron": "0 8 * * *"}, COUNTS)
ORDERS = 2 * SCHEDULE_BATCH + 20
SENT = 40


async def prepare(office: Office) -> None:
    office.automate(DAILY)
    customer = await office.create("customer", name="甲")
    bodies = [{"title": f"单 {n}", "customer": customer["id"], "serial": 0} for n in range(ORDERS)]
    await office.create_many("order", bodies)
    await office.tick()


async def serials(office: Office) -> Counter[int]:
    return Counter(order["serial"] for order in await office.every("order"))


async def look(office: Office) -> list[Any]:
    return await asyncio.to_thread(audit_later, office.url)


async def test_a_schedule_killed_between_its_chunks_counts_every_record_once(office: Office):
    await prepare(office)
    for passage in (1, 2):
        with begin(office.url, 1, f"schedule.chunk:{passage}") as process:
            assert await asyncio.to_thread(process.wait, 100) == -signal.SIGKILL
    await tick_until_quiet(open_later(office.url, 1))
    assert await serials(office) == {1: ORDERS}
    assert await look(office) == []


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_four_processes_share_a_schedule_and_it_fires_once(office: Office):
    await prepare(office)
    processes = [begin(office.url, 1) for _ in range(4)]
    for process in processes:
        assert await asyncio.to_thread(process.wait, 100) == 0
    assert await serials(office) == {1: ORDERS}
    assert await look(office) == []


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_three_nodes_whose_clocks_differ_fire_each_of_two_hundred_slots_once(office: Office):
    """One clock is a little behind; all of them are set back ten minutes in the middle, and two hours forward later on."""
    office.automate(on({"type": "schedule", "cron": "*/5 * * * *", "catch_up": "all"}, COUNTS))
    order = await office.order(serial=0)
    await office.tick()
    nodes = [open_later(office.url, 0) for _ in range(3)]
    start = office.service.clock.now()
    late = timedelta(seconds=20)
    nodes[2].services.clock.advance(-late)  # type: ignore[attr-defined] # it can be moved
    async with AsyncExitStack() as running_:
        for node in nodes:
            await running_.enter_async_context(node.running())
        for slot in range(200):
            jump = {80: -2, 140: 24}.get(slot, 0)  # in slots of five minutes
            for node in nodes:
                node.services.clock.advance(timedelta(minutes=5) * (1 + jump))  # type: ignore[attr-defined]
            await asyncio.gather(*(node.services.schedules.run_due() for node in nodes))
        passed = 200 - 2 + 24
        for node in nodes:
            while await node.services.schedules.run_due():
                pass
    assert (await office.get("order", order["id"]))["serial"] == passed
    with office.services.database.snapshot() as connection:
        ours = sa.select(cron_slot.c.slot_at).where(cron_slot.c.schedule.startswith("automation/"))
        slots = list(connection.scalars(ours.order_by(cron_slot.c.slot_at)))
    assert slots == [start + timedelta(minutes=5) * n for n in range(1, passed + 1)]


def has_begun(process: subprocess.Popen[bytes], receiver: HttpReceiver, wanted: int) -> bool:
    """Has so much been received, or is the process through?"""
    return len(receiver.requests) >= wanted or process.poll() is not None


async def test_deliveries_killed_at_random_moments_are_all_there(office: Office):
    chance = random.Random(7)
    async with http_receiver() as receiver:
        office.service.add_user("chief", "admin")
        async with office.service.client_of("chief") as admin:
            body = {"key": "hook", "kind": "webhook", "options": {"url": receiver.url}, "secrets": {"secret": "s"}}
            assert (await admin.post("/api/connections", json=body)).status_code == 201
        await post(office.service, "shop", *(call(f"k{n}", "hook", {"n": n}) for n in range(SENT)))
        kills = 0
        for _ in range(4):
            before, wanted = len(receiver.requests), chance.randint(1, 6)
            with begin(office.url, 0.1 + kills) as process:  # the lease of the one before has run out
                await asyncio.to_thread(wait_until, partial(has_begun, process, receiver, before + wanted))
                process.kill()
            kills += process.returncode == -signal.SIGKILL
        assert kills >= 2
        await tick_until_quiet(open_later(office.url, 10))
        got = Counter(request.headers["dougong-id"] for request in receiver.requests)
        assert got.keys() == {f"k{n}" for n in range(SENT)}
        assert sum(got.values()) <= SENT + kills * SENT
        with office.services.database.snapshot() as connection:
            states = Counter(connection.scalars(sa.select(outbox.c.state)))
        assert states == {"done": SENT}
    assert await look(office) == []
