"""A whole installation under fire: API processes and workers are killed and stopped while timers fire, messages go out, a schedule and an
import run and people write. The survivors finish it all by themselves, each thing once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import sqlalchemy as sa

from builder.kernel.clock import SystemClock
from builder.store import process_tables, tables
from builder.store.database import Database, open_database
from builder.store.delivery_tables import cron_slot, job, outbox
from tests.faults.fleet import Fleet, fleet
from tests.faults.ticking import audit_later
from tests.support import shop
from tests.support.desk import Desk, publish_definition
from tests.support.office import on
from tests.support.receiver import Received, Reply, http_receiver
from tests.support.service import START, bearer, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
BEFORE, BROUGHT, WRITTEN = 60, 520, 20
SETTINGS = {"outbound_allow": "127.0.0.1", "secret_keys": "test", "upkeep_cron": ""}
COUNTED = on(
    {"type": "schedule", "cron": "0 3 * * *"},
    {"type": "set_fields", "set": [{"field": "serial", "formula": "serial + 1"}]},
)
COPIED = on(
    {"type": "created"},
    {"type": "create_record", "entity": "node", "run": "after", "values": [{"field": "name", "formula": "title"}]},
    {"type": "send_webhook", "connection": "hook", "body": [{"name": "title", "formula": "title"}]},
    condition='RIGHT(title, 1) = "7"',
)
FOLLOW = {
    "key": "follow",
    "label": "跟进",
    "entity": "order",
    "when": {"type": "unchanged"},
    "condition": 'note = "watched"',
    "late": {"policy": "all", "tolerance": "30 d"},
    "steps": [
        {"after": "1 h", "actions": [{"type": "send_webhook", "connection": "hook"}]},
        {"after": "2 h", "actions": [{"type": "send_webhook", "connection": "hook"}]},
    ],
}


class News:
    """Tells who waits that something came to the receiver; they look again after a moment anyway."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    async def moment(self) -> None:
        self.arrived.clear()
        with anyio.move_on_after(0.05):
            await self.arrived.wait()


def definition() -> dict[str, Any]:
    document = shop.definition()
    document["automations"] = [
        {"key": f"a{n}", "label": f"规则{n}", **rule} for n, rule in enumerate((COUNTED, COPIED))
    ]
    document["reminders"] = [FOLLOW]
    return document


async def prepare(url: str, address: str) -> str:
    """Two days ago orders were made that are watched; a token for those who come later."""
    async with running(url, outbound_allow=("127.0.0.1",)) as service:
        service.clock.advance(SystemClock().now() - timedelta(days=2) - START)
        service.add_user("boss", "admin")
        document = definition()
        publish_definition(service.app.services.registry, document)
        async with service.client_of("boss") as admin:
            body = {"key": "hook", "kind": "webhook", "options": {"url": address}, "secrets": {"secret": "s"}}
            assert (await admin.post("/api/connections", json=body)).status_code == 201
        token = service.token_of("boss", "records:read", "records:write")
        async with service.client(headers=bearer(token)) as client:
            desk = Desk(service, client)
            await desk.create("customer", name="甲")
            customer = (await desk.every("customer"))[0]["id"]
            bodies = [
                {"title": f"旧 {n}", "customer": customer, "serial": 0, "branch": f"b{n}", "note": "watched"}
                for n in range(BEFORE)
            ]
            await desk.create_many("order", bodies)
        await service.app.services.schedules.run_due()  # the schedule begins to be followed
    return token


async def write(ships: Fleet, token: str, news: News) -> None:
    """Bring a sheet in and create orders one after the other, each again and again until it is taken."""
    rows = [f"表 {n},甲,表{n},0" for n in range(BROUGHT)]
    sheet = "\n".join(["title,customer,branch,serial", *rows]).encode()
    binary = {"content-type": "application/octet-stream"}
    async with httpx.AsyncClient(headers=bearer(token), timeout=60) as client:
        await _until_taken(ships, client, "order/import", {"content": sheet, "headers": binary}, "sheet", news)
        page = await _retry(news, ships, lambda at: client.get(f"{at}/customer"))
        customer = page.json()["data"][0]["id"]
        for n in range(WRITTEN):
            body = {"title": f"新 {n}", "customer": customer, "serial": 0, "branch": f"n{n}"}
            await _until_taken(ships, client, "order", {"json": body}, f"new-{n}", news)


async def _until_taken(ships: Fleet, client: httpx.AsyncClient, path: str, sent: Any, key: str, news: News) -> None:
    headers = {**sent.pop("headers", {}), "idempotency-key": key}
    reply = await _retry(news, ships, lambda at: client.post(f"{at}/{path}", headers=headers, **sent))
    assert reply.status_code in (201, 202), reply.text


async def _retry(news: News, ships: Fleet, send: Callable[[str], Any]) -> httpx.Response:
    for _ in range(400):
        try:
            address = await asyncio.to_thread(lambda: ships.address)
            reply: httpx.Response = await send(f"{address}/api/shop/records")
        except (httpx.TransportError, AssertionError):  # it was killed, or has not begun to listen
            reply = httpx.Response(503)
        if reply.status_code != 503:
            return reply
        await news.moment()
    raise AssertionError("it never came back")


