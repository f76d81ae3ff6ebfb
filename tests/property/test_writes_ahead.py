"""A creation with what follows from it, run ahead of its transaction, leaves what the long form leaves: records, events, runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.registry.apps import put_draft
from builder.registry.publishing import publish_draft
from builder.store import delivery_tables, process_tables, sqlite, tables
from runtime.app import create_app as compose
from runtime.records.ahead import Attempts
from runtime.records.caller import system_caller
from runtime.services import Services
from runtime.settings import Settings
from tests.support.started import asked_of_postgresql, started

pytestmark = pytest.mark.anyio

CALLER = system_caller("test-request", "rest")


def _text(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": "text", "label": key, **more}


def _automation(key: str, entity: str, *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    trigger = more.pop("trigger", {"type": "created"})
    return {"key": key, "label": key, "entity": entity, "trigger": trigger, "actions": list(actions), **more}


def _set(field: str, **value: Any) -> dict[str, Any]:
    return {"type": "set_fields", "set": [{"field": field, **value}]}


def _package(*more: str) -> dict[str, Any]:
    """Orders, whose creation starts a chain: texts are set twice, lines are written, a line's own automation follows, a name may be taken."""
    line = {"type": "create_record", "entity": "line", "values": [{"field": "text", "formula": "name"}]}
    taken = {"type": "create_record", "entity": "name", "values": [{"field": "name", "formula": "name"}]}
    told = {"type": "notify", "to": [{"role": "admin"}], "subject": "{{name}}: {{amount}}"}
    amount = {"key": "amount", "type": "money", "label": "amount"}
    day = {"key": "due_on", "type": "date", "label": "due"}
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [
            {
                "key": "order",
                "label": "order",
                "fields": [_text("name"), _text("one"), _text("two"), amount, day, *map(_text, more)],
            },
            {"key": "line", "label": "line", "fields": [_text("text"), _text("seen")]},
            {"key": "name", "label": "name", "fields": [_text("name", unique=True)]},
        ],
        "automations": [
            _automation("a1", "order", _set("one", formula='CONCAT(name, "!")'), line, condition="amount > 10"),
            _automation("a2", "order", _set("two", formula="CONCAT(amount * 2)"), log="all", condition="amount > 5"),
            _automation("a3", "order", taken, condition="amount > 20"),
            _automation("a4", "order", taken, condition="amount > 90", on_error="refuse"),
            _automation("a5", "line", _set("seen", value="yes")),
            _automation("a6", "order", _set("due_on", formula="DATE(2026, 2, 28)"), trigger={"type": "changed"}),
            _automation("a7", "order", told, condition="amount > 10"),
        ],
    }


@asynccontextmanager
async def opened(url: str, folder: Any) -> AsyncIterator[Services]:
    app = compose(Settings(database_url=url, log_level="error", files_folder=folder, secret_file=folder / "secret"))
    async with started(app.services, _package()) as services:
        for name in ("ann", "bob"):
            services.identity.users.create_user({"username": name, "role": "admin"})
        yield services


def _rows(services: Services, table: sa.Table, *names: str, order: str) -> list[tuple[Any, ...]]:
    with services.database.snapshot() as connection:
        chosen = sa.select(*(table.c[name] for name in names)).order_by(table.c[order])
        return [tuple(row) for row in connection.execute(chosen)]


def _left(services: Services) -> list[Any]:
    """Return all that writes left behind, without what is new each time."""
    told = _rows(services, tables.event, "entity", "kind", "door", "version", "revision", "changes", order="id")
    runs = _rows(
        services,
        process_tables.automation_run,
        "automation",
        "entity",
        "state",
        "reason",
        "outcomes",
        "depth",
        order="id",
    )
    ids = {row[0] for row in _rows(services, tables.event, "record_id", order="id")}
    letters = _rows(services, delivery_tables.inbox, "subject", "text", "entity", order="id")
    text = repr((told, [(*run[:4], run[5], len(run[4])) for run in runs], letters))
    for one in ids:
        text = text.replace(str(one), "ID")
    return [text, _rows(services, process_tables.automation_state, "automation", "failures", order="automation")]


