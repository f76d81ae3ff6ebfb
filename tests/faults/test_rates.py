"""Ten thousand messages wait for one robot, and two processes deliver: never above its rate, nothing twice, in their order."""

from __future__ import annotations

import asyncio
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
MESSAGES, A_MINUTE, MINUTES = 10_000, 20, 3


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_ten_thousand_messages_for_one_robot(anyio_backend: str, migrated_database_url: str) -> None:
    times: list[datetime] = []
    told: Counter[str] = Counter()
    async with http_receiver() as robot, running(migrated_database_url, outbound_allow=("127.0.0.1",)) as service:
        service.add_user("chief", "admin")
        clock: MovableClock = service.clock

        def answer(got: Received) -> Reply:
            times.append(clock.now())
            told.update(word for word in got.json["markdown"]["text"].split() if word.startswith("no"))
            return Reply(200, {"errcode": 0})

        robot.answer = answer
        async with service.client_of("chief") as admin:
            options = {
                "key": "group",
                "kind": "dingtalk",
                "secrets": {"access_token": "t"},
                "options": {"url": robot.url},
            }
            assert (await admin.post("/api/connections", json=options)).status_code == 201
        ids, now = service.app.services.ids, clock.now()
        rows = [
            {
                "id": ids.record_id(), "key": f"k{n}", "connection": "group", "state": "todo", "attempts": 0,
                "payload": dump_payload(Letter(say(f"no{n}", f"no{n}"), say("", ""), None, (), None, "zh")),
                "next_at": now, "created_at": now,
            }
            for n in range(MESSAGES)
        ]  # fmt: skip
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
        for _ in range(MINUTES * A_MINUTE):
            await asyncio.gather(*(courier.run_due(clock.now()) for courier in couriers))
            clock.advance(timedelta(seconds=60 / A_MINUTE))
        other.services.database.close()
        with service.app.services.database.snapshot() as connection:
            waiting = connection.execute(
                sa.select(outbox.c.next_at, outbox.c.attempts).where(outbox.c.state == "todo")
            ).all()
    assert len(times) == MINUTES * A_MINUTE
    assert set(told.values()) == {1}
    assert len(waiting) == MESSAGES - len(told)
    assert set(waiting) == {(now, 0)}  # who waits is not written again with every turn
    assert told.keys() == {f"no{n}" for n in range(len(told))}
    for place in range(len(times) - A_MINUTE):
        assert times[place + A_MINUTE] - times[place] >= timedelta(seconds=60)


def _courier(app: App) -> Courier:
    return next(work for work in app.services.ticker._works if isinstance(work, Courier))
