"""Working calendars over REST: what is known, days brought as JSON and CSV, and what follows from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import publish_draft
from tests.support.service import Service, pointers, problem, running

pytestmark = pytest.mark.anyio
DAYS = "/builder/v1/apps/shop/working-calendars/default/days"


def app(**calendar: Any) -> dict[str, Any]:
    fields = [
        {"key": "from_on", "type": "date", "label": "从"},
        {"key": "due_on", "type": "formula", "label": "到期", "formula": "WORKDAY(from_on, 5)"},
        {"key": "late", "type": "formula", "label": "晚", "formula": "DAYS(due_on, from_on)"},
    ]
    order = {"key": "order", "label": "订单", "fields": fields}
    found: dict[str, Any] = {"app": {"key": "shop", "label": "店"}, "entities": [order]}
    if calendar:
        found["app"]["calendar"] = "own"
        found["calendars"] = [{"key": "own", "label": "own", **calendar}]
    return found


@pytest.fixture
async def service(migrated_database_url: str) -> AsyncIterator[Service]:
    async with running(migrated_database_url) as made:
        made.add_user("boss", "admin")
        made.add_user("member")
        create_app(made.app.services.registry, parse_definition(app()), None)
        publish_draft(made.app.services.registry, "shop", base_version=0, plan_hash=None)
        yield made


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client_of("boss", "records:read", "records:write", "builder") as made:
        yield made


async def due(client: httpx.AsyncClient, record: str) -> tuple[str, int]:
    found = parse_json((await client.get(f"/api/shop/records/order/{record}")).content)["data"]
    return found["due_on"], found["late"]


async def order(client: httpx.AsyncClient, on: str) -> str:
    reply = await client.post("/api/shop/records/order", json={"from_on": on})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["data"]["id"])


async def test_formulas_count_the_days_of_the_app_and_follow_when_they_change(client: httpx.AsyncClient):
    autumn, spring = await order(client, "2026-09-30"), await order(client, "2027-02-04")
    assert await due(client, autumn) == ("2026-10-13", 13)  # 10-10 is made up
    assert await due(client, spring) == ("2027-02-11", 7)  # nobody has said yet when the festival is
    festival = [{"date": f"2027-02-{day:02}", "kind": "off", "name": "春节"} for day in range(5, 12)]
    assert (await client.post(DAYS, json=[*festival, {"date": "2027-02-13", "kind": "work"}])).json()["data"] == {
        "kept": 8
    }
    assert await due(client, spring) == ("2027-02-17", 13)
    assert await due(client, await order(client, "2027-02-04")) == ("2027-02-17", 13)
    assert await due(client, autumn) == ("2026-10-13", 13)
    replaced = await client.put(
        DAYS, params={"year": 2027}, content="date,kind\n2027-02-05,off\n", headers={"content-type": "text/csv"}
    )
    assert replaced.status_code == 200, replaced.text
    assert await due(client, spring) == ("2027-02-12", 8)


async def test_another_calendar_is_another_week(service: Service, client: httpx.AsyncClient):
    record = await order(client, "2026-11-27")  # a Friday
    assert await due(client, record) == ("2026-12-04", 7)
    registry = service.app.services.registry
    definition = app(country="none", week={"sat": ["09:00-12:00"]})
    put_draft(registry, parse_definition(definition), None)
    publish_draft(registry, "shop", base_version=None, plan_hash=None)
    assert await due(client, record) == ("2026-12-03", 6)
    assert await due(client, await order(client, "2026-11-27")) == ("2026-12-03", 6)


async def test_a_year_without_data_warns_until_it_has_some(service: Service, client: httpx.AsyncClient):
    url = "/builder/v1/apps/shop/working-calendars"
    found = (await client.get(url, headers={"accept-language": "en"})).json()["data"]
    assert found[0]["key"] == "default"
    assert found[0]["years_without_data"] == [2027]
    assert "2027" in found[0]["warning"]
    listed = (await client.get(DAYS, params={"year": 2026})).json()["data"]
    assert {"date": "2026-02-14", "kind": "work"}.items() <= next(
        d for d in listed if d["date"] == "2026-02-14"
    ).items()
    assert len([d for d in listed if d["kind"] == "off"]) == 33
    await client.post(DAYS, json=[{"date": "2027-01-01", "kind": "off", "name": "元旦"}])
    assert (await client.get(url)).json()["data"][0]["years_without_data"] == []
    kept = (await client.get(DAYS, params={"year": 2027})).json()["data"]
    assert [(d["date"], d["name"], d["provisional"]) for d in kept] == [("2027-01-01", "元旦", False)]
    service.clock.advance(timedelta(days=365))
    assert (await client.get(url)).json()["data"][0]["years_without_data"] == [2028]


async def test_wrong_days_are_all_named_and_nothing_is_kept(service: Service, client: httpx.AsyncClient):
    rows = [{"date": "2027-02-30", "kind": "off"}, {"date": "2027-01-01", "kind": "holiday"}, {"kind": "off"}]
    refused = problem(await client.post(DAYS, json=rows), "request.malformed")
    assert {"/1/kind", "/2/date"} <= pointers(refused).keys()
    problem(await client.post(DAYS, content="day\n1", headers={"content-type": "text/csv"}), "request.malformed")
    problem(
        await client.put(DAYS, params={"year": 2026}, json=[{"date": "2027-01-01", "kind": "off"}]), "request.malformed"
    )
    problem(await client.post(DAYS.replace("default", "defualt"), json=[]), "definition.not_found")
    assert (await client.get(DAYS, params={"year": 2027})).json()["data"] == []
    async with service.client_of("member", "records:read") as member:
        problem(await member.get(DAYS, params={"year": 2026}), "access.denied")
