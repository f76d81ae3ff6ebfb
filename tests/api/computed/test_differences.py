"""Sums and counts of a parent follow from the one child that changed; where that is not certain, all children are counted."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.registry.apps import put_draft
from builder.registry.publishing import publish_draft
from builder.registry.registry import load_published
from tests.support.computed_app import APP, publish_shop, stale_values
from tests.support.service import Service

pytestmark = pytest.mark.anyio
RECORDS = "/api/shop/records"
SHOWN = ("aimed", "reached", "high")


async def make(client: httpx.AsyncClient, entity: str, **values: Any) -> str:
    reply = await client.post(f"{RECORDS}/{entity}", json=values)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["data"]["id"])


async def change(client: httpx.AsyncClient, goal: str, **values: Any) -> None:
    reply = await client.patch(f"{RECORDS}/goal/{goal}", json=values)
    assert reply.status_code == 200, reply.text


async def totals(client: httpx.AsyncClient, region: str) -> tuple[Any, ...]:
    shown = parse_json((await client.get(f"{RECORDS}/region/{region}")).content)["data"]
    return tuple(shown[key] for key in SHOWN)


def stale(service: Service) -> list[tuple[str, str, int]]:
    published = load_published(service.app.services.registry, "shop")
    assert published is not None
    return stale_values(service.app.services.database, published.app)


def by_hand(service: Service, statement: str, **values: Any) -> None:
    """Change a table as nobody should."""
    with service.app.services.database.transaction() as connection:
        connection.execute(sa.text(statement), values)


def stored(service: Service, amount: int) -> int:
    """Money as its column has it."""
    return amount * 100 if service.app.services.database.dialect == "sqlite" else amount


async def test_the_other_children_are_not_read(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        region = await make(client, "region", name="华东")
        other, goal = [await make(client, "goal", region=region, amount=600) for _ in range(2)]
        by_hand(service, "UPDATE shop__goal SET amount = :amount WHERE id = :id", amount=stored(service, 1), id=other)
        await change(client, goal, amount=700)
        assert await totals(client, region) == (1300, 0, 2)  # 600 of the other, as it was counted
        await make(client, "goal", region=region, amount=5, done=True, due_on="2026-11-14")
        assert await totals(client, region) == (1305, 5, 2)
        elsewhere = await make(client, "region", name="华北")
        await change(client, goal, region=elsewhere)
        assert (await totals(client, region), await totals(client, elsewhere)) == ((605, 5, 1), (700, 0, 1))
        await change(client, goal, region=None, amount=None)
        assert await totals(client, elsewhere) == (0, 0, 0)


async def test_a_blank_sum_is_counted_anew(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        region = await make(client, "region", name="华东")
        goals = [await make(client, "goal", region=region, amount=n) for n in (1, 2, 3)]
        by_hand(service, "UPDATE shop__region SET aimed = NULL")
        await change(client, goals[0], amount=10)
        assert await totals(client, region) == (15, 0, 0)
        assert stale(service) == []


async def test_a_value_that_is_not_allowed_any_more_is_counted_as_it_stands(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        region = await make(client, "region", name="华东")
        goal = await make(client, "goal", region=region, amount=5000)
        await make(client, "goal", region=region, amount=1)
        bounded = copy.deepcopy(APP)
        goals = next(each for each in bounded["entities"] if each["key"] == "goal")
        next(each for each in goals["fields"] if each["key"] == "amount")["maximum"] = 1000
        registry = service.app.services.registry
        put_draft(registry, parse_definition(bounded), None)
        publish_draft(registry, "shop", base_version=1, plan_hash=None, accept_lossy=True)
        await change(client, goal, amount=900)
        assert await totals(client, region) == (901, 0, 1)
        assert stale(service) == []


async def test_children_changed_at_once_all_count(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        regions = [await make(client, "region", name=name) for name in ("华东", "华北")]
        goals = [await make(client, "goal", region=regions[n % 2], amount=n) for n in range(12)]
        for turn in range(4):
            changed = [
                change(client, goal, amount=100 * turn + n, done=(n + turn) % 2 == 0) for n, goal in enumerate(goals)
            ]
            moved = [change(client, goals[n], region=regions[turn % 2]) for n in (0, 5)]
            made = [make(client, "goal", region=regions[n % 2], amount=n) for n in range(3)]
            gone = [client.delete(f"{RECORDS}/goal/{goals[11 - turn]}")]
            del goals[11 - turn :]
            await asyncio.gather(*changed[: len(goals)], *moved, *made, *gone)
            for each in changed[len(goals) :]:
                each.close()
            assert stale(service) == []
