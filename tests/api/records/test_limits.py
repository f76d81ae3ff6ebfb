"""Each limit that the API guide lists is real: one beyond it is refused with the code of its line."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from builder.kernel.limit_rows import ROWS, LimitRow
from builder.kernel.limits import STREAMS_PER_PERSON
from builder.store import sqlite
from tests.api.records.test_stream import PATH
from tests.support import shop
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


async def build(desk: Desk, method: str, path: str, **options: Any) -> httpx.Response:
    """A request to the builder; the desk's own token is for records alone."""
    token = desk.service.token_of("admin", "builder", "admin")
    headers = {**options.pop("headers", {}), "authorization": f"Bearer {token}"}
    return await desk.client.request(method, f"/builder/v1/{path}", headers=headers, **options)


def drafting(kind: str, make: Callable[[int], JSON]) -> Attempt:
    """A document of the draft made of the limit."""

    async def ask(desk: Desk, limit: int) -> httpx.Response:
        body = {"key": "big", "label": "大", **make(limit)}
        return await build(desk, "POST", f"apps/{desk.app}/{kind}", json=body)

    return ask


def entity(member: str, make: Callable[[int], JSON]) -> Attempt:
    """An entity of which one member is made of the limit."""
    return drafting("entities", lambda limit: {member: make(limit)})


def field(**options: JSON) -> Attempt:
    """An entity with one field; functions make an option of the limit."""

    def make(limit: int) -> JSON:
        made = {name: value(limit) if callable(value) else value for name, value in options.items()}
        return [{"key": "one", "label": "一", **made}]

    return entity("fields", make)


def several(count: int, **members: JSON) -> list[JSON]:
    """So many documents, each with a key of its own."""
    return [{"key": f"k{number}", "label": "一", **members} for number in range(count)]


async def merge(desk: Desk, limit: int) -> httpx.Response:
    region = await desk.create("region", name="x")
    others = [region["id"]] * (limit + 1)
    return await desk.send("POST", f"records/region/{region['id']}/merge", {"others": others})


async def entities(desk: Desk, limit: int) -> httpx.Response:
    """Refused when it is checked: a draft may be anything."""
    document = shop.definition()
    document["entities"] += several(limit + 1 - len(document["entities"]))
    app = f"apps/{desk.app}"
    revision = (await build(desk, "GET", f"{app}/draft")).headers["etag"]
    saved = await build(desk, "PUT", f"{app}/draft", json=document, headers={"if-match": revision})
    assert saved.status_code == 200, saved.text
    return await build(desk, "GET", f"{app}/plan")


async def package_files(desk: Desk, limit: int) -> httpx.Response:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(limit + 1):
            archive.writestr(f"entities/e{number}.json", "{}")
    return await build(desk, "POST", "import", content=packed.getvalue(), headers={"content-type": "application/zip"})


ATTEMPTS: dict[str, Attempt] = {
    "PEOPLE_AT_ONCE": lambda desk, n: desk.client.get("/api/people", params={"ids": ",".join("x" * (n + 1))}),
    "BODY_BYTES": body_bytes,
    "BODY_DEPTH": question("records/region", lambda n: {"name": nested(n, [], lambda inner: [inner])}),
    "NUMBER_EXPONENT": lambda desk, n: desk.send(
        "POST", "records/thing", content=b'{"exact": 1e%d}' % (n + 1), headers={"content-type": "application/json"}
    ),
    "URL_BYTES": address,
    "PAGE_RECORDS": listing(limit=lambda n: n + 1),
    "PAGE_SKIPPED": listing(limit=lambda _: 100, page=lambda n: n // 100 + 2),
    "FILTER_NODES": question("records/customer/query", lambda n: {"filter": {"_or": [{"name": "x"}] * (n + 1)}}),
    "FILTER_DEPTH": question(
        "records/customer/query", lambda n: {"filter": nested(n + 1, {"name": "x"}, lambda inner: {"_not": inner})}
    ),
    "FILTER_FORMULAS": question(
        "records/customer/query", lambda n: {"filter": {"_or": [{"_formula": f'name = "{"x" * (n // 2)}"'}] * 2}}
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
    "MERGED_RECORDS": merge,
    "IDEMPOTENCY_KEY_LENGTH": lambda desk, n: desk.send(
        "POST", "records/region", {"name": "x"}, headers={"idempotency-key": "x" * (n + 1)}
    ),
    "PACKAGE_FILES": package_files,
    "ENTITIES_PER_APP": entities,
    "FIELDS_PER_ENTITY": entity("fields", lambda n: several(n + 1, type="text")),
    "OPTIONS_PER_FIELD": field(type="select", options=lambda n: several(n + 1)),
    "LINK_ATTRIBUTES": field(type="multi_reference", entity="region", attributes=lambda n: several(n + 1, type="text")),
    "UNIQUES_PER_ENTITY": entity("unique", lambda n: [["a", "b"]] * (n + 1)),
    "INDEXES_PER_ENTITY": entity("indexes", lambda n: [["a"]] * (n + 1)),
    "RULES_PER_ENTITY": entity(
        "rules", lambda n: [{"key": f"k{i}", "formula": "TRUE", "message": "否"} for i in range(n + 1)]
    ),
    "FORMULA_LENGTH": field(type="formula", formula=lambda n: "1" + " " * n),
    "STAGES": drafting(
        "pipelines",
        lambda n: {"entity": "customer", "field": "level", "stages": [{"key": f"k{i}"} for i in range(n + 1)]},
    ),
    "TRANSITIONS": drafting(
        "pipelines",
        lambda n: {
            "entity": "customer",
            "field": "level",
            "stages": [{"key": "a"}],
            "transitions": several(n + 1, enters="a"),
        },
    ),
    "ACTIONS_PER_DOCUMENT": drafting(
        "automations",
        lambda n: {
            "entity": "customer",
            "trigger": {"type": "created"},
            "actions": [{"type": "set_fields", "set": [{"field": "name", "value": "x"}]}] * (n + 1),
        },
    ),
    "APPROVAL_STEPS": drafting(
        "approvals", lambda n: {"entity": "customer", "steps": several(n + 1, approvers=[{"role": "admin"}])}
    ),
}
OTHERWISE = {
    "EXPORT_ROWS",
    "EXPORT_CELLS",
    "REQUEST_SECONDS",
    "STATEMENT_SECONDS",
    "STREAMS_PER_PERSON",
    "FILE_BYTES_DEFAULT",
    "IMAGE_PIXELS",
    "PACKAGE_BYTES",
}
"""Those below, in test_exports.py, in tests/security/test_files.py and in tests/unit/builder/packages: they need more than one request."""


def test_no_line_of_the_table_is_left_out():
    assert set(ATTEMPTS) | OTHERWISE == {row.name for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ATTEMPTS], ids=lambda row: row.name)
@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_one_beyond_the_limit_is_refused(desk: Desk, row: LimitRow):
    if row.name in ("SET_MEMBERS", "TAG_LENGTH"):
        desk.publish(_with_tags())
    problem(await ATTEMPTS[row.name](desk, row.value), row.code)


def _with_tags() -> JSON:
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