async def _live(services: Services, seed: int) -> list[Any]:
    """Create orders; return what each was answered, and what is left at the end."""
    chance = random.Random(seed)
    answers: list[Any] = []
    made: list[str] = []
    for _ in range(25):
        body = {"name": chance.choice("abc"), "amount": chance.choice((1, 7, 15, 30, 100))}
        try:
            record = (await services.records.create(CALLER, "shop", "order", body)).record
            answers.append(
                {
                    key: value
                    for key, value in record.items()
                    if key in body or key in ("one", "two", "due_on", "revision")
                }
            )
            read = await services.records.get(CALLER, "shop", "order", str(record["id"]))
            assert read.revision == record["revision"]
            made.append(str(record["id"]))
        except Problem as problem:
            answers.append(problem.code)
        if made:
            answers.append(await _changed(services, chance, made))
    return [answers, *_left(services)]


async def _changed(services: Services, chance: random.Random, made: list[str]) -> dict[str, Any]:
    body = {chance.choice(("name", "two")): chance.choice("xyz")}
    record = (await services.records.update(CALLER, "shop", "order", chance.choice(made), body, None)).record
    return {key: record[key] for key in ("name", "two", "due_on", "revision")}


async def test_it_leaves_what_the_long_form_leaves(migrated_database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)  # each is tried, also after one was in vain
    async with opened(migrated_database_url, tmp_path) as services:
        ahead = await _live(services, 7)
        assert {type(answer) for answer in ahead[0]} == {dict, str}
        _forget(services)
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        assert await _live(services, 7) == ahead


def _forget(services: Services) -> None:
    with services.database.transaction() as connection:
        for name in ("shop__order", "shop__line", "shop__name"):
            connection.execute(sa.text(f"DELETE FROM {name}"))
        made = (tables.event, process_tables.automation_run, process_tables.automation_state, delivery_tables.inbox)
        for table in made:
            connection.execute(sa.delete(table))


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_a_creation_that_starts_automations_asks_postgresql_once(migrated_database_url, tmp_path, monkeypatch):
    async with opened(migrated_database_url, tmp_path) as services:
        asked = asked_of_postgresql(monkeypatch)
        body = {"name": "x", "amount": 8}
        await services.records.create(CALLER, "shop", "order", body)  # looks up what every process looks up once
        asked.clear()
        made = await services.records.create(CALLER, "shop", "order", body)
        assert (made.record["two"], made.record["due_on"]) == ("16", "2026-02-28")
        assert len(asked) == 1, asked


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_people_who_are_told_are_asked_for_before_it(migrated_database_url, tmp_path, monkeypatch):
    async with opened(migrated_database_url, tmp_path) as services:
        asked = asked_of_postgresql(monkeypatch)
        body = {"name": "x", "amount": 15}
        await services.records.create(CALLER, "shop", "order", body)
        asked.clear()
        await services.records.create(CALLER, "shop", "order", body)
        assert len(asked) == 3, asked  # who has the role, who of them is active and how they want to be told, the write
        letters = _rows(services, delivery_tables.inbox, "subject", order="id")
        assert [letter[0] for letter in letters] == ['{"zh":"x: 15","en":"x: 15"}'] * 4


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_that_automations_stand_well_is_believed_until_one_does_not(migrated_database_url, tmp_path):
    """An automation that somebody else's process switched off does not run, and the next writes ask first."""
    async with opened(migrated_database_url, tmp_path) as services:
        body = {"name": "x", "amount": 15}
        believing = services.records._attempts.believes
        made = await services.records.create(CALLER, "shop", "order", body)
        assert made.record["one"] == "x!"
        assert believing("shop")
        state = process_tables.automation_state
        row = {"app": "shop", "automation": "a1", "failures": 3, "reason": "{}", "position": ""}
        with services.database.transaction() as connection:
            connection.execute(sa.insert(state), {**row, "disabled_at": services.clock.now()})
        for _ in range(3):
            off = await services.records.create(CALLER, "shop", "order", body)
            assert off.record["one"] is None
            assert not believing("shop")
        with services.database.transaction() as connection:
            connection.execute(sa.delete(state))
        made = await services.records.create(CALLER, "shop", "order", body)
        assert made.record["one"] == "x!"


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_on_sqlite_a_record_is_written_once_as_it_will_be(migrated_database_url, tmp_path, monkeypatch):
    async with opened(migrated_database_url, tmp_path) as services:
        asked: list[str] = []
        plain = sqlite._ask

        def counting(connection: Any, query: Any) -> Any:
            asked.append(query.statement.sql)
            return plain(connection, query)

        monkeypatch.setattr(sqlite, "_ask", counting)
        made = await services.records.create(CALLER, "shop", "order", {"name": "x", "amount": 15})
        assert (made.record["one"], made.record["due_on"]) == ("x!", "2026-02-28")
        writes = [sql for sql in asked if not sql.startswith(("SELECT", "WITH RECURSIVE"))]
        tables_written = ["shop__order", "shop__line", "dougong_automation_run", "dougong_event", "dougong_inbox"]
        assert [sum(f"INTO {name}" in sql for sql in writes) for name in tables_written[:2]] == [1, 1]
        assert sum("INTO dougong_event" in sql for sql in writes) == 1
        assert all(any(name in sql for name in tables_written) for sql in writes)
        assert not any(sql.startswith("UPDATE") for sql in writes)


