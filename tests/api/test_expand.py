"""``expand`` with conditions: to-many relations with their own filter, order, limit and fields, nested, in one statement."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from builder.kernel import limits
from builder.store.statement import Statement
from tests.support.query_app import definition, field, identifier, load, publish
from tests.support.service import Service, pointers, problem

pytestmark = pytest.mark.anyio

URL = "/api/sales/records/customer/query"


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    """A logged-in client: 3 customers with 4 deals each, a deal with 3 payments, a payment with 2 lines."""
    publish(service, definition())
    customers = [{"id": identifier(n), "name": f"c{n}", "level": "A" if n == 1 else "B"} for n in (1, 2, 3)]
    deals = [
        {
            "id": identifier(100 * c + d),
            "title": f"deal {c}{d}",
            "customer": identifier(c),
            "amount": 10 * d,
            "due_on": None if d == 2 else f"2026-0{d}-01",
        }
        for c in (1, 2, 3)
        for d in (1, 2, 3, 4)
    ]
    payments = [
        {"id": identifier(10_000 + 10 * n + p), "deal": deal["id"], "paid": p, "method": "bank" if p % 2 else "cash"}
        for n, deal in enumerate(deals)
        for p in (1, 2, 3)
    ]
    lines = [
        {"id": identifier(1_000_000 + 10 * n + p), "payment": payment["id"], "text": f"line {p}", "place": p}
        for n, payment in enumerate(payments)
        for p in (1, 2)
    ]
    await load(service, customer=customers, deal=deals, payment=payments, line=lines)
    return service.client_of("member")


async def ask(client: httpx.AsyncClient, **members: Any) -> list[dict[str, Any]]:
    reply = await client.post(URL, json={"sort": ["name"], **members})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["data"]
    return found


async def test_filter_order_limit_and_fields_are_those_of_each_parent(client: httpx.AsyncClient):
    expand = [
        {"path": "deals", "filter": {"amount": {"_gte": 20}}, "sort": ["-amount"], "limit": 2, "fields": ["title"]}
    ]
    found = await ask(client, expand=expand, filter={"level": "B"})
    assert [[deal["title"] for deal in customer["deals"]] for customer in found] == [
        ["deal 24", "deal 23"],
        ["deal 34", "deal 33"],
    ]
    assert set(found[0]["deals"][0]) == {"id", "title"}
    assert found[0]["name"] == "c2"


async def test_blanks_are_the_smallest_on_both_databases(client: httpx.AsyncClient):
    for sort, expected in (("due_on", [2, 1, 3, 4]), ("-due_on", [4, 3, 1, 2])):
        found = await ask(client, expand=[{"path": "deals", "sort": [sort]}], limit=1)
        assert [deal["title"][-1] for deal in found[0]["deals"]] == [str(n) for n in expected]


async def test_nested_three_deep_each_level_with_its_own(client: httpx.AsyncClient):
    lines = {"path": "lines", "sort": ["-place"], "limit": 1, "fields": ["text"]}
    payments = {
        "path": "payments",
        "filter": {"method": "bank"},
        "sort": ["-paid"],
        "fields": ["paid"],
        "expand": [lines],
    }
    deals = {"path": "deals", "sort": ["-title"], "limit": 1, "fields": ["title"], "expand": [payments, "customer"]}
    found = await ask(client, fields=["name"], expand=[deals], filter={"name": "c3"})
    deal = found[0]["deals"][0]
    assert (len(found[0]["deals"]), deal["title"], deal["customer"]["name"]) == (1, "deal 34", "c3")
    assert [(p["paid"], [line["text"] for line in p["lines"]]) for p in deal["payments"]] == [
        (3, ["line 2"]),
        (1, ["line 2"]),
    ]


async def test_dotted_paths_and_conditions_over_relations(client: httpx.AsyncClient):
    expand = [
        "deals",
        {"path": "deals.payments", "filter": {"deal": {"customer": {"name": "c1"}}, "paid": {"_in": [1, 2]}}},
    ]
    found = await ask(client, expand=expand)
    assert [[len(deal["payments"]) for deal in customer["deals"]] for customer in found] == [[2] * 4, [0] * 4, [0] * 4]


async def test_a_limit_of_nothing_and_a_formula_as_filter(client: httpx.AsyncClient):
    found = await ask(client, expand=[{"path": "deals", "limit": 0}])
    assert [customer["deals"] for customer in found] == [[], [], []]
    found = await ask(client, expand=[{"path": "deals", "filter": 'amount > 30 OR title = "deal 11"'}], limit=1)
    assert [deal["title"] for deal in found[0]["deals"]] == ["deal 11", "deal 14"]


async def test_more_parents_need_no_more_statements(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    bound: set[str] = set()
    bind = Statement.bind

    def counting(self: Statement, values: Any) -> Any:
        bound.add(self.sql)
        return bind(self, values)

    monkeypatch.setattr(Statement, "bind", counting)
    expand = [{"path": "deals", "limit": 3, "expand": [{"path": "payments", "limit": 2, "expand": ["lines"]}]}]
    await ask(client, limit=1)  # who asks is known from now on
    counts = []
    for limit in (1, 3):
        bound.clear()
        found = await ask(client, expand=expand, limit=limit)
        counts.append(len(bound))
        assert len(found) == limit
    assert counts == [1, 1]


async def test_what_cannot_be_is_refused_where_it_stands(client: httpx.AsyncClient):
    deep: Any = {"path": "deals"}
    for _ in range(6):
        deep = {"path": "customer", "expand": [deep]}
    cases: list[tuple[Any, str, str]] = [
        ({"path": "deels"}, "request.unknown_name", "/expand/0"),
        ({"path": "deals", "fields": ["titel"]}, "request.unknown_name", "/expand/0"),
        ({"path": "deals", "filter": {"titel": 1}}, "request.unknown_name", "/expand/0/filter/titel"),
        ({"path": "deals", "sort": ["titel"]}, "request.unknown_name", "/expand/0/sort/0"),
        ({"path": "deals", "sort": ["tags"]}, "query.invalid", "/expand/0/sort/0"),
        ({"path": "area", "limit": 1}, "query.invalid", "/expand/0"),
        ({"path": "name"}, "query.invalid", "/expand/0"),
        ({"path": "name.x", "fields": ["y"]}, "query.invalid", "/expand/0"),
        ({"path": "deals", "limit": limits.CHILD_RECORDS + 1}, "query.invalid", "/expand/0/limit"),
        ({"path": "deals", "limit": True}, "query.invalid", "/expand/0/limit"),
        ({"path": "deals", "limt": 1}, "query.invalid", "/expand/0/limt"),
        ({"path": "deals", "sort": "title"}, "query.invalid", "/expand/0/sort"),
        ({"path": "deals", "expand": "payments"}, "query.invalid", "/expand/0/expand"),
        (
            {"path": "deals", "expand": [{"path": "payments", "filter": {"x": 1}}]},
            "request.unknown_name",
            "/expand/0/expand/0/filter/x",
        ),
        ({"path": "deals.payments.lines.payment"}, "query.invalid", "/expand/0"),
        ({"path": 1}, "query.invalid", "/expand/0"),
        (deep, "query.invalid", "/expand/0/expand/0/expand/0/expand/0/expand"),
    ]
    for item, code, pointer in cases:
        reply = await client.post(URL, json={"expand": [item]})
        assert pointer in pointers(problem(reply, code)), (item, reply.text)
    many = [{"path": "deals"}] * (limits.EXPAND_PATHS + 1)
    assert "/expand" in pointers(problem(await client.post(URL, json={"expand": many}), "query.invalid"))
    twice = [{"path": "deals", "limit": 1}, "deals"]
    assert "/expand/1" in pointers(problem(await client.post(URL, json={"expand": twice}), "query.invalid"))


async def test_fields_that_are_called_like_parts_of_a_statement(service: Service):
    keys = ("o", "r", "g", "at", "page", "anon_1", "pin", "present")
    fields = [field(key, "text") for key in keys]
    value = definition()
    value["entities"] += [{"key": "odd", "label": "odd", "fields": [*fields, field("next", "reference", entity="odd")]}]
    publish(service, value)
    first = {"id": identifier(1), **{key: f"first {key}" for key in keys}}
    second = {"id": identifier(2), **{key: f"second {key}" for key in keys}, "next": identifier(1)}
    await load(service, odd=[first, second])
    member = service.client_of("member")
    listed = (await member.get("/api/sales/records/odd", params={"sort": "page", "expand": "next"})).json()["data"]
    single = (await member.get(f"/api/sales/records/odd/{identifier(2)}", params={"expand": "next"})).json()["data"]
    assert listed[1] == single
    assert [{key: row[key] for key in keys} for row in (listed[0], single, single["next"])] == [
        {key: f"{name} {key}" for key in keys} for name in ("first", "second", "first")
    ]
