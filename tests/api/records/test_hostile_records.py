"""Hostile input to the records API: always a problem document of the right kind, never a failure of ours, and nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from builder.kernel.limits import BODY_DEPTH
from tests.support.computed_app import publish_shop
from tests.support.desk import Desk
from tests.support.service import Service, problem

pytestmark = pytest.mark.anyio
RECORDS = "/api/shop/records"
JSON_HEADERS = {"content-type": "application/json"}
NAMES = [
    "\x00",
    "'; DROP TABLE shop__customer; --",
    'a" OR 1=1',
    "\u202e",
    "../..",
    "a" * 5000,
    "__proto__",
    "id;",
    "名称",
    "😀",
    "\ud800",
]
VALUES: list[Any] = [
    *NAMES[:-1],
    None,
    True,
    5,
    2**70,
    -0.0,
    "1e400",
    [],
    {},
    {"$ne": 1},
    [[]],
    {"id": {}},
]
DEEP = "[" * (BODY_DEPTH * 2) + "]" * (BODY_DEPTH * 2)
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b"\xff\xfe",
    b'{"name": "\x00"}',
    b'{"name": "\\ud800"}',
    b'{"name": 1e999999999}',
    b'{"name":"a","name":"b","x":1}',
    DEEP.encode(),
    b'{"payments":' + DEEP.encode() + b"}",
    b'{"create":' + b"[" + b"{}," * 10_000 + b"{}]}",
]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as made:
        body = {"name": "甲", "payments": [{"amount": 1, "done": True}]}
        assert (await made.post(f"{RECORDS}/customer", json=body)).status_code == 201
        await Desk(service, made, "shop").settle()
        yield made


async def snapshot(client: httpx.AsyncClient) -> list[Any]:
    entities = ("region", "customer", "payment")
    rows = [(await client.get(f"{RECORDS}/{entity}?sort=id")).json()["data"] for entity in entities]
    return [*rows, (await client.get("/api/shop/events")).json()["data"]]


def refused(reply: httpx.Response, what: object) -> None:
    assert 400 <= reply.status_code < 500, (what, reply.status_code, reply.text[:300])
    problem(reply, reply.json()["code"])


async def test_bodies_that_are_no_records_change_nothing(client: httpx.AsyncClient):
    before = await snapshot(client)
    customer = before[1][0]["id"]
    for body in BODIES:
        for method, path in (
            ("POST", "customer"),
            ("POST", "customer/batch"),
            ("PATCH", f"customer/{customer}"),
            ("POST", "customer/query"),
        ):
            reply = await client.request(method, f"{RECORDS}/{path}", content=body, headers=JSON_HEADERS)
            refused(reply, (method, path, body[:40]))
    refused(await client.post(f"{RECORDS}/customer", content=b" " * 10_000_000, headers=JSON_HEADERS), "10 MB")
    refused(await client.post(f"{RECORDS}/customer", content=b"name=x"), "form")
    assert await snapshot(client) == before


async def test_odd_names_and_values_are_refused_or_kept_as_they_are_CVE_2019_7164_CVE_2026_59257(
    client: httpx.AsyncClient,
):
    before = await snapshot(client)
    for name in NAMES[:-1]:
        refused(await client.post(f"{RECORDS}/customer", json={name: 1}), name)
        quoted = "/" + "".join(f"%{byte:02x}" for byte in name.encode())
        for path in (quoted, "/customer" + quoted, "/customer" + quoted + "/timeline"):
            refused(await client.get(RECORDS + path), path)
        for parameter in ("sort", "fields", "expand", "cursor", "limit", "count", "filter"):
            refused(await client.get(f"{RECORDS}/customer", params={parameter: name}), (parameter, name))
        refused(await client.get(f"{RECORDS}/customer", params={f"filter[{name}][_eq]": "x"}), name)
        refused(await client.post(f"{RECORDS}/customer/query", json={"filter": {name: {"_eq": 1}}}), name)
        refused(await client.post(f"{RECORDS}/customer/query", json={"filter": {"name": {name: 1}}}), name)
    assert await snapshot(client) == before


async def test_odd_values_never_fail_on_our_side(client: httpx.AsyncClient):
    for value in VALUES:
        for entity, field in (
            ("customer", "name"),
            ("customer", "region"),
            ("payment", "amount"),
            ("payment", "done"),
            ("payment", "due_on"),
        ):
            written = await client.post(f"{RECORDS}/{entity}", json={field: value})
            if written.status_code == 201:
                record = written.json()["data"]
                again = (await client.get(f"{RECORDS}/{entity}/{record['id']}")).json()["data"]
                assert again == record
            else:
                refused(written, (field, value))
            found = await client.post(f"{RECORDS}/{entity}/query", json={"filter": {field: {"_eq": value}}})
            assert found.status_code in (200, 400), (field, value, found.text[:300])


async def test_large_filters_are_bounded_CVE_2024_36128_CVE_2026_46551(client: httpx.AsyncClient):
    many = {"_or": [{"name": {"_eq": str(n)}} for n in range(10_000)]}
    refused(await client.post(f"{RECORDS}/customer/query", json={"filter": many}), "10,000 nodes")
    deep: Any = {"name": "x"}
    for _ in range(40):
        deep = {"_and": [deep]}
    refused(await client.post(f"{RECORDS}/customer/query", json={"filter": deep}), "deep")
    refused(await client.get(f"{RECORDS}/customer?limit=1&limit=2"), "twice")
