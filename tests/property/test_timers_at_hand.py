"""Reminders that look at nothing but their record are judged by Python and armed with the record's own statement: what stands there then
is what the database would have said, and what the long form leaves."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock
from builder.store import tables
from builder.store.statement import Unit
from runtime.app import create_app as compose
from runtime.records.ahead import Attempts
from runtime.records.caller import system_caller
from runtime.records.holding import hold_records
from runtime.records.writer import Writing
from runtime.services import Services
from runtime.settings import Settings
from runtime.timers.at_hand import AtHand
from runtime.timers.audit import audit
from runtime.timers.looking import Sight, look
from tests.support.started import started

pytestmark = pytest.mark.anyio

CALLER = system_caller("test-request", "rest")
BEGIN = datetime(2026, 2, 11, 15, 59, 30, tzinfo=UTC)
"""Midnight in Shanghai is near, and so is the spring festival."""

Left = dict[tuple[int, str], dict[str, Any]]
"""Timers by number of the lead and reminder."""

STAGES = ("assigned", "visited", "won")


def _reminder(key: str, when: dict[str, Any], *after: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "label": key, "entity": "lead", "when": when, "steps": [{"after": a} for a in after], **more}


REMINDERS = [
    _reminder("quiet", {"type": "unchanged"}, "24 h", "48 h", condition='stage = "assigned"'),
    _reminder("stage", {"type": "unchanged", "fields": ["stage"]}, "3 working days", pause='HASANY(tags, ["hot"])'),
    _reminder("close", {"type": "date", "moment": "close_on", "time": "09:30"}, "1 d", condition="amount / 3 > 100"),
    _reminder("call", {"type": "date", "moment": 'DATEADD(call_at, 1, "day")'}, "2 working h", condition="rest > 0"),
    _reminder("due", {"type": "date", "moment": "close_on"}, "0 h", condition="close_on >= TODAY() AND NOT done"),
    _reminder("odd", {"type": "date", "moment": "created_at"}, "5 min", condition="1 / (amount - 300) > 0"),
]


def _package(reminders: list[dict[str, Any]]) -> dict[str, Any]:
    def field(key: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"key": key, "type": kind, "label": key, **more}

    options = [{"key": key, "label": key} for key in STAGES]
    fields = [
        field("title", "text"),
        field("stage", "select", options=options, default="assigned"),
        field("tags", "tags"),
        field("amount", "money"),
        field("close_on", "date"),
        field("call_at", "datetime"),
        field("done", "boolean"),
        field("rest", "formula", formula="amount - 150"),
    ]
    lead = {"key": "lead", "label": "lead", "fields": fields}
    return {"app": {"key": "shop", "label": "shop"}, "entities": [lead], "reminders": reminders}


@asynccontextmanager
async def opened(
    url: str, folder: Any, clock: MovableClock, reminders: list[dict[str, Any]] = REMINDERS
) -> AsyncIterator[Services]:
    settings = Settings(database_url=url, log_level="error", files_folder=folder, secret_file=folder / "secret")
    async with started(compose(settings, clock=clock).services, _package(reminders)) as services:
        yield services


def _values(chance: random.Random, now: datetime) -> dict[str, Any]:
    """Some values of a lead, blanks among them."""
    at = now + timedelta(seconds=chance.randrange(-200_000, 200_000))
    some = {
        "title": chance.choice(("a", "b", None)),
        "stage": chance.choice(STAGES),
        "tags": chance.choice(([], ["hot"], ["cold", "hot"], None)),
        "amount": chance.choice((None, 0, 150, 300, Decimal("300.01"), 301, 10**10)),
        "close_on": chance.choice((None, str(at.date()), "1999-12-31")),
        "call_at": chance.choice((None, at.isoformat())),
        "done": chance.choice((None, True, False)),
    }
    return {key: some[key] for key in chance.sample(sorted(some), chance.randrange(1, len(some)))}


async def _live(services: Services, clock: MovableClock, seed: int, rounds: int = 30) -> list[Left]:
    """Create and change leads while time passes; return the timers after each write, without what is new each time."""
    chance = random.Random(seed)
    clock.advance(BEGIN - clock.now())
    made: list[str] = []
    seen: list[Left] = []
    for _ in range(rounds):
        body = _values(chance, clock.now())
        if not made or chance.random() < 0.3:
            made.append(str((await services.records.create(CALLER, "shop", "lead", body)).record["id"]))
        else:
            await services.records.update(CALLER, "shop", "lead", chance.choice(made), body, None)
        seen.append(_timers(services, made))
        clock.advance(timedelta(minutes=chance.randrange(0, 600)))
    return seen


_WITHOUT = ("generation", "subject", "record_id")


def _timers(services: Services, made: list[str]) -> Left:
    """Return the timers by number of the lead and reminder."""
    with services.database.snapshot() as connection:
        rows = [row._asdict() for row in connection.execute(sa.select(tables.timer))]
    return {
        (made.index(str(row["subject"])), row["rule"]): {key: row[key] for key in row if key not in _WITHOUT}
        for row in rows
    }


async def test_python_sees_what_the_database_sees(migrated_database_url, tmp_path):
    clock = MovableClock(BEGIN)
    async with opened(migrated_database_url, tmp_path, clock) as services:
        await _live(services, clock, 3, rounds=60)

        def both(w: Writing) -> Unit[tuple[dict[str, dict[str, Sight]], dict[str, dict[str, Sight]]]]:
            lead = w.app.entities["lead"]
            rows = yield from hold_records(w, lead, ids)
            asked = yield from look(w, lead, ids)
            return AtHand().look(w, lead, {row.id: row.held.shown for row in rows}), asked

        with services.database.snapshot() as connection:
            ids = [str(row[0]) for row in connection.execute(sa.text("SELECT id FROM shop__lead"))]
        told, asked = await services.records.work(CALLER, "shop", both)
        assert told == asked
        assert len(told) == len(ids) > 10
        kinds = {(rule, sight.holds, sight.paused) for sights in told.values() for rule, sight in sights.items()}
        assert {("quiet", True, False), ("quiet", False, False), ("stage", True, True), ("odd", False, False)} <= kinds


async def test_it_leaves_what_the_long_form_leaves(migrated_database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)  # each is tried, also after one was in vain
    clock = MovableClock(BEGIN)
    async with opened(migrated_database_url, tmp_path, clock) as services:
        ahead = await _live(services, clock, 11)
        assert len({rule for _, rule in ahead[-1]}) > 3
        assert await services.records.work(CALLER, "shop", audit) == []
        with services.database.transaction() as connection:
            connection.execute(sa.text("DELETE FROM shop__lead"))
            connection.execute(sa.delete(tables.timer))
            connection.execute(sa.delete(tables.event))
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        monkeypatch.setattr(AtHand, "look", lambda *_: {})
        assert await _live(services, clock, 11) == ahead


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_a_watched_record_is_one_statement(migrated_database_url, tmp_path, monkeypatch):
    clock = MovableClock(BEGIN)
    async with opened(migrated_database_url, tmp_path, clock, REMINDERS[:1]) as services:
        written: list[str] = []
        plain = services.database.write_alone

        async def counting(query: Any) -> Any:
            written.append(query.statement.sql)
            return await plain(query)

        monkeypatch.setattr(services.database, "write_alone", counting)
        monkeypatch.setattr(services.database, "write", None)
        made = await services.records.create(CALLER, "shop", "lead", {"title": "a"})
        await services.records.update(CALLER, "shop", "lead", str(made.record["id"]), {"title": "b"}, None)
        await services.records.update(CALLER, "shop", "lead", str(made.record["id"]), {"stage": "won"}, None)
        assert [text.count("dougong_timer") > 0 for text in written] == [True, True, True]
        assert _timers(services, [str(made.record["id"])]) == {}


@pytest.mark.parametrize("dialect", ["postgresql"])
@pytest.mark.parametrize("meanwhile", ["fired", "armed", "stopped"])
async def test_a_timer_that_is_another_by_then_is_looked_at_again(
    migrated_database_url, tmp_path, monkeypatch, meanwhile
):
    """Between the look at a timer and the statement somebody else fires it, arms it or stops it: the long form then does the work."""
    clock = MovableClock(BEGIN)
    async with opened(migrated_database_url, tmp_path, clock, REMINDERS[1:2]) as services:
        made = await services.records.create(CALLER, "shop", "lead", {"title": "a"})
        lead = str(made.record["id"])
        plain = services.database.write_alone
        tried: list[Any] = []
        changes = {
            "fired": sa.update(tables.timer).values(step=1, due_at=None),
            "armed": sa.update(tables.timer).values(generation=lead),
            "stopped": sa.delete(tables.timer),
        }

        async def somebody_first(query: Any) -> Any:
            if not tried:
                with services.database.transaction() as connection:
                    connection.execute(changes[meanwhile])
            tried.append(query)
            return await plain(query)

        monkeypatch.setattr(services.database, "write_alone", somebody_first)
        await services.records.update(CALLER, "shop", "lead", lead, {"tags": ["hot"]}, None)
        assert len(tried) == 1
        left = _timers(services, [lead])[0, "stage"]
        if meanwhile == "fired":
            assert (left["step"], left["paused_at"], left["due_at"]) == (1, None, None)
        else:
            assert (left["step"], left["paused_at"], left["due_at"]) == (0, clock.now(), None)
        assert await services.records.work(CALLER, "shop", audit) == []
