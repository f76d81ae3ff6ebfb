"""What spreads to very many records is computed by a job, in chunks; until then readers know which fields are on their way."""

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
from builder.store.database import Database
from tests.support.computed_app import APP, publish_shop, stale_values
from tests.support.service import Service
from tests.support.timing import wait_until

pytestmark = pytest.mark.anyio
RECORDS = "/api/shop/records"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test reaches quickly."""
    monkeypatch.setattr("runtime.records.computing.RECOMPUTED_IN_WRITE", 20)
    monkeypatch.setattr("runtime.records.recomputing.RECOMPUTED_AT_ONCE", 8)
    monkeypatch.setattr("builder.publish.later.RECOMPUTED_IN_PUBLISH", 20)


async def make(client: httpx.AsyncClient, entity: str, values: dict[str, Any]) -> str:
    reply = await client.post(f"{RECORDS}/{entity}", json=values)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["data"]["id"])


async def customer_with(service: Service, client: httpx.AsyncClient, count: int) -> str:
    region = await make(client, "region", {"name": "华东"})
    customer = await make(client, "customer", {"name": "甲", "level": "a", "region": region})
    rows = [{"customer": customer, "amount": n + 1, "rate": "0.06", "done": n % 2 == 0} for n in range(count)]
    reply = await client.post(f"{RECORDS}/payment/batch", json={"create": rows})
    assert reply.status_code in (200, 201), reply.text
    await service.app.services.ticker.until_quiet()
    return customer


async def levels(client: httpx.AsyncClient) -> tuple[set[Any], list[dict[str, Any]]]:
    answer = parse_json((await client.get(f"{RECORDS}/payment?limit=500&fields=level")).content)
    return {row["level"] for row in answer["data"]}, answer["meta"].get("pending", [])


def stale(service: Service) -> list[tuple[str, str, int]]:
    services = service.app.services
    published = load_published(services.registry, "shop")
    assert published is not None
    return stale_values(services.database, published.app)


@pytest.mark.usefixtures("few")
async def test_a_change_that_reaches_few_is_there_at_once(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 20)
        await client.patch(f"{RECORDS}/customer/{customer}", json={"level": "b"})
        assert await levels(client) == ({"b"}, [])


@pytest.mark.usefixtures("few")
async def test_a_change_that_reaches_many_is_a_job_whose_progress_is_seen(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 45)
        payment = parse_json((await client.get(f"{RECORDS}/payment?limit=1")).content)["data"][0]["id"]
        assert (await client.patch(f"{RECORDS}/customer/{customer}", json={"level": "b"})).status_code == 200

        seen, pending = await levels(client)
        assert seen == {"a"}
        assert [(job["entity"], job["fields"]) for job in pending] == [("payment", ["level"])]
        one = (await client.get(f"{RECORDS}/payment/{payment}")).json()
        assert one["meta"]["pending"] == pending
        assert "pending" not in (await client.get(f"{RECORDS}/customer")).json()["meta"]
        expanded = (await client.get(f"{RECORDS}/customer?fields=name,payments.level")).json()
        assert expanded["meta"]["pending"] == pending
        for measure, told in (
            ({"count": "*"}, None),
            ({"count_distinct": "level"}, pending),
        ):
            body = {"group_by": [], "measures": {"n": measure}}
            answer = (await client.post(f"{RECORDS}/payment/aggregate", json=body)).json()
            assert answer["meta"].get("pending") == told, answer
        job = (await client.get(f"/api/jobs/{pending[0]['job_id']}")).json()["data"]
        assert (job["kind"], job["state"], job["done_count"]) == ("recompute", "waiting", 0)

        await service.app.services.ticker.until_quiet()
        assert await levels(client) == ({"b"}, [])
        job = (await client.get(f"/api/jobs/{job['id']}")).json()["data"]
        assert (job["state"], job["done_count"], job["total_count"]) == ("done", 45, 45)
        assert job["result"] == {"record_count": 45}
        assert stale(service) == []


@pytest.mark.usefixtures("few")
async def test_what_reads_a_value_of_the_job_follows_it(service: Service):
    app = copy.deepcopy(APP)
    customer, payment = app["entities"][1:3]
    payment["fields"].append({"key": "mark", "type": "formula", "label": "标记", "formula": 'level & "!"'})
    counted = 'COUNT(payments, mark = "b!")'
    customer["fields"].append({"key": "marked", "type": "formula", "label": "标记数", "formula": counted})
    publish_shop(service)
    registry = service.app.services.registry
    put_draft(registry, parse_definition(app), None)
    publish_draft(registry, "shop", base_version=1, plan_hash=None)
    async with service.client_of("member", "records:read", "records:write") as client:
        key = await customer_with(service, client, 45)
        await client.patch(f"{RECORDS}/customer/{key}", json={"level": "b"})
        assert (await client.get(f"{RECORDS}/customer/{key}")).json()["data"]["marked"] == 0
        await service.app.services.ticker.until_quiet()
        assert (await client.get(f"{RECORDS}/customer/{key}")).json()["data"]["marked"] == 45
        assert stale(service) == []


@pytest.mark.usefixtures("few")
async def test_two_changes_of_one_customer_end_with_the_later(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 45)
        for level in ("b", "c"):
            await client.patch(f"{RECORDS}/customer/{customer}", json={"level": level})
        assert len((await levels(client))[1]) == 2
        await service.app.services.ticker.until_quiet()
        assert await levels(client) == ({"c"}, [])


@pytest.mark.usefixtures("few")
async def test_a_dry_run_puts_nothing_down(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 45)
        await client.patch(f"{RECORDS}/customer/{customer}?dry_run=true", json={"level": "b"})
        assert await levels(client) == ({"a"}, [])


@pytest.mark.usefixtures("few")
async def test_a_publish_leaves_a_large_table_to_a_job(service: Service):
    publish_shop(service)
    app = copy.deepcopy(APP)
    fields = app["entities"][2]["fields"]
    new = {
        "half": "amount / 2",
        "quarter": "half / 2",
        "word": '"x" & level',
        "letters": 'PINYIN(TEXT(amount, "0"))',
    }
    fields += [{"key": key, "type": "formula", "label": key, "formula": formula} for key, formula in new.items()]
    async with service.client_of("member", "records:read", "records:write") as client:
        await customer_with(service, client, 45)
        registry = service.app.services.registry
        put_draft(registry, parse_definition(app), None)
        publish_draft(registry, "shop", base_version=1, plan_hash=None)
        _, pending = await levels(client)
        assert [sorted(job["fields"]) for job in pending] == [sorted(new)]
        row = parse_json((await client.get(f"{RECORDS}/payment?limit=1")).content)["data"][0]
        assert row["quarter"] is None
        written = await client.patch(f"{RECORDS}/payment/{row['id']}", json={"amount": "80"})
        assert written.json()["data"]["quarter"] == 20  # what is written meanwhile is right at once
        await service.app.services.ticker.until_quiet()
        assert (await levels(client))[1] == []
        assert stale(service) == []
        rows = parse_json((await client.get(f"{RECORDS}/payment?limit=500")).content)["data"]
        assert all(row["letters"] == str(int(row["amount"])) for row in rows)  # a function that only Python has


async def test_children_written_at_once_all_count_for_their_parent(service: Service):
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 1)

        async def pay(amount: int) -> None:
            reply = await client.post(
                f"{RECORDS}/payment", json={"customer": customer, "amount": amount, "rate": 0, "done": True}
            )
            assert reply.status_code == 201, reply.text

        await asyncio.gather(*(pay(10) for _ in range(30)))
        assert parse_json((await client.get(f"{RECORDS}/customer/{customer}")).content)["data"]["paid"] == 301
        assert stale(service) == []


async def test_a_new_link_sees_what_becomes_of_its_target_meanwhile(service: Service):
    """Who changes a payer does not see the payments that others are writing: these have to see the change."""
    publish_shop(service)
    database: Database = service.app.services.database
    async with service.client_of("member", "records:read", "records:write") as client:
        payer = await make(client, "payer", {"name": "a"})
        old = await make(client, "payment", {"amount": 1})
        if database.dialect == "postgresql":
            with database.engine.connect() as other:
                other.execute(sa.text("UPDATE shop__payer SET name = 'b'"))
                moving = client.patch(f"{RECORDS}/payment/{old}", json={"payer": payer})
                writing = asyncio.gather(make(client, "payment", {"payer": payer, "amount": 1}), moving)
                await asyncio.to_thread(wait_until, lambda: _somebody_waits(database) or writing.done())
                other.commit()
                await writing
            assert stale(service) == []

        async def rename(name: str) -> None:
            assert (await client.patch(f"{RECORDS}/payer/{payer}", json={"name": name})).status_code == 200

        paying = [make(client, "payment", {"payer": payer, "amount": n}) for n in range(6)]
        await asyncio.gather(*(rename(name) for name in "cdef"), *paying)
        assert stale(service) == []


def _somebody_waits(database: Database) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.engine.connect() as connection:
        return bool(connection.scalar(sa.text(waiting)))


async def test_plain_children_changed_and_moved_at_once_all_count(service: Service):
    """A child without computed fields is written by one statement on PostgreSQL; its parents follow in the same transaction."""
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as client:
        customers = [await make(client, "customer", {"name": name}) for name in "甲乙"]
        visits = [await make(client, "visit", {"customer": customers[0], "minutes": 1}) for _ in range(6)]

        async def change(visit: str, **values: Any) -> None:
            assert (await client.patch(f"{RECORDS}/visit/{visit}", json=values)).status_code == 200

        longer = [change(visit, minutes=10) for visit in visits[:4]]
        moved = [change(visit, customer=customers[1]) for visit in visits[4:]]
        await asyncio.gather(*longer, *moved, make(client, "visit", {"customer": customers[1], "minutes": 7}))
        shown = [parse_json((await client.get(f"{RECORDS}/customer/{key}")).content)["data"] for key in customers]
        assert [(one["minutes"], one["longest"]) for one in shown] == [(40, 10), (9, 7)]
        await asyncio.gather(*(client.delete(f"{RECORDS}/visit/{visit}") for visit in visits[:3]))
        assert parse_json((await client.get(f"{RECORDS}/customer/{customers[0]}")).content)["data"]["minutes"] == 10
        assert stale(service) == []


async def test_the_bounds_of_the_house_hold_back_nothing_in_small_shops(service: Service):
    publish_shop(service)
    database: Database = service.app.services.database
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await customer_with(service, client, 45)
        await client.patch(f"{RECORDS}/customer/{customer}", json={"level": "b"})
    with database.snapshot() as connection:
        assert connection.scalar(sa.text("select count(*) from dougong_pending")) == 0
