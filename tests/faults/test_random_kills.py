"""kill -9 at random moments of everything that must survive it: writes, timers, deliveries, imports, schedules.

``DOUGONG_TEST_KILLS`` sets how many processes each kind of work loses, for a longer run by hand.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from builder.store import tables
from builder.store.delivery_tables import cron_slot, job, outbox
from tests.faults.killing import Killer, tick, write
from tests.faults.ticking import audit_later, open_later, tick_until_quiet
from tests.support import shop
from tests.support.desk import publish_definition
from tests.support.office import Office, on
from tests.support.posting import call, post
from tests.support.receiver import http_receiver

KILLS = int(os.environ.get("DOUGONG_TEST_KILLS", "2"))
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + 20 * KILLS)]
A_ROUND = 0.125
"""Days that pass between two processes: the leases of the dead are over by then."""
HOOK = {"type": "send_webhook", "connection": "hook", "body": [{"name": "title", "formula": "title"}]}
WATCHED = {
    "key": "follow",
    "label": "跟进",
    "entity": "order",
    "when": {"type": "unchanged"},
    "late": {"policy": "all", "tolerance": "900 d"},
    "steps": [
        {"after": "1 min", "actions": [{"type": "set_fields", "set": [{"field": "note", "value": "一"}]}]},
        {"after": "2 min", "actions": [HOOK]},
    ],
}


async def prepare(office: Office, address: str, *automations: Any, reminders: tuple[Any, ...] = ()) -> str:
    """Publish the shop with these, connect the receiver, and make a customer."""
    office.service.add_user("chief", "admin")
    async with office.service.client_of("chief") as admin:
        body = {"key": "hook", "kind": "webhook", "options": {"url": address}, "secrets": {"secret": "s"}}
        assert (await admin.post("/api/connections", json=body)).status_code == 201
    document = shop.definition()
    document["automations"] = [{"key": f"a{n}", "label": f"规则{n}", **a} for n, a in enumerate(automations)]
    document["reminders"] = list(reminders)
    publish_definition(office.registry, document)
    await office.services.schedules.run_due()
    return str((await office.create("customer", name="甲"))["id"])


def bodies(customer: str, turn: int, count: int) -> list[dict[str, Any]]:
    return [{"title": f"单 {turn}-{n}", "customer": customer, "serial": 0} for n in range(count)]


async def finish(office: Office, killer: Killer) -> float:
    """Let what is left be done; return how many days later that is."""
    days = (killer.turns + 2) * A_ROUND
    await tick_until_quiet(open_later(office.url, days))
    assert await asyncio.to_thread(audit_later, office.url) == []
    return days


def rows(office: Office, statement: Any) -> list[Any]:
    with office.services.database.snapshot() as connection:
        return list(connection.execute(statement).all())


async def test_writes_with_what_they_set_off(office: Office) -> None:
    killer, told = Killer(1), list[str]()
    async with http_receiver() as receiver:
        customer = await prepare(office, receiver.url, on({"type": "created"}, HOOK), reminders=(WATCHED,))
        for turn in killer.until(KILLS):
            told += await killer.run(write, office.url, turn * A_ROUND, bodies(customer, turn, 15))
    there = {str(order["id"]) for order in await office.every("order")}
    assert set(told) <= there
    assert len(there) <= len(told) + killer.kills  # who was killed had one under way at most
    sent = Counter(str(row.record_id) for row in rows(office, sa.select(outbox.c.record_id)))
    armed = Counter(str(row.record_id) for row in rows(office, sa.select(tables.timer.c.record_id)))
    assert sent == armed == Counter(there)
    assert await asyncio.to_thread(audit_later, office.url) == []


async def test_timers_that_fire(office: Office) -> None:
    killer = Killer(2)
    async with http_receiver() as receiver:
        customer = await prepare(office, receiver.url, reminders=(WATCHED,))
        for turn in killer.until(KILLS):
            await office.create_many("order", bodies(customer, turn, 30))
            await killer.run(tick, office.url, (turn + 1) * A_ROUND)
        await finish(office, killer)
        told = {request.headers["dougong-id"] for request in receiver.requests}
    orders = await office.every("order")
    assert {order["note"] for order in orders} == {"一"}
    firing = tables.timer_firing
    fired = Counter((str(r.record_id), r.step, r.outcome) for r in rows(office, sa.select(firing)))
    assert fired == Counter((str(order["id"]), step, "fired") for order in orders for step in (0, 1))
    keys = [row.key for row in rows(office, sa.select(outbox.c.key))]
    assert len(keys) == len(orders)
    assert told == set(keys)


async def test_deliveries(office: Office) -> None:
    killer, posted = Killer(3), 25
    async with http_receiver() as receiver:
        await prepare(office, receiver.url)
        for turn in killer.until(KILLS):
            await post(office.service, "shop", *(call(f"k{turn}-{n}", "hook", {"n": n}) for n in range(posted)))
            await killer.run(tick, office.url, (turn + 1) * A_ROUND)
        await finish(office, killer)
        told = Counter(request.headers["dougong-id"] for request in receiver.requests)
    assert told.keys() == {f"k{turn}-{n}" for turn in range(killer.turns) for n in range(posted)}
    assert {row.state for row in rows(office, sa.select(outbox.c.state))} == {"done"}
    assert sum(told.values()) - len(told) <= 20 * killer.kills  # what was under way when somebody died, and no more


def progress(office: Office) -> dict[str, int]:
    return {row.id: row.done_count for row in rows(office, sa.select(job.c.id, job.c.done_count))}


async def test_sheets_that_are_brought_in(office: Office) -> None:
    killer, brought = Killer(4), 520
    headers = {"content-type": "application/octet-stream"}
    async with http_receiver() as receiver:
        await prepare(office, receiver.url, on({"type": "created"}, HOOK, condition='RIGHT(title, 2) = "50"'))
        for turn in killer.until(KILLS):
            lines = [f"单 {turn}-{n},甲" for n in range(brought)]
            sheet = "\n".join(["title,customer", *lines]).encode()
            reply = await office.send("POST", "records/order/import", content=sheet, headers=headers)
            assert reply.status_code == 202, reply.text
            before = progress(office)
            await killer.run(tick, office.url, (turn + 1) * A_ROUND)
            after = progress(office)
            assert all(after[one] >= done for one, done in before.items())
        days = await finish(office, killer)
        for row in rows(office, sa.select(job.c.id, job.c.error).where(job.c.state == "failed")):
            assert "中途退出" in row.error  # killed so often in a row that it was given up: somebody lets it go on
            office.services.jobs.retry(row.id)
            await tick_until_quiet(open_later(office.url, days))
        told = {request.headers["dougong-id"] for request in receiver.requests}
    wanted = [f"单 {turn}-{n}" for turn in range(killer.turns) for n in range(brought)]
    assert Counter(order["title"] for order in await office.every("order")) == Counter(wanted)
    assert len(told) == sum(title.endswith("50") for title in wanted)


async def test_slots_of_a_schedule(office: Office) -> None:
    killer = Killer(5)
    counted = {"type": "set_fields", "set": [{"field": "serial", "formula": "serial + 1"}]}
    trigger = {"type": "schedule", "cron": "*/30 * * * *", "catch_up": "all"}
    async with http_receiver() as receiver:
        customer = await prepare(office, receiver.url, on(trigger, counted))
        await office.create_many("order", bodies(customer, 0, 8))
        for turn in killer.until(KILLS):
            await killer.run(tick, office.url, (turn + 1) * A_ROUND)
        days = await finish(office, killer)
    slots = int(days * 24 * 2)
    assert {order["serial"] for order in await office.every("order")} == {slots}
    assert len(rows(office, sa.select(cron_slot))) == slots
