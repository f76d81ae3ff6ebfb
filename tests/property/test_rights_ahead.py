"""Writes of people with roles, run ahead of their transaction, answer and leave what the long form answers and leaves."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from builder.kernel.clock import MovableClock
from builder.kernel.problems import Problem
from runtime.app import create_app as compose
from runtime.identity.actors import Actor
from runtime.pipelines.moving import Order
from runtime.records import alone, service
from runtime.records.ahead import Attempts
from runtime.records.caller import Caller, system_caller
from runtime.services import Services
from runtime.settings import Settings
from tests.support.both_ways import forget, left, numbered
from tests.support.started import asked_of_postgresql, started

pytestmark = pytest.mark.anyio

_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_STEPS = 120


def _field(key: str, type_: str = "text", **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type_, "label": key, **more}


def _set(field: str, **value: Any) -> dict[str, Any]:
    return {"type": "set_fields", "set": [{"field": field, **value}]}


def _package() -> dict[str, Any]:
    """Deals of customers: rows over the record, over what it points to and over places; masks, hidden fields, conditions after a write."""
    deal = [
        _field("name"),
        _field("phone"),
        _field("secret"),
        _field("one"),
        _field("amount", "money"),
        _field("owner", "user"),
        _field("place", "department"),
        _field("customer", "reference", entity="customer"),
        _field("stage", "select", options=[{"key": key, "label": key} for key in "ab"]),
        _field("double", "formula", formula="amount * 2"),
    ]
    everything = ["read", "create", "update"]
    seller = [
        {
            "entity": "deal",
            "rows": "owner = CURRENTUSER() OR customer.owner = CURRENTUSER()",
            "may": everything,
            "masks": [{"field": "phone", "start": 3, "end": 2}],
            "hidden": ["secret"],
            "after": "amount <= 50 AND (owner = CURRENTUSER() OR customer.owner = CURRENTUSER())",
            "transitions": "all",
        },
        {"entity": "deal", "rows": "amount < 10 AND owner = CURRENTUSER()", "may": ["read"]},
        {"entity": "customer", "rows": "owner = CURRENTUSER()", "may": ["read"]},
    ]
    local = [
        {"entity": "deal", "rows": "INDEPT(place)", "may": everything, "hidden": ["phone"], "fixed": ["one"]},
        {"entity": "customer", "may": ["read"]},
    ]
    chief = [{"entity": key, "may": everything, "transitions": "all"} for key in ("deal", "customer", "log")]
    changed = {"trigger": {"type": "changed", "changes": [{"field": "name"}]}, "run_as": "owner", "owner": "owner"}
    log = {"type": "create_record", "entity": "log", "values": [{"field": "text", "formula": "name"}]}
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [
            {"key": "deal", "label": "deal", "fields": deal},
            {"key": "customer", "label": "customer", "fields": [_field("name"), _field("owner", "user")]},
            {"key": "log", "label": "log", "fields": [_field("text")]},
        ],
        "automations": [
            {
                "key": "made",
                "label": "made",
                "entity": "deal",
                "trigger": {"type": "created"},
                "condition": "amount > 5",
                "actions": [_set("one", formula='CONCAT(name, "!")'), log],
            },
            {
                "key": "renamed",
                "label": "renamed",
                "entity": "deal",
                **changed,
                "actions": [_set("one", value="again")],
            },
        ],
        "pipelines": [
            {
                "key": "flow",
                "label": "flow",
                "entity": "deal",
                "field": "stage",
                "stages": [{"key": "a"}, {"key": "b"}],
                "transitions": [
                    {
                        "key": "on",
                        "label": "on",
                        "leaves": ["a"],
                        "enters": "b",
                        "guards": [{"type": "formula", "formula": "amount > 3", "message": "amount"}],
                    }
                ],
            }
        ],
        "roles": [
            {"key": key, "label": key, "grants": grants}
            for key, grants in (("seller", seller), ("local", local), ("chief", chief))
        ],
    }


class _World:
    """An instance with people and customers."""

    def __init__(self, services: Services) -> None:
        self.services = services
        identity = services.identity
        self.places = [identity.departments.create_department(key, key, None).id for key in ("east", "west")]
        self.people: list[Caller] = []
        for name, roles, place in (
            ("ann", {"seller"}, 0),
            ("bob", {"seller", "local"}, 1),
            ("cyd", {"local"}, 0),
            ("dan", {"chief"}, 1),
        ):
            home = self.places[place]
            made = identity.users.create_user({"username": name, "department_id": home})
            roles_by_app = {"shop": frozenset(roles)}
            actor = Actor(made.id, name, name, "member", None, home, roles=roles_by_app, departments=(home,))
            self.people.append(Caller(actor, f"request-{name}"))
        self.customers: list[str] = []
        self.deals: list[str] = []

    async def fill(self) -> None:
        """Create a customer of each seller."""
        by_system = system_caller("request-none", "rest")
        for caller in self.people[:2]:
            body = {"name": "c", "owner": caller.actor_id}
            made = await self.services.records.create(by_system, "shop", "customer", body)
            self.customers.append(str(made.record["id"]))

    def body(self, chance: random.Random) -> dict[str, Any]:
        """Return some values."""
        ways: dict[str, Any] = {
            "name": chance.choice("xyz"),
            "phone": chance.choice(["13812345678", "123", None]),
            "secret": "s",
            "one": "given",
            "amount": chance.choice([1, 4, 7, 30, 80]),
            "owner": chance.choice(self.people).actor_id,
            "place": chance.choice(self.places),
            "customer": chance.choice([*self.customers, None]),
        }
        likely = {"name": 0.9, "amount": 0.9, "owner": 0.7, "customer": 0.5, "place": 0.7, "phone": 0.6}
        return {key: value for key, value in ways.items() if chance.random() < likely.get(key, 0.1)}

    async def step(self, chance: random.Random) -> Any:
        """Do something as somebody; return what was answered."""
        records, caller = self.services.records, chance.choice(self.people)
        deed = chance.choice(["create", "create", "update", "update", "move"])
        try:
            if deed == "create" or not self.deals:
                written = await records.create(caller, "shop", "deal", self.body(chance))
                self.deals.append(str(written.record["id"]))
            elif deed == "update":
                written = await records.update(
                    caller, "shop", "deal", chance.choice(self.deals), self.body(chance), None
                )
            else:
                deal = chance.choice(self.deals)
                written = (await self.services.pipelines.move(caller, "shop", "deal", deal, Order("on"))).written
        except Problem as problem:
            return problem.code, problem.detail, problem.violations
        read = await self._read(caller, str(written.record["id"]))
        assert written.body.decode() == read or set(written.record) == {"id", "revision"}, (written.body, read)
        return written.body.decode(), read

    async def _read(self, caller: Caller, record_id: str) -> str:
        """Return what the writer reads afterwards."""
        try:
            return (await self.services.records.get(caller, "shop", "deal", record_id)).body.decode()
        except Problem as problem:
            return problem.code


@asynccontextmanager
async def _opened(url: str, folder: Any) -> AsyncIterator[Services]:
    settings = Settings(database_url=url, log_level="error", files_folder=folder, secret_file=folder / "secret")
    async with started(compose(settings, clock=MovableClock(_AT)).services, _package()) as services:
        yield services


async def _live(world: _World, seed: int) -> list[str]:
    chance = random.Random(seed)
    world.customers, world.deals = [], []
    await world.fill()
    told = [await world.step(chance) for _ in range(_STEPS)]
    return numbered([*told, *left(world.services)])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_it_answers_and_leaves_what_the_long_form_does(migrated_database_url, tmp_path, monkeypatch, seed):
    monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)  # each is tried, also after one was in vain
    ahead = 0
    plain = alone.write_ahead

    async def counting(*given: Any) -> Any:
        nonlocal ahead
        written = await plain(*given)
        ahead += written is not None
        return written

    monkeypatch.setattr(service, "write_ahead", counting)
    async with _opened(migrated_database_url, tmp_path) as services:
        world = _World(services)
        first = await _live(world, seed)
        written = sum("'id" in answer or "revision" in answer for answer in first[:_STEPS])
        assert ahead * 2 > written > 10, (ahead, written)
        forget(services, ("deal", "customer", "log"))
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        tried = ahead
        again = await _live(world, seed)
        assert ahead == tried
        for one, other in zip(first, again, strict=True):
            assert one == other


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_a_seller_asks_postgresql_once_to_create_and_twice_to_change(
    migrated_database_url, tmp_path, monkeypatch
):
    async with _opened(migrated_database_url, tmp_path) as services:
        asked = asked_of_postgresql(monkeypatch)
        ann = _World(services).people[0]
        body = {"name": "x", "amount": 7, "owner": ann.actor_id}
        await services.records.create(ann, "shop", "deal", body)  # looks up what every process looks up once
        asked.clear()
        made = await services.records.create(ann, "shop", "deal", body)
        assert made.record["one"] == "x!"
        assert len(asked) == 1, asked
        asked.clear()
        made = await services.records.update(ann, "shop", "deal", str(made.record["id"]), {"amount": 30}, None)
        assert made.record["amount"] == 30
        assert len(asked) == 2, asked
