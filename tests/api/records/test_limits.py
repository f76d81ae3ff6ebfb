"""Each limit that the API guide lists is real: one beyond it is refused with the code of its line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from builder.kernel.limit_rows import ROWS, LimitRow
from builder.kernel.limits import STREAMS_PER_PERSON
from builder.store import sqlite
from tests.api.records.test_stream import PATH
from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared
from tests.support.service import problem
from tests.support.streaming import streaming

pytestmark = pytest.mark.anyio

JSON = Any
Attempt = Callable[[Desk, int], Awaitable[httpx.Response]]


def listing(**params: JSON) -> Attempt:
    """A list with parameters; functions make a value of the limit."""

    async def ask(desk: Desk, limit: int) -> httpx.Response:
        made = {name: value(limit) if callable(value) else value for name, value in params.items()}
        return await desk.send("GET", "records/customer", params=made)

    return ask


def question(path: str, make: Callable[[int], JSON]) -> Attempt:
    """A body made of the limit."""

    async def ask(desk: Desk, limit: int) -> httpx.Response:
        return await desk.send("POST", path, make(limit))

    return ask


def nested(levels: int, inner: JSON, wrap: Callable[[JSON], JSON]) -> JSON:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


async def body_bytes(desk: Desk, limit: int) -> httpx.Response:
    return await desk.send(
        "POST", "records/region", content=b" " * (limit + 1), headers={"content-type": "application/json"}
    )


async def address(desk: Desk, limit: int) -> httpx.Response:
    return await desk.send("GET", "records/region/" + "x" * limit)


async def views(desk: Desk, limit: int) -> httpx.Response:
    for number in range(limit):
        made = await desk.send("POST", "views", {"entity": "region", "label": str(number)})
        assert made.status_code == 201, made.text
    return await desk.send("POST", "views", {"entity": "region", "label": "one more"})


ATTEMPTS: dict[str, Attempt] = {
    "BODY_BYTES": body_bytes,
    "BODY_DEPTH": question("records/region", lambda n: {"name": nested(n, [], lambda inner: [inner])}),
    "NUMBER_EXPONENT": lambda desk, n: desk.send(
        "POST", "records/thing", content=b'{"exact": 1e%d}' % (n + 1), headers={"content-type": "application/json"}
    ),
    "URL_BYTES": address,
    "PAGE_RECORDS": listing(limit=lambda n: n + 1),
    "FILTER_NODES": question("records/customer/query", lambda n: {"filter": {"_or": [{"name": "x"}] * (n + 1)}}),
    "FILTER_DEPTH": question(
        "records/customer/query", lambda n: {"filter": nested(n + 1, {"name": "x"}, lambda inner: {"_not": inner})}
    ),
    "QUERY_HOPS": listing(sort=lambda n: ".".join(["parent"] * (n + 1)) + ".name"),
    "SORT_KEYS": listing(sort=lambda n: ",".join(["name"] * (n + 1))),
    "FIELD_PATHS": listing(fields=lambda n: ",".join(["name"] * (n + 1))),
    "EXPAND_PATHS": listing(expand=lambda n: ",".join(["region"] * (n + 1))),
    "EXPAND_DEPTH": listing(expand=lambda n: ".".join(["parent"] * (n + 1))),
    "SEARCH_WORDS": listing(search=lambda n: " ".join(map(str, range(n + 1)))),
    "SEARCH_LENGTH": listing(search=lambda n: "x" * (n + 1)),
    "GROUPS": question("records/customer/aggregate", lambda n: {"measures": {"n": {"count": "*"}}, "limit": n + 1}),
    "GROUP_KEYS": question("records/customer/aggregate", lambda n: {"group_by": ["level"] * (n + 1)}),
    "MEASURES": question(
        "records/customer/aggregate", lambda n: {"measures": {f"m{i}": {"count": "*"} for i in range(n + 1)}}
    ),
    "BATCH_RECORDS": question("records/region/batch", lambda n: {"create": [{}] * (n + 1)}),
    "CHILD_RECORDS": question("records/customer", lambda n: {"name": "x", "contacts": [{"name": "y"}] * (n + 1)}),
    "VIEWS_PER_PERSON": views,
    "EVENTS_PAGE": lambda desk, n: desk.send("GET", "events", params={"limit": n + 1}),
    "EVENTS_WAIT_SECONDS": lambda desk, n: desk.send("GET", "events", params={"wait": n + 1}),
    "TEXT_LENGTH": question("records/thing", lambda n: {"name": "x" * (n + 1)}),
    "LONG_TEXT_LENGTH": question("records/thing", lambda n: {"story": "x" * (n + 1)}),
    "SET_MEMBERS": question("records/every", lambda n: {"tags": [str(i) for i in range(n + 1)]}),
    "TAG_LENGTH": question("records/every", lambda n: {"tags": ["x" * (n + 1)]}),
    "JSON_FIELD_BYTES": question("records/thing", lambda n: {"extra": "x" * n}),
    "JSON_FIELD_DEPTH": question("records/thing", lambda n: {"extra": nested(n + 1, 1, lambda inner: [inner])}),
}
OTHERWISE = {"REQUEST_SECONDS", "STATEMENT_SECONDS", "STREAMS_PER_PERSON"}
"""Those below: they need more than one request."""


def test_no_line_of_the_table_is_left_out():
    assert set(ATTEMPTS) | OTHERWISE == {row.name for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ATTEMPTS], ids=lambda row: row.name)
@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_one_beyond_the_limit_is_refused(desk: Desk, row: LimitRow):
    if row.name in ("SET_MEMBERS", "TAG_LENGTH"):
        desk.publish(_with_tags())
    problem(await ATTEMPTS[row.name](desk, row.value), row.code)


def _with_tags() -> JSON:
    from tests.support import shop

    document = shop.definition()
    tags = {"key": "tags", "type": "tags", "label": "标签"}
    document["entities"].append({"key": "every", "label": "标签", "fields": [tags]})
    return document


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_an_answer_that_does_not_begin_in_time(prepared: Prepared):
    async with open_desk(prepared.url, prepared.token, request_seconds=1) as desk:
        after = (await desk.send("GET", "events")).json()["meta"]["after"]
        problem(await desk.send("GET", "events", params={"wait": 30, "after": after}), "limit.time")


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_a_statement_that_takes_too_long(desk: Desk, monkeypatch):
    monkeypatch.setattr(sqlite, "STATEMENT_SECONDS", 0)
    await desk.create_many("region", [{"name": f"region {number}"} for number in range(4_000)])
    slow = asyncio.create_task(desk.send("GET", "records/region", params={"search": "r e g i o n"}))
    made = await desk.create("region", name="meanwhile")  # others are served
    assert (await desk.get("region", made["id"]))["name"] == "meanwhile"
    problem(await slow, "limit.time")


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_streams_of_a_person(desk: Desk):
    headers = {"authorization": desk.client.headers["authorization"]}
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS_PER_PERSON):
            await stack.enter_async_context(streaming(desk.service.app, PATH, headers))
        after = (await desk.send("GET", "events")).json()["meta"]["after"]
        problem(await desk.send("GET", "events", params={"wait": 1, "after": after}), "limit.streams")
