"""A law of links: whatever is written from wherever, both sides, what is computed over them and the histories agree with a plain model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.registry.registry import load_published
from runtime.query.request import read_members
from runtime.records.caller import system_caller
from runtime.records.service import Records
from runtime.records.trash import Trash
from tests.support.computed_app import stale_values
from tests.support.desk import publish_definition
from tests.support.links_app import APP, definition
from tests.support.service import Service

CALLER = system_caller("test-request", "rest")
SIZE = 4
WHO = st.integers(0, SIZE - 1)
SHARES = st.dictionaries(WHO, st.none() | st.integers(0, 100), max_size=SIZE)
STEP = st.one_of(
    st.tuples(st.just("whole"), WHO, SHARES),
    st.tuples(st.just("part"), WHO, st.tuples(SHARES, st.sets(WHO, max_size=2))),
    st.tuples(st.just("create"), WHO, SHARES),
    st.tuples(st.just("lose_seller"), WHO, st.just(None)),
    st.tuples(st.just("lose_customer"), WHO, st.just(None)),
    st.tuples(st.just("restore"), WHO, st.just(None)),
)
Model = dict[str, dict[str, int]]
"""Customer -> seller -> share."""


class Player:
    """Plays steps on the app and on the model."""

    def __init__(self, records: Records, trash: Trash) -> None:
        self.records, self.trash = records, trash
        self.sellers: list[str] = []
        self.customers: list[str] = []
        self.model: Model = {}
        self.gone: list[tuple[str, str, Model]] = []

    async def stock(self) -> None:
        for n in range(SIZE):
            made = await self.records.create(CALLER, APP, "seller", {"name": f"s{n}", "level": n})
            self.sellers.append(str(made.record["id"]))
        for n in range(SIZE):
            await self.create({n: None, (n + 1) % SIZE: 20})

    def links(self, shares: dict[int, int | None]) -> list[Any]:
        found: list[Any] = []
        for place, share in shares.items():
            one = self.sellers[place]
            if not self.is_gone(one):
                found.append(one if share is None else {"id": one, "attributes": {"share": share}})
        return found

    def is_gone(self, record_id: str) -> bool:
        return any(record_id == other for _, other, _ in self.gone)

    @staticmethod
    def read(links: list[Any], before: dict[str, int]) -> dict[str, int]:
        found = {}
        for link in links:
            one, share = (link, None) if isinstance(link, str) else (link["id"], link["attributes"]["share"])
            found[one] = before.get(one, 10) if share is None else share
        return found

    async def create(self, shares: dict[int, int | None]) -> None:
        links = self.links(shares)
        made = await self.records.create(CALLER, APP, "customer", {"name": "c", "sellers": links})
        self.customers.append(str(made.record["id"]))
        self.model[self.customers[-1]] = self.read(links, {})

    async def play(self, kind: str, who: int, what: Any) -> None:
        customer, seller = self.customers[who], self.sellers[who]
        if kind == "create":
            await self.create(what)
        elif kind in ("whole", "part") and not self.is_gone(customer):
            before = self.model[customer]
            if kind == "whole":
                links: Any = self.links(what)
                after = self.read(links, before)
            else:
                removed = [self.sellers[place] for place in what[1] if place not in what[0]]
                links = {"add": self.links(what[0]), "remove": removed}
                after = {one: share for one, share in before.items() if one not in removed}
                after |= self.read(links["add"], before)
            await self.records.update(CALLER, APP, "customer", customer, {"sellers": links}, None)
            self.model[customer] = after
        elif kind == "lose_seller" and not self.is_gone(seller):
            await self.records.delete(CALLER, APP, "seller", seller, None)
            lost = {key: {seller: of.pop(seller)} for key, of in self.model.items() if seller in of}
            self.gone.append(("seller", seller, lost))
        elif kind == "lose_customer" and not self.is_gone(customer):
            await self.records.delete(CALLER, APP, "customer", customer, None)
            self.gone.append(("customer", customer, {customer: self.model.pop(customer)}))
        elif kind == "restore" and self.gone:
            await self.restore(who)

    async def restore(self, who: int) -> None:
        entity, record_id, lost = self.gone.pop(who % len(self.gone))
        await self.trash.restore(CALLER, APP, entity, record_id)
        if entity == "customer":
            self.model[record_id] = {}
        for customer, of in lost.items():
            for seller, share in of.items():
                if customer in self.model and not self.is_gone(seller):
                    self.model[customer].setdefault(seller, share)

    async def rows(self, entity: str, path: str) -> dict[str, Any]:
        asked = {"limit": 500, "expand": [{"path": path}]}
        page = await self.records.list_page(CALLER, APP, entity, read_members(asked))
        return {row["id"]: row for row in map(parse_json, page.records)}

    async def check(self) -> None:
        customers, sellers = await self.rows("customer", "sellers"), await self.rows("seller", "customers")
        forth = {key: {s["id"]: s["attributes"]["share"] for s in row["sellers"]} for key, row in customers.items()}
        assert forth == self.model
        back = {(c["id"], key): c["attributes"]["share"] for key, row in sellers.items() for c in row["customers"]}
        assert back == {(c, s): share for c, of in self.model.items() for s, share in of.items()}
        assert {key: row["given"] for key, row in customers.items()} == {
            c: sum(of.values()) for c, of in self.model.items()
        }
        loads = {key: sum(key in of for of in self.model.values()) for key in sellers}
        assert {key: row["load"] for key, row in sellers.items()} == loads
        for key in customers:
            told = (await self.records.timeline(CALLER, APP, "customer", key, None, 100)).events
            last: list[Any] = next(
                (c for e in told if (c := parse_json(e.body)["changes"].get("sellers")) is not None), [None, []]
            )
            assert {item["id"] for item in last[1] or []} == set(self.model[key])


@pytest.fixture
def service(migrated_database_url: str) -> Service:
    return Service(migrated_database_url)


def test_links_agree_with_a_plain_model(service: Service) -> None:
    services = service.app.services
    publish_definition(services.registry, definition(on_delete="clear"))
    published = load_published(services.registry, APP)
    assert published is not None

    async def play(steps: list[tuple[str, int, Any]]) -> None:
        player = Player(services.records, Trash(services.database, services.records))
        await player.stock()
        for kind, who, what in steps:
            try:
                await player.play(kind, who, what)
            except Problem as problem:
                raise AssertionError((kind, who, what, problem.violations)) from problem
        await player.check()
        assert await asyncio.to_thread(stale_values, services.database, published.app) == []
        for entity, ids in (("customer", list(player.model)), ("seller", player.sellers)):
            for record_id in ids:
                if not player.is_gone(record_id):
                    await services.records.delete(CALLER, APP, entity, record_id, None)

    with asyncio.Runner() as runner:
        runner.run(services.database.start())

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(STEP, min_size=1, max_size=12))
        def law(steps: list[tuple[str, int, Any]]) -> None:
            runner.run(play(steps))

        try:
            law()
        finally:
            runner.run(services.database.stop())
            services.database.close()
