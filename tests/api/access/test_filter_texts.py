"""A condition as text inside a JSON filter tells no more than the text alone, and may say which rows a role has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.filled import Filled
from tests.support.rights_app import ROLES, definition
from tests.support.trading import Trading, open_trading

pytestmark = pytest.mark.anyio

ASKED: list[tuple[str, str, Any]] = [
    ("customer", 'phone = "13800001232"', {"_formula": 'phone = "13800001232"'}),
    ("customer", 'phone & "" = "138****1232"', {"_formula": 'phone & "" = "138****1232"'}),
    ("customer", 'RIGHT(phone, 8) = "00001231"', {"_formula": 'RIGHT(phone, 8) = "00001231"'}),
    ("customer", "limit * 1 >= 100", {"_formula": "limit * 1 >= 100"}),
    ("customer", "limit + 0 = 0", {"_formula": "limit + 0 = 0"}),
    ("customer", "EXISTS(orders, amount * 1 > 5)", {"orders": {"_some": {"_formula": "amount * 1 > 5"}}}),
    ("customer", "SUM(orders.amount) > 10", {"_formula": "SUM(orders.amount) > 10"}),
    ("customer", "NOT(EXISTS(orders, amount * 1 > this.limit))", {"orders": {"_none": {"_formula": "amount * 1 > this.limit"}}}),
    ("order", "customer.limit * 1 > 50", {"customer": {"_formula": "limit * 1 > 50"}}),
    ("order", 'LEN(customer.phone) = 11', {"customer": {"_formula": "LEN(phone) = 11"}}),
]  # fmt: skip


@pytest.mark.parametrize("who", ["wang", "li", "eastboss", "money", "both", "root"])
async def test_it_sees_what_the_text_alone_sees(trading: Trading, who: str) -> None:
    for entity, text, tree in ASKED:
        alone = await trading[who].send("GET", f"records/{entity}", params={"filter": text})
        inside = await trading[who].send("GET", f"records/{entity}", params={"filter": json.dumps(tree)})
        assert (inside.status_code, inside.json().get("data")) == (alone.status_code, alone.json().get("data")), text


async def test_what_is_masked_and_hidden_is_not_found_by_it(trading: Trading) -> None:
    wang = trading["wang"]
    for text, count in (('phone = "13800001232"', 0), ('phone = "138****1232"', 1), ("limit > 150", 0)):
        assert len(await wang.page("customer", filter=json.dumps({"_formula": text}))) == count, text
    tree = {"orders": {"_some": {"_formula": "amount > 6"}}}  # an open order shows no amount: 7 is not found, 10 is
    assert [row["name"] for row in await wang.page("customer", filter=json.dumps(tree))] == ["alpha"]
    tree = {"orders": {"_some": {"_formula": 'amount = 7'}}}  # fmt: skip
    assert await wang.page("customer", filter=json.dumps(tree)) == []


@pytest.mark.parametrize(
    "tree",
    [
        {"_formula": '{} = "x"'},
        {"_or": [{"name": "x"}, {"_formula": "LEN({}) > 5"}]},
        {"orders": {"_some": {"_formula": 'this.{} = "x"'}}},
        {"orders": {"_some": {"customer": {"_formula": "LEN({}) > 5"}}}},
    ],
    ids=str,
)
async def test_a_hidden_name_is_an_unknown_name(trading: Trading, tree: Any) -> None:
    answers = []
    for name in ("secret", "sacred"):
        asked = json.dumps(tree).replace("{}", name)
        reply = await trading["wang"].send("GET", "records/customer", params={"filter": asked})
        document = reply.json()
        shown = [(wrong["pointer"], wrong["code"], wrong["params"]) for wrong in document["errors"]]
        answers.append((document["code"], shown, reply.text.count(name)))
    assert answers[0][0] == "request.unknown_name"
    assert answers[0] == answers[1]


async def test_the_same_address_asks_about_each_person(trading: Trading) -> None:
    params = {"filter": '{"_formula": "owner = CURRENTUSER() AND LEN(name) > 1"}'}
    for _ in range(2):
        assert [row["name"] for row in await trading["wang"].page("customer", **params)] == ["alpha"]
        assert [row["name"] for row in await trading["li"].page("customer", **params)] == ["beta"]


# -- row rules ----------------------------------------------------------------------------------------------------------


def _as_json(rows: Any) -> Any:
    return {"_and": [{"_formula": f"({rows}) OR LEN(name) > 99"}]} if rows else rows


@pytest.fixture
async def json_rows(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    """The app with the row rules over customers written as texts inside JSON."""
    roles = deepcopy(ROLES)
    for role in roles:
        for grant in role["grants"]:
            if grant["entity"] == "customer" and "rows" in grant:
                grant["rows"] = _as_json(grant["rows"])
                grant.pop("words", None)
    async with open_trading(filled, tmp_path / "files", definition(roles)) as made:
        yield made


async def test_row_rules_may_be_texts_in_json(json_rows: Trading) -> None:
    wang = json_rows["wang"]
    found = {row["name"]: row for row in await wang.page("customer")}
    assert {name: row["phone"] for name, row in found.items()} == {"alpha": "13800001231", "beta": "138****1232"}
    assert [row["name"] for row in await json_rows["eastboss"].page("customer", sort="name")] == ["alpha", "beta"]
    hidden = await wang.send("GET", f"records/customer/{json_rows.ids['gamma']}")
    assert hidden.status_code == 404
    own = await wang.send("PATCH", f"records/customer/{json_rows.ids['alpha']}", {"region": "华中"})
    assert own.status_code == 200
    other = await wang.send("PATCH", f"records/customer/{json_rows.ids['beta']}", {"region": "华中"})
    assert other.status_code == 403
