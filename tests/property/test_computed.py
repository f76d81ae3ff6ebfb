"""A law of computed fields: whatever is written, in whatever order, every stored value is what its formula gives now."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.registry.registry import load_published
from runtime.query.request import ListRequest
from runtime.records.caller import system_caller
from runtime.records.service import Records
from tests.support.computed_app import publish_shop, stale_values
from tests.support.service import Service

CALLER = system_caller("test-request", "rest")
AMOUNTS = (
    st.none() | st.decimals(-1000, 100_000, places=2) | st.sampled_from([Decimal("0.005"), Decimal("99999999.99")])
)
RATES = st.none() | st.decimals(0, 1, places=4)
PAYMENT = st.fixed_dictionaries(
    {},
    optional={
        "amount": AMOUNTS,
        "rate": RATES,
        "done": st.none() | st.booleans(),
        "due_on": st.none() | st.just("2026-11-01"),
    },
)
NAMES = st.none() | st.text("甲乙abÉ 😀", min_size=1, max_size=4)
CUSTOMER = st.fixed_dictionaries({}, optional={"name": NAMES, "level": NAMES})
GOAL = st.fixed_dictionaries(
    {},
    optional={
        "amount": AMOUNTS,
        "name": NAMES,
        "done": st.none() | st.booleans(),
        "due_on": st.none() | st.sampled_from(["2026-11-01", "2026-12-01"]),
    },
)
STEP = st.one_of(
    st.tuples(st.just("create"), st.just("region"), st.fixed_dictionaries({"name": NAMES})),
    st.tuples(st.just("create"), st.just("customer"), CUSTOMER),
    st.tuples(st.just("create"), st.just("payment"), PAYMENT),
    st.tuples(st.just("create_with"), st.just("customer"), st.lists(PAYMENT, max_size=3)),
    st.tuples(st.just("change"), st.just("customer"), CUSTOMER),
    st.tuples(st.just("change"), st.just("payment"), PAYMENT),
    st.tuples(st.just("create"), st.just("goal"), GOAL),
    st.tuples(st.just("change"), st.just("goal"), GOAL),
    st.tuples(st.just("move"), st.sampled_from(["customer", "payment", "goal"]), st.just({})),
    st.tuples(st.just("delete"), st.sampled_from(["region", "customer", "payment", "goal"]), st.just({})),
)
PARENT = {"customer": ("region", "region"), "payment": ("customer", "customer"), "goal": ("region", "region")}


class Player:
    """Plays steps; which records they hit is drawn from numbers, so that examples shrink well."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.ids: dict[str, list[str]] = {"region": [], "customer": [], "payment": [], "goal": []}

    async def stock(self) -> None:
        """Begin with something to change: two regions with customers who have paid."""
        for place in range(2):
            await self.play("create", "region", {"name": "区"}, 0)
            paid = [{"amount": 10 * place + n, "rate": "0.13", "done": True, "due_on": "2026-11-01"} for n in (1, 2)]
            body = {"name": "户", "level": "A", "region": self.ids["region"][-1], "payments": paid}
            written = await self.records.create(CALLER, "shop", "customer", body)
            customer = str(written.record["id"])
            self.ids["customer"].append(customer)
            page = await self.records.list_page(CALLER, "shop", "payment", ListRequest(filter={"customer": customer}))
            self.ids["payment"] += [parse_json(record)["id"] for record in page.records]

    async def play(self, kind: str, entity: str, values: Any, place: int) -> None:
        if kind.startswith("create"):
            body = {"payments": values} if kind == "create_with" else {**values, **self._parent(entity, place)}
            written = await self.records.create(CALLER, "shop", entity, body)
            self.ids[entity].append(str(written.record["id"]))
            return
        if not self.ids[entity]:
            return
        record_id = self.ids[entity][place % len(self.ids[entity])]
        try:
            if kind == "delete":
                await self.records.delete(CALLER, "shop", entity, record_id, None)
            else:
                body = self._parent(entity, place // 3) if kind == "move" else values
                await self.records.update(CALLER, "shop", entity, record_id, body, None)
        except Problem as problem:
            if problem.code != "record.not_found":  # it went with its customer
                raise

    def _parent(self, entity: str, place: int) -> dict[str, Any]:
        if entity not in PARENT:
            return {}
        key, target = PARENT[entity]
        choices: list[str | None] = [None, *self.ids[target]]
        return {key: choices[place % len(choices)]}


@pytest.fixture
def service(migrated_database_url: str) -> Service:
    return Service(migrated_database_url)


def test_stored_values_are_what_their_formulas_give(service: Service):
    publish_shop(service)
    database = service.app.services.database
    published = load_published(service.app.services.registry, "shop")
    assert published is not None

    async def play(steps: list[tuple[tuple[str, str, Any], int]]) -> list[tuple[str, str, int]]:
        player = Player(service.app.services.records)
        await player.stock()
        for (kind, entity, values), place in steps:
            try:
                await player.play(kind, entity, values, place)
            except Problem as problem:
                if problem.code != "record.invalid":  # its parent is gone
                    raise
        return await asyncio.to_thread(stale_values, database, published.app)

    with asyncio.Runner() as runner:
        runner.run(database.start())
        try:

            @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
            @given(st.lists(st.tuples(STEP, st.integers(0, 50)), min_size=1, max_size=12))
            def law(steps: list[tuple[tuple[str, str, Any], int]]) -> None:
                assert runner.run(play(steps)) == []

            law()
        finally:
            runner.run(database.stop())
            database.close()
