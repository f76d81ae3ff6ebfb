"""Views: documents of the app, what people save for themselves and share, and lists seen through them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.packages.package import Package
from builder.packages.single import read_json, write_json
from builder.packages.tree import dump_tree, parse_tree
from tests.support.query_app import definition, identifier, load, publish
from tests.support.service import Service, problem

BIG: dict[str, Any] = {
    "key": "big",
    "label": {"zh": "大单", "en": "Big deals"},
    "entity": "deal",
    "filter": 'amount >= 20 AND customer.level = "A"',
    "sort": ["-amount"],
    "columns": ["title", "customer.name"],
    "limit": 2,
}
MINE: dict[str, Any] = {
    "entity": "deal",
    "label": "我的",
    "filter": {"created_by": "$CURRENT_USER"},
    "columns": ["title"],
}


@pytest.fixture
async def clients(service: Service) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """Two people of an app with the view ``big``."""
    publish(service, definition(views=[BIG]))
    customers = [{"id": identifier(1), "name": "甲", "level": "A"}, {"id": identifier(2), "name": "乙", "level": "B"}]
    deals = [
        {"id": identifier(100 * c + n), "title": f"deal {c}{n}", "customer": identifier(c), "amount": 10 * n}
        for c in (1, 2)
        for n in (1, 2, 3, 4)
    ]
    await load(service, customer=customers, deal=deals)
    return service.client_of("member"), service.client_of("builder")


async def titles(client: httpx.AsyncClient, **params: Any) -> list[str]:
    reply = await client.get("/api/sales/records/deal", params=params)
    assert reply.status_code == 200, reply.text
    return [deal["title"] for deal in reply.json()["data"]]


@pytest.mark.anyio
async def test_a_list_is_seen_through_a_view_and_says_the_rest_itself(clients: Any):
    client, _ = clients
    reply = await client.get("/api/sales/records/deal", params={"view": "big"})
    assert [(deal["title"], deal["customer"]["name"]) for deal in reply.json()["data"]] == [
        ("deal 14", "甲"),
        ("deal 13", "甲"),
    ]
    assert set(reply.json()["data"][0]) == {"id", "title", "customer"}
    assert reply.json()["meta"]["next_cursor"]
    assert await titles(client, view="big", limit="9", sort="amount") == ["deal 12", "deal 13", "deal 14"]
    narrower = '{"amount":{"_lt":40}}'
    assert await titles(client, view="big", filter=narrower, fields="title") == ["deal 13", "deal 12"]
    assert await titles(client, view="big", filter="amount < 40") == ["deal 13", "deal 12"]
    by_body = await client.post("/api/sales/records/deal/query", json={"view": "big", "count": "exact"})
    assert by_body.json()["meta"]["count"] == 3


@pytest.mark.anyio
async def test_a_cursor_goes_on_in_a_view(clients: Any):
    client, _ = clients
    first = (await client.get("/api/sales/records/deal", params={"view": "big"})).json()
    assert await titles(client, view="big", cursor=first["meta"]["next_cursor"]) == ["deal 12"]


@pytest.mark.anyio
async def test_a_view_belongs_to_its_entity_and_must_exist(clients: Any):
    client, _ = clients
    problem(await client.get("/api/sales/records/customer", params={"view": "big"}), "query.invalid")
    document = problem(await client.get("/api/sales/records/deal", params={"view": "bigg"}), "view.not_found")
    assert "big" in document["detail"]
    problem(await client.get("/api/sales/records/deal", params={"view": identifier(9)}), "view.not_found")
    problem(await client.get(f"/api/sales/records/deal/{identifier(101)}", params={"view": "big"}), "query.invalid")


@pytest.mark.anyio
async def test_a_person_saves_changes_shares_and_deletes_a_view(clients: Any):
    client, other = clients
    made = await client.post("/api/sales/views", json=MINE)
    assert made.status_code == 201, made.text
    saved = made.json()["data"]
    place = made.headers["location"]
    assert (saved["own"], saved["shared"], saved["filter"]) == (True, False, MINE["filter"])
    mine = await client.post("/api/sales/records/deal", json={"title": "my own"})
    assert mine.status_code == 201
    assert await titles(client, view=saved["id"]) == ["my own"]

    problem(await other.get(place), "view.not_found")
    problem(await other.get("/api/sales/records/deal", params={"view": saved["id"]}), "view.not_found")
    shared = await client.patch(place, json={"shared": True, "label": "Ours"})
    assert (shared.json()["data"]["label"], shared.json()["data"]["filter"]) == ("Ours", MINE["filter"])
    assert await titles(other, view=saved["id"]) == []  # of its own records: there are none
    problem(await other.patch(place, json={"shared": False}), "access.denied")
    problem(await other.delete(place), "access.denied")

    listed = (await other.get("/api/sales/views", headers={"accept-language": "en"})).json()["data"]
    assert [(view["id"], view["label"], view["own"]) for view in listed] == [
        ("big", "Big deals", False),
        (saved["id"], "Ours", False),
    ]
    await client.patch(place, json={"filter": None, "sort": ["-amount"], "limit": 1})
    assert await titles(client, view=saved["id"]) == ["deal 24"]
    gone = [await client.delete(place, headers={"idempotency-key": "d1"}) for _ in range(2)]
    assert [reply.status_code for reply in gone] == [204, 204]
    assert gone[1].headers["idempotency-replayed"] == "true"
    problem(await client.get(place), "view.not_found")


@pytest.mark.anyio
async def test_a_view_that_cannot_be_asked_is_not_saved(clients: Any):
    client, _ = clients
    cases: list[tuple[dict[str, Any], str]] = [
        ({"entity": "deel"}, "view.invalid"),
        ({"label": ""}, "view.invalid"),
        ({"label": "a\x00b"}, "view.invalid"),
        ({"label": "x" * 201}, "view.invalid"),
        ({"shared": "yes"}, "view.invalid"),
        ({"column": ["title"]}, "view.invalid"),
        ({"columns": ["titel"]}, "request.unknown_name"),
        ({"filter": {"titel": 1}}, "request.unknown_name"),
        ({"filter": "titel = 1"}, "request.unknown_name"),
        ({"sort": ["titel"]}, "request.unknown_name"),
        ({"limit": 501}, "query.invalid"),
    ]
    for change, code in cases:
        problem(await client.post("/api/sales/views", json={**MINE, **change}), code)
    problem(await client.post("/api/sales/views", json=[]), "view.invalid")
    problem(await client.patch("/api/sales/views/big", json={}), "view.not_found")
    problem(await client.put("/api/sales/views", json={}), "request.method")


@pytest.mark.anyio
async def test_a_token_that_only_reads_saves_nothing(service: Service, clients: Any):
    reader = service.client_of("member", "records:read")
    problem(await reader.post("/api/sales/views", json=MINE), "access.denied")
    assert (await reader.get("/api/sales/views")).status_code == 200
    problem(await service.client().get("/api/sales/views"), "auth.required")


@pytest.mark.anyio
async def test_a_view_that_leads_nowhere_is_not_published(service: Service):
    wrong = {**BIG, "filter": {"amunt": 1}, "sort": ["titel"], "columns": ["customer.nam", "title.x"], "entity": "deal"}
    with pytest.raises(Problem) as caught:
        publish(service, definition(views=[wrong, {**BIG, "key": "b", "entity": "deel"}]))
    places = {violation.pointer for violation in caught.value.violations}
    assert caught.value.code == "publish.findings"
    for pointer in ("/filter/amunt", "/sort/0", "/columns/0", "/columns/1", "/entity"):
        assert any(place.endswith(pointer) for place in places), (pointer, places)


def test_views_travel_in_packages():
    package = Package(parse_definition(definition(views=[BIG])), {})
    assert [view.key for view in package.definition.views] == ["big"]
    assert "views/big.json" in dump_tree(package)
    assert parse_tree(dump_tree(package)) == package
    assert read_json(write_json(package)) == package