def done(database: Database) -> int:
    """How much has been done: messages that went out, steps that fired, runs that ended, rows that were brought in."""
    firing, run = tables.timer_firing, process_tables.automation_run
    counted: tuple[sa.Select[Any], ...] = (
        sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == "done"),
        sa.select(sa.func.count()).select_from(firing),
        sa.select(sa.func.count()).select_from(run).where(run.c.state == "done"),
        sa.select(sa.func.coalesce(sa.func.sum(job.c.done_count), 0)),
    )
    with database.snapshot() as connection:
        return sum(int(connection.scalar(one) or 0) for one in counted)


def left(database: Database) -> dict[str, int]:
    """What is still to be done."""
    run, timer = process_tables.automation_run, tables.timer
    waiting: dict[str, Any] = {
        "outbox": sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state != "done"),
        "jobs": sa.select(sa.func.count()).select_from(job).where(job.c.state != "done"),
        "runs": sa.select(sa.func.count()).select_from(run).where(run.c.state == "waiting"),
        "timers": sa.select(sa.func.count()).select_from(timer).where(timer.c.due_at.is_not(None)),
        "slots": sa.select(sa.func.count() == 0).select_from(cron_slot).where(cron_slot.c.schedule.like("%a0%")),
        "serials": sa.text("SELECT count(*) FROM shop__order WHERE serial = 0 AND note = 'watched'"),
    }
    with database.snapshot() as connection:
        found = {name: int(connection.scalar(one) or 0) for name, one in waiting.items()}
    return {name: count for name, count in found.items() if count}


async def reach(news: News, database: Database, wanted: int) -> None:
    """Wait until so much has been done, or all of it."""
    while await asyncio.to_thread(done, database) < wanted:
        if not await asyncio.to_thread(left, database):
            return
        await news.moment()


async def under_fire(ships: Fleet, database: Database, chance: random.Random, news: News) -> None:
    """Kill two at random moments; stop one beyond its lease (if there are several)."""
    await reach(news, database, 1)
    for deed in (ships.kill, ships.kill, *(() if ships.alone else (ships.stop,))):
        await reach(news, database, await asyncio.to_thread(done, database) + chance.randint(20, 150))
        await asyncio.to_thread(deed, chance)
    if not ships.alone:
        await reach(news, database, await asyncio.to_thread(done, database) + 50)  # the last one goes on alone
        ships.go_on()


async def test_nothing_is_lost_or_done_twice(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> None:
    chance = random.Random(23)
    told: Counter[str] = Counter()

    news = News()

    def answer(got: Received) -> Reply:
        told[got.headers["dougong-id"]] += 1
        news.arrived.set()
        return Reply(500 if told[got.headers["dougong-id"]] == 1 and chance.random() < 0.1 else 200)

    async with http_receiver() as receiver:
        receiver.answer = answer
        token = await prepare(migrated_database_url, receiver.url)
        database = open_database(migrated_database_url)
        with fleet(migrated_database_url, tmp_path, database, **SETTINGS) as ships:
            await asyncio.gather(write(ships, token, news), under_fire(ships, database, chance, news))
            while await asyncio.to_thread(left, database):
                await news.moment()
                await asyncio.to_thread(hurry, database)
        check(database, told)
        database.close()
    assert await asyncio.to_thread(audit_later, migrated_database_url, SystemClock()) == []


def hurry(database: Database) -> None:
    """What was put off because its try failed comes at once."""
    now = SystemClock().now()
    with database.transaction() as connection:
        connection.execute(
            sa.update(outbox).where(outbox.c.state == "todo", outbox.c.next_at > now).values(next_at=now)
        )


def check(database: Database, told: Counter[str]) -> None:
    """Everything happened, and once."""
    firing = tables.timer_firing
    with database.snapshot() as connection:
        titles = Counter(connection.scalars(sa.text("SELECT title FROM shop__order")))
        copies = Counter(connection.scalars(sa.text("SELECT name FROM shop__node")))
        serials = Counter(connection.scalars(sa.text("SELECT serial FROM shop__order WHERE note = 'watched'")))
        most = connection.scalar(sa.text("SELECT max(serial) FROM shop__order"))
        fired = Counter((r, s) for r, s in connection.execute(sa.select(firing.c.record_id, firing.c.step)))
        keys = set(connection.scalars(sa.select(outbox.c.key)))
        slots = Counter(connection.scalars(sa.select(cron_slot.c.schedule)))
    wanted = (
        {f"旧 {n}" for n in range(BEFORE)} | {f"表 {n}" for n in range(BROUGHT)} | {f"新 {n}" for n in range(WRITTEN)}
    )
    assert titles == Counter(wanted)
    sevens = Counter(title for title in wanted if title.endswith("7"))
    assert copies == sevens
    assert (serials, most) == ({1: BEFORE}, 1)
    assert set(fired.values()) == {1}
    assert len(fired) == 2 * BEFORE
    assert told.keys() == keys
    assert len(keys) == len(sevens) + 2 * BEFORE
    assert set(slots.values()) == {1}