async def test_changes_at_once_lose_nothing_and_each_has_its_revision(migrated_database_url, tmp_path):
    """Whoever finds the record changed since it was looked at does it again in a transaction."""
    async with opened(migrated_database_url, tmp_path) as services:
        made = await services.records.create(CALLER, "shop", "order", {"name": "0", "amount": 1})
        record_id = str(made.record["id"])
        refusals: set[str] = set()

        async def raise_by_one() -> None:
            while True:
                now = (await services.records.get(CALLER, "shop", "order", record_id)).revision
                body = {"name": str(now)}
                try:
                    await services.records.update(CALLER, "shop", "order", record_id, body, now)
                except Problem as problem:
                    refusals.add(problem.code)
                else:
                    return

        async def change_without_looking(n: int) -> None:
            await services.records.update(CALLER, "shop", "order", record_id, {"two": f"{n}"}, None)

        await asyncio.gather(*(raise_by_one() for _ in range(12)), *(change_without_looking(n) for n in range(12)))
        assert refusals <= {"record.changed"}
        revisions = [row[0] for row in _rows(services, tables.event, "revision", "id", order="id")]
        assert sorted(revisions) == list(range(1, len(revisions) + 1))
        read = await services.records.get(CALLER, "shop", "order", record_id)
        assert read.revision == len(revisions) >= 25


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_what_was_run_ahead_does_not_land_under_a_version_that_is_gone(
    migrated_database_url, tmp_path, monkeypatch
):
    async with opened(migrated_database_url, tmp_path) as services:
        await services.records.create(CALLER, "shop", "order", {"name": "x", "amount": 15})
        plain = services.database.write_alone
        published: list[Any] = []

        async def publish_first(query: Any) -> Any:
            if not published:
                published.append(put_draft(services.registry, parse_definition(_package("more")), None))
                await asyncio.to_thread(publish_draft, services.registry, "shop", base_version=1, plan_hash=None)
            return await plain(query)

        monkeypatch.setattr(services.database, "write_alone", publish_first)
        made = await services.records.create(CALLER, "shop", "order", {"name": "y", "amount": 15})
        assert published
        assert "more" in made.record
        versions = _rows(services, tables.event, "record_id", "version", order="id")
        assert {version for record_id, version in versions if str(record_id) == made.record["id"]} == {2}
