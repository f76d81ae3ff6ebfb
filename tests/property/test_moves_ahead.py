"""Moves run ahead of their transaction, with what their guards count brought along by the read of the record, are judged as in a transaction."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock
from builder.kernel.problems import Problem
from builder.store import tables
from runtime.app import create_app as compose
from runtime.pipelines.moving import Order
from runtime.records import service
from runtime.records.ahead import Attempts
from runtime.records.alone import write_ahead
from runtime.records.caller import system_caller
from runtime.services import Services
from runtime.settings import Settings
from tests.support.started import asked_of_postgresql, started

pytestmark = pytest.mark.anyio

JSON = Any
CALLER = system_caller("test-request", "rest")
SEED = 3
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _field(key: str, type_: str = "text", **more: JSON) -> JSON:
    return {"key": key, "type": type_, "label": key, **more}


def _items(minimum: int, **more: JSON) -> JSON:
    return {"type": "records", "entity": "item", "theirs": "deal", "minimum": minimum, **more}


def _way(key: str, leaves: list[str], enters: str, *guards: JSON, **more: JSON) -> JSON:
    way = {"key": key, "label": key, "leaves": leaves, "enters": enters, "reason": "none", **more}
    return {**way, "guards": list(guards)}


def _package() -> JSON:
    """Deals whose moves count their items in every way: by id, by another field, by conditions, only at times, by the place they leave; one writes an item."""
    red = {"type": "checklist", "entity": "item", "theirs": "deal", "red": "points > 8", "remedy": "remedy"}
    alike = {"type": "records", "theirs": "name", "ours": "name", "minimum": 1}
    adds = {"type": "create_record", "entity": "item", "values": [{"field": "deal", "formula": "id"}]}
    ways = [
        _way("count", ["a"], "b", _items(1), _items(0, maximum=1, condition="points > 5"), red),
        _way("recent", ["a", "b"], "c", _items(1, within_hours=24), actions=[adds]),
        _way("at_times", ["b"], "c", _items(3, when="amount > 50"), {"type": "required", "fields": ["note"]}),
        _way("alike", ["c"], "a", {**alike, "entity": "deal"}),
        _way("named", ["a"], "b", {**alike, "entity": "item", "minimum": 0, "maximum": 0}),
        _way("back", ["b", "c"], "a"),
    ]
    stages = [{"key": "a"}, {"key": "b", "exit": [_items(2)]}, {"key": "c"}]
    options = [{"key": key, "label": key} for key in "abc"]
    deal = [_field("name"), _field("amount", "money"), _field("note"), _field("stage", "select", options=options)]
    item = [_field("deal", "reference", entity="deal"), _field("points", "integer"), _field("remedy"), _field("name")]
    flow = {"key": "flow", "label": "flow", "entity": "deal", "field": "stage", "stages": stages, "transitions": ways}
    entities = [("deal", deal), ("item", item)]
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [{"key": key, "label": key, "fields": fields} for key, fields in entities],
        "pipelines": [flow],
    }


@asynccontextmanager
async def opened(url: str, folder: Any, clock: MovableClock) -> AsyncIterator[Services]:
    settings = Settings(database_url=url, log_level="error", files_folder=folder, secret_file=folder / "secret")
    async with started(compose(settings, clock=clock).services, _package()) as services:
        yield services


async def _live(services: Services, clock: MovableClock, seed: int) -> tuple[list[Any], list[Any]]:
    """Make deals with items and try to move them; return what each try was answered, and all that was told in the end."""
    chance = random.Random(seed)
    deals = [await _make(services, "deal", name=chance.choice("xyz"), amount=chance.choice((10, 90))) for _ in range(6)]
    answers: list[Any] = []
    for _ in range(150):
        deal = chance.choice(deals)
        if chance.random() < 0.3:
            body = {
                "points": chance.choice((1, 7, 9)),
                "remedy": chance.choice(("", "r")),
                "name": chance.choice("wxyz"),
            }
            await _make(services, "item", deal=deal, **body)
        clock.advance(timedelta(hours=chance.choice((0, 5))))
        way = chance.choice(("count", "recent", "at_times", "alike", "named", "back"))
        order = Order(way, {"note": chance.choice("nm")} if chance.random() < 0.5 else {})
        try:
            done = await services.pipelines.move(CALLER, "shop", "deal", deal, order)
            answers.append((done.moved.source, done.moved.target, done.written.record["revision"]))
        except Problem as problem:
            answers.append((problem.code, _named(problem.extra, deals)))
    return answers, [_named(row, deals) for row in _told(services)]


async def _make(services: Services, entity: str, **body: JSON) -> str:
    return str((await services.records.create(CALLER, "shop", entity, body)).record["id"])


def _named(what: object, deals: list[str]) -> str:
    """Return it as text, with places in place of the ids of deals, which are others each time."""
    return _ID.sub(lambda found: str(deals.index(found[0])) if found[0] in deals else "ID", repr(what))


def _told(services: Services) -> list[Any]:
    stage, event = tables.stage.c, tables.event.c
    stays = sa.select(stage.stage, stage.transition, stage.how, stage.place, stage.seconds, stage.record_id)
    told = sa.select(event.entity, event.kind, event.revision, event.changes, event.detail, event.record_id)
    with services.database.transaction() as connection:
        rows = [tuple(map(str, row)) for row in connection.execute(stays.order_by(stage.entered_at, stage.place))]
        rows.sort()
        rows += [tuple(map(str, row)) for row in connection.execute(told.order_by(event.id))]
        for name in ("shop__item", "shop__deal"):
            connection.execute(sa.text(f"DELETE FROM {name}"))
        for table in (tables.event, tables.stage):
            connection.execute(sa.delete(table))
    return rows


async def test_they_are_judged_and_written_as_in_a_transaction(migrated_database_url, tmp_path, monkeypatch, dialect):
    monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)  # each is tried, also after one was in vain
    ahead: list[str] = []

    async def counting(*given: Any) -> Any:
        written = await write_ahead(*given)
        if written is not None:
            ahead.append(given[4])
        return written

    monkeypatch.setattr(service, "write_ahead", counting)
    clock = MovableClock(START)
    async with opened(migrated_database_url, tmp_path, clock) as services:
        answers, told = await _live(services, clock, SEED)
        codes = {answer[0] for answer in answers}
        assert "transition.refused" in codes
        assert len(codes) > len(("transition.refused", "transition.unavailable"))
        if dialect == "postgresql":
            assert {"move count", "move recent", "move at_times"} <= set(ahead)
        ahead.clear()
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        clock.advance(START - clock.now())
        assert await _live(services, clock, SEED) == (answers, told)
        assert not ahead


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_one_asks_postgresql_twice_however_many_guards_count(migrated_database_url, tmp_path, monkeypatch):
    async with opened(migrated_database_url, tmp_path, MovableClock(START)) as services:
        asked = asked_of_postgresql(monkeypatch)
        deal = await _make(services, "deal", name="x", amount=10)
        for _ in range(2):
            await _make(services, "item", deal=deal, points=1)
        counted: list[str] = []
        for _ in range(2):  # the first looks up what every process looks up once
            asked.clear()
            await services.pipelines.move(CALLER, "shop", "deal", deal, Order("count"))
            counted = list(asked)
            await services.pipelines.move(CALLER, "shop", "deal", deal, Order("back"))
        assert len(counted) == 2, counted
