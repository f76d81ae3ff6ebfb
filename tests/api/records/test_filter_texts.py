"""Conditions as text inside JSON filters find what the text alone finds, wherever a filter is taken; errors say where they are."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from formulas.syntax import LENGTH_LIMIT
from tests.support.desk import Desk, many, one
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(desk: Desk) -> dict[str, Any]:
    """Two customers, one the other's daughter, and orders with items."""
    group = await desk.create("customer", name="集团", level="A")
    daughter = await desk.create("customer", name="子公司", level="B", parent=group["id"])
    orders = [
        {"title": "first", "customer": daughter["id"], "amount": 100, "items": [{"product": "p", "qty": 1, "price": 60}]},
        {"title": "second", "customer": group["id"], "amount": "12.5", "state": "open", "items": [{"product": "q", "qty": 3}]},
        {"title": "third", "customer": daughter["id"]},
    ]  # fmt: skip
    return {"group": group, "daughter": daughter, "orders": await desk.create_many("order", orders)}


async def titles(desk: Desk, **params: Any) -> list[str]:
    return sorted(row["title"] for row in await desk.page("order", **params))


SAME: list[tuple[str, Any]] = [
    ("ROUND(amount * 1.13, 1) > 50", {"_formula": "ROUND(amount * 1.13, 1) > 50"}),
    ("amount * 2 > 5 AND state = \"open\"", {"_formula": "amount * 2 > 5", "state": "open"}),
    ("amount * 2 > 50 OR state = \"open\"", {"_or": [{"_formula": "amount * 2 > 50"}, {"state": {"_eq": "open"}}]}),
    ("NOT(amount * 2 > 50)", {"_not": {"_formula": "amount * 2 > 50"}}),
    ("LEN(customer.name) > 2", {"customer": {"_formula": "LEN(name) > 2"}}),
    ("LEN(customer.parent.name) = 2", {"customer": {"parent": {"_formula": "LEN(name) = 2"}}}),
    ("EXISTS(items, qty * 2 > 5)", {"items": {"_some": {"_formula": "qty * 2 > 5"}}}),
    ("EXISTS(items, price * 2 > this.amount)", {"items": {"_some": {"_formula": "price * 2 > this.amount"}}}),
    ("ALL(items, price * 2 > this.amount)", {"items": {"_all": {"_formula": "price * 2 > this.amount"}}}),
    ("SUM(items.qty) > 2", {"_formula": "SUM(items.qty) > 2"}),
    ("created_by = CURRENTUSER() AND created_at <= NOW()", {"_formula": "created_by = CURRENTUSER() AND created_at <= NOW()"}),
]  # fmt: skip


@pytest.mark.parametrize("text, tree", SAME, ids=lambda value: str(value)[:50])
async def test_it_finds_what_the_text_alone_finds(desk: Desk, world: dict[str, Any], text: str, tree: Any) -> None:
    wanted = await titles(desk, filter=text)
    assert len(wanted) > 0
    assert await titles(desk, filter=json.dumps(tree)) == wanted
    body = await desk.send("POST", "records/order/query", {"filter": tree, "fields": ["title"]})
    assert sorted(row["title"] for row in many(body)) == wanted
    counted = await desk.send("POST", "records/order/aggregate", {"filter": tree, "measures": {"n": {"count": "*"}}})
    assert many(counted) == [{"n": len(wanted)}]


async def test_it_is_taken_wherever_a_filter_is(desk: Desk, world: dict[str, Any]) -> None:
    tree = {"_formula": "amount * 2 > 50"}
    assert await titles(desk, **{"filter[_formula]": "amount * 2 > 50"}) == ["first"]
    assert await titles(desk, **{"filter[customer][_formula]": "LEN(name) > 2"}) == ["first", "third"]
    asked = {"expand": [{"path": "orders", "filter": tree, "fields": ["title"]}], "sort": ["name"]}
    rows = many(await desk.send("POST", "records/customer/query", asked))
    assert {row["name"]: [order["title"] for order in row["orders"]] for row in rows} == {
        "子公司": ["first"],
        "集团": [],
    }
    view = {"entity": "order", "label": "v", "filter": {"_or": [tree, {"state": "open"}]}}
    saved = one(await desk.send("POST", "views", view))
    assert await titles(desk, view=saved["id"]) == ["first", "second"]
    assert await titles(desk, view=saved["id"], filter='{"_formula": "LEN(title) = 5"}') == ["first"]
    asked = {"filter": json.dumps(tree), "max_affected": "1"}
    changed = await desk.send("PATCH", "records/order", {"note": "big"}, params=asked)
    assert changed.status_code == 200, changed.text
    assert {row["title"]: row["note"] for row in await desk.page("order")} == {
        "first": "big",
        "second": None,
        "third": None,
    }


async def test_what_it_asks_of_the_moment_is_asked_anew(desk: Desk, world: dict[str, Any]) -> None:
    params = {"filter": '{"_formula": "created_at > NOW() - TIME(1, 0, 0)"}'}
    assert len(await titles(desk, **params)) == 3
    desk.service.clock.advance(timedelta(hours=2))
    assert await titles(desk, **params) == []


async def refused(desk: Desk, tree: Any, code: str, language: str = "en") -> list[tuple[Any, ...]]:
    headers = {"accept-language": language}
    reply = await desk.send("POST", "records/order/query", {"filter": tree}, headers=headers)
    found = problem(reply, code)["errors"]
    return [(wrong["pointer"], wrong["code"], wrong["params"].get("at"), wrong["detail"]) for wrong in found]


