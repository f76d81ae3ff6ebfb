"""Looking as somebody else: only looking, on every path, and never as oneself by mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.identity.audit import Search
from tests.api.records.test_imports import finish
from tests.support.filled import Filled
from tests.support.query_app import field
from tests.support.rights_app import SELLER, definition
from tests.support.service import problem
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio


def document() -> JSON:
    """The trade app where things are called as the routes are that ask with a body."""
    order = {"entity": "query", "may": ["read", "create", "update"], "transitions": "all"}
    own = {**SELLER["grants"][0], "may": ["read", "update", "export"]}
    made = definition([{**SELLER, "grants": [own, order]}])
    states = [{"key": key, "label": key} for key in ("one", "two")]
    fields = [
        field("text", "text"),
        field("state", "select", options=states, default="one", required=True),
        field("paper", "file"),
    ]
    made["entities"].append({"key": "query", "label": "Query", "fields": fields})
    sets = {"type": "set_fields", "set": [{"field": "text", "value": "pressed"}]}
    made["automations"] = [
        {
            "key": "aggregate",
            "label": "a",
            "entity": "query",
            "trigger": {"type": "button", "label": "A"},
            "actions": [sets],
        }
    ]
    ways = [{"key": "query", "label": "Q", "leaves": ["one"], "enters": "two", "reason": "none"}]
    stages = [{"key": "one"}, {"key": "two", "kind": "won"}]
    made["pipelines"] = [
        {"key": "p", "label": "P", "entity": "query", "field": "state", "stages": stages, "transitions": ways}
    ]
    return made


@pytest.fixture
async def trading(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    async with open_trading(filled, tmp_path / "files", document()) as made:
        yield made


async def as_wang(t: Trading, method: str, path: str, body: JSON = None) -> httpx.Response:
    return await t["root"].send(method, path, body, headers={"dougong-view-as": t.users["wang"]})


async def test_names_like_those_of_asking_routes_let_nobody_write(trading: Trading) -> None:
    record = await trading["root"].create("query", text="x")
    before = trading["root"].fingerprint()
    for path in (
        "records/query",
        f"records/query/{record['id']}/transitions/query",
        f"records/query/{record['id']}/actions/aggregate",
        "records/query/batch",
        f"records/query/{record['id']}/restore",
    ):
        problem(await as_wang(trading, "POST", path, {"text": "forged"}), "access.denied")
    assert trading["root"].fingerprint() == before
    for path, body in (("records/query/query", {}), ("records/query/aggregate", {"measures": {"n": {"count": "*"}}})):
        assert (await as_wang(trading, "POST", path, body)).status_code == 200


async def test_where_one_cannot_look_as_another_one_does_nothing_as_oneself(trading: Trading) -> None:
    share = {"share": {"entity": "customer", "id": trading.ids["alpha"]}, "fields": ["name"]}
    view = {"entity": "customer", "label": "mine"}
    for method, path, body in (
        ("POST", "shares", share),
        ("GET", "shares", None),
        ("GET", "grants", None),
        ("POST", "views", view),
    ):
        problem(await as_wang(trading, method, path, body), "access.denied")
    assert (await trading["root"].send("GET", "shares")).json()["data"] == []
    headers = {"dougong-view-as": trading.users["wang"]}
    for path in ("/api/users", "/api/me", "/api/jobs", "/builder/v1/apps", "/api/inbox"):
        problem(await trading["root"].client.get(path, headers=headers), "access.denied")


async def test_files_and_sheets_are_those_of_the_person(trading: Trading) -> None:
    root, headers = trading["root"], {"dougong-view-as": trading.users["wang"]}
    named = {"content-disposition": 'attachment; filename="a.txt"', "content-type": "text/plain"}
    refused = await root.client.post("/api/trade/files", content=b"hello", headers={**named, **headers})
    problem(refused, "access.denied")
    file = (await root.client.post("/api/trade/files", content=b"hello", headers=named)).json()["data"]["id"]
    problem(await root.client.get(f"/api/trade/files/{file}", headers=headers), "file.not_found")  # the admin's own
    await root.create("query", text="x", paper=[file])
    assert (await root.client.get(f"/api/trade/files/{file}", headers=headers)).content == b"hello"

    job = (await trading["wang"].send("POST", "records/customer/export", {})).json()["data"]["job_id"]
    await finish(trading["wang"])
    problem(await root.send("GET", f"exports/{job}"), "job.not_found")
    mine, theirs = await trading["wang"].send("GET", f"exports/{job}"), await as_wang(trading, "GET", f"exports/{job}")
    assert mine.content == theirs.content
    assert b"alpha" in mine.content


async def test_every_look_is_an_event_and_only_admins_look(trading: Trading) -> None:
    await as_wang(trading, "GET", "records/customer")
    events = trading.service.identity.audit.list_events(Search(kind="view_as"))
    assert [(event.subject, event.detail["path"]) for event in events] == [
        (trading.users["wang"], "/api/trade/records/customer")
    ]
    for who in ("wang", "boss"):
        reply = await trading[who].send("GET", "records/customer", headers={"dougong-view-as": trading.users["wang"]})
        assert reply.status_code in (403, 404)
