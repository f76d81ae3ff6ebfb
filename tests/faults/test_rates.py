"""Ten thousand messages wait for one robot, and two processes deliver them to the last: never above its rate, nothing twice, in their order;
who is dead beside it, and who has much to be told, hold up nobody."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock
from builder.kernel.text import say
from builder.store.delivery_tables import outbox
from runtime.app import App, create_app
from runtime.channels.base import Letter
from runtime.outbox.courier import Courier
from runtime.outbox.payloads import dump_payload
from runtime.settings import Settings
from tests.support.receiver import Received, Reply, http_receiver
from tests.support.service import running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
MESSAGES, A_MINUTE, DIGEST = 10_000, 20, 20
DEAD, LIVE = 8, 60
TOGETHER = 30
"""Rounds with two processes; one does the rest."""


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_ten_thousand_messages_for_one_robot(anyio_backend: str, migrated_database_url: str) -> None:
    times: list[datetime] = []
    told: Counter[str] = Counter()
    order: list[str] = []
    alone = MESSAGES
    async with (
        http_receiver() as robot,
        http_receiver() as live,
        running(migrated_database_url, outbound_allow=("127.0.0.1",)) as service,
    ):
        service.add_user("chief", "admin")
        clock: MovableClock = service.clock

        def answer(got: Received) -> Reply:
            times.append(clock.now())
            words = [word for word in got.json["markdown"]["text"].split() if word.startswith("no")]
            told.update(words)
            order.extend(words)
            return Reply(200, {"errcode": 0})

        robot.answer = answer
        async with service.client_of("chief") as admin:
            robot_options = {"url": robot.url}
            for body in (
                {"key": "group", "kind": "dingtalk", "secrets": {"access_token": "t"}, "options": robot_options},
                {"key": "dead", "kind": "webhook", "secrets": {"secret": "s"}, "options": {"url": nobody_there()}},
                {"key": "live", "kind": "webhook", "secrets": {"secret": "s"}, "options": {"url": live.url}},
            ):
                assert (await admin.post("/api/connections", json=body)).status_code == 201
        ids, now = service.app.services.ids, clock.now()

        def rows_for(connection: str, count: int) -> list[dict[str, object]]:
            return [
                {
                    "id": ids.record_id(), "key": f"{connection}{n}", "connection": connection, "state": "todo",
                    "payload": dump_payload(Letter(say(f"no{n}", f"no{n}"), say("", ""), None, (), None, "zh")),
                    "next_at": now, "created_at": now, "attempts": 0,
                }
                for n in range(count)
            ]  # fmt: skip

        rows = [*rows_for("dead", DEAD), *rows_for("group", MESSAGES), *rows_for("live", LIVE)]
        with service.app.services.database.transaction() as connection:
            connection.execute(sa.insert(outbox), rows)
        settings = Settings(
            database_url=migrated_database_url,
            background=False,
            secret_keys=service.app.services.settings.secret_keys,
            outbound_allow=("127.0.0.1",),
        )
        other: App = create_app(settings, clock=clock)
        couriers = [_courier(app) for app in (service.app, other)]
        for step in range(MESSAGES // DIGEST + TOGETHER):  # two that take at once may leave some for later
            await asyncio.gather(*(courier.run_due(clock.now()) for courier in couriers[: 2 if step < TOGETHER else 1]))
            clock.advance(timedelta(seconds=60 / A_MINUTE))
            if step == 5:  # sixty messages, twenty in a round: they waited for nobody
                assert len(live.requests) == LIVE
            if step == TOGETHER:
                alone = len(order)
                other.services.database.close()
                waiting = await asyncio.to_thread(left, service.app, "group")
                assert len(waiting) == MESSAGES - len(told)
                assert set(waiting) == {(now, 0)}  # who waits is not written again with every turn
            if len(told) == MESSAGES:
                break
        assert await asyncio.to_thread(left, service.app, "group") == []
        assert len(await asyncio.to_thread(left, service.app, "dead")) > 0
    assert told == Counter(f"no{n}" for n in range(MESSAGES))
    numbers = [int(word.removeprefix("no")) for word in order]
    assert numbers[alone:] == sorted(
        numbers[alone:]
    )  # of two that take at once, one passes over what the other just holds
    for place in range(len(times) - A_MINUTE):
        assert times[place + A_MINUTE] - times[place] >= timedelta(seconds=60)


def nobody_there() -> str:
    """The address of a port at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def left(app: App, connection: str) -> list[tuple[datetime, int]]:
    """What waits for a connection."""
    chosen = sa.select(outbox.c.next_at, outbox.c.attempts)
    with app.services.database.snapshot() as read:
        rows = read.execute(chosen.where(outbox.c.state == "todo", outbox.c.connection == connection)).all()
    return [(row.next_at, row.attempts) for row in rows]


def _courier(app: App) -> Courier:
    return next(work for work in app.services.ticker._works if isinstance(work, Courier))
