"""Filters written as formulas: the same answers as the JSON form, and errors with their place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.computed_app import publish_shop
from tests.support.service import Service, problem

pytestmark = pytest.mark.anyio
RECORDS = "/api/shop/records"


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as made:
        for name, level, amounts in (("甲", "A", [10, 20]), ("乙", "B", [5]), ("丙", None, [])):
            body = {"name": name, "level": level, "payments": [{"amount": a, "done": True} for a in amounts]}
            assert (await made.post(f"{RECORDS}/customer", json=body)).status_code == 201
        yield made


@pytest.mark.parametrize(
    "text, names",
    [
        ('level = "A"', "甲"),
        ('level <> "A"', "乙丙"),
        ("{已回款} >= 5", "乙甲"),
        ('{等级} = "B" OR paid > 20', "乙甲"),
        ("SUM(payments.amount, amount > 15) > 0", "甲"),
        ("EXISTS(payments)", "乙甲"),
        ("NOT(EXISTS(payments, amount = 10)) AND LEN(name) = 1", "丙乙"),
        ("EXISTS(payments, amount * 2 > this.paid)", "乙甲"),
        ("COUNT(payments, amount > this.mean) = 1", "甲"),
        ("level = BLANK()", "丙"),
        ("AND（paid＞4，count＝1）", "乙"),
        ("TODAY() > DATE(2020, 1, 1)", "丙乙甲"),
    ],
)
async def test_a_formula_filters(client: httpx.AsyncClient, text: str, names: str):
    answer = await client.get(f"{RECORDS}/customer", params={"filter": text, "fields": "name"})
    assert answer.status_code == 200, answer.text
    found = {record["name"] for record in answer.json()["data"]}
    assert found == set(names)
    posted = await client.post(f"{RECORDS}/customer/query", json={"filter": text, "fields": ["name"]})
    assert posted.json()["data"] == answer.json()["data"]


@pytest.mark.parametrize(
    "text, code, error",
    [
        ("lvel = 1", "request.unknown_name", "name"),
        ("level > 5", "query.invalid", "type"),
        ("paid +", "query.invalid", "parse"),
        ("paid", "query.invalid", "type"),
        ("(" * 100 + "paid = 1" + ")" * 100, "query.invalid", "limit"),
        ('PINYIN(name) = "jia"', "query.invalid", "type"),
        ("x" * 5000, "query.invalid", "limit"),
    ],
)
async def test_a_wrong_formula_is_a_problem(client: httpx.AsyncClient, text: str, code: str, error: str):
    answer = await client.post(f"{RECORDS}/customer/query", json={"filter": text})
    document = problem(answer, code)
    assert error in {violation["code"] for violation in document["errors"]}
