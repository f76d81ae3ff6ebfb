"""Schedules and deliveries under fire: killed at any moment, by several processes at once. A slot counts once, nothing posted is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections import Counter
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.limits import SCHEDULE_BATCH
from builder.store.delivery_tables import outbox
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