async def test_errors_say_where_in_the_filter_and_where_in_the_text(desk: Desk) -> None:
    tree = {"_or": [{"state": "opn"}, {"customer": {"_formula": "LEN(nam) > 2"}}, {"_formula": "amount >> 5"}]}
    assert await refused(desk, tree, "request.unknown_name") == [
        ("/filter/_or/0/state", "type", None, 'no option "opn"; did you mean "open"?'),
        ("/filter/_or/1/customer/_formula", "name", [4, 7], 'no field "nam"; did you mean "name"?'),
        ("/filter/_or/2/_formula", "parse", [8, 9], 'unexpected ">"; comparisons are = <> < <= > >='),
    ]
    assert await refused(desk, {"_formula": "LEN(titel) > 2"}, "request.unknown_name", "zh") == [
        ("/filter/_formula", "name", [4, 9], "没有字段“titel”，是否想写“title”？")
    ]
    for text in ('LEN(title) > 1 AND REGEXMATCH(title, "^f")', 'LEN(title) > 1 OR REGEXTEST(title, "^f")'):
        span = [text.index("REGEX"), len(text)]
        message = "the database cannot compute REGEXTEST; put it into a formula field"
        assert await refused(desk, {"_formula": text}, "query.invalid") == [("/filter/_formula", "type", span, message)]
        assert await refused(desk, text, "query.invalid") == [("/filter", "type", span, message)]
    no_id = {"items": {"_some": {"_formula": 'order = "x1"'}}}
    assert await refused(desk, no_id, "query.invalid") == [
        ("/filter/items/_some/_formula", "type", [9, 11], "Expected a record id (UUID)")
    ]


@pytest.mark.parametrize(
    "tree, code, pointer",
    [
        ({"_formula": 5}, "query.invalid", "/filter/_formula"),
        ({"_formula": ["amount > 5"]}, "query.invalid", "/filter/_formula"),
        ({"_formula": None}, "query.invalid", "/filter/_formula"),
        ({"_formula": ""}, "query.invalid", "/filter/_formula"),
        ({"_formula": "amount"}, "query.invalid", "/filter/_formula"),
        ({"_formula": "x" * (LENGTH_LIMIT + 1)}, "query.invalid", "/filter/_formula"),
        ({"_or": [{"_formula": f'note = "{"x" * 1500}"'}] * 3}, "query.invalid", "/filter/_or/2/_formula"),
        ({"_formula": "(" * 300 + "amount" + ")" * 300 + " > 1"}, "query.invalid", "/filter/_formula"),
        ({"_formula": "REGEXMATCH(title, \"^f\")"}, "query.invalid", "/filter/_formula"),
        ({"customer": {"_formula": "REGEXMATCH(name, \"^f\")"}}, "query.invalid", "/filter/customer/_formula"),
        ({"_formula": "ISCHANGED(amount)"}, "query.invalid", "/filter/_formula"),
        ({"amount": {"_formula": "amount > 5"}}, "request.unknown_name", "/filter/amount/_formula"),
        ({"items": {"_some": {"_formula": "amount > qty"}}}, "request.unknown_name", "/filter/items/_some/_formula"),
        ({"_formula": "amount > 5; DROP TABLE x"}, "query.invalid", "/filter/_formula"),
        ({"_formula": "__class__ = 1"}, "request.unknown_name", "/filter/_formula"),
        ({"_formula": "title = \"\x00\""}, "query.invalid", "/filter/_formula"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_refuses(desk: Desk, tree: Any, code: str, pointer: str) -> None:
    content = json.dumps({"filter": tree}).encode()
    for language in ("zh", "en"):
        reply = await desk.send(
            "POST",
            "records/order/query",
            content=content,
            headers={"accept-language": language, "content-type": "application/json"},
        )
        assert list(pointers(problem(reply, code))) == [pointer]


def _nested(first: str, around: str, times: int) -> str:
    for _ in range(times):
        first = around.format(first)
    return first


@pytest.mark.parametrize(
    "text",
    [
        _nested("1", "IF(amount > 1, {}, 2)", 60) + " = 1",
        _nested("title", '(UPPER({}) & "x")', 30) + ' = "x"',
        _nested("amount > 1", "NOT({} OR ISBLANK(title))", 30),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
async def test_what_is_too_deep_for_a_database_is_said(desk: Desk, text: str) -> None:
    for given in (text, json.dumps({"_formula": text})):
        reply = await desk.send("GET", "records/order", params={"filter": given}, headers={"accept-language": "en"})
        assert "too complex for the database" in problem(reply, "query.invalid")["detail"]


async def test_rows_within_rows_within_rows_are_found_or_said_to_be_too_many(desk: Desk) -> None:
    tree: Any = {"qty": {"_gt": 1}}
    for _ in range(12):
        tree = {"order": {"items": {"_some": tree}}}
    reply = await desk.send(
        "GET", "records/item", params={"filter": json.dumps(tree)}, headers={"accept-language": "en"}
    )
    if reply.status_code != 200:  # the parser of SQLite has a stack of its own
        assert "too complex for the database" in problem(reply, "query.invalid")["detail"]


async def test_measures_are_not_computed_with(desk: Desk) -> None:
    asked = {"group_by": ["state"], "measures": {"n": {"count": "*"}}, "having": {"_formula": "n * 2 > 1"}}
    reply = await desk.send("POST", "records/order/aggregate", asked)
    assert pointers(problem(reply, "query.invalid")) == {"/having/_formula": "type"}


async def test_the_openapi_document_describes_it(desk: Desk) -> None:
    document = parse_json((await desk.send("GET", "openapi.json")).text)
    schemas = document["components"]["schemas"]
    assert schemas["OrderFilter"]["properties"]["_formula"] == {"$ref": "#/components/schemas/FilterFormula"}
    assert (schemas["FilterFormula"]["type"], schemas["FilterFormula"]["maxLength"]) == ("string", LENGTH_LIMIT)
