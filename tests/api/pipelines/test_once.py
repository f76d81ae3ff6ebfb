"""``Idempotency-Key`` and ``dry_run`` on what is no plain write: moves, approvals, buttons, views are carried out once, or only tried."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support import deals
from tests.support.desk import Desk
from tests.support.service import problem

pytestmark = pytest.mark.anyio
KEY = {"idempotency-key": "k-1"}


async def _deal(desk: Desk, title: str) -> dict[str, Any]:
    return await desk.create("deal", name=title, contact="x")


def _replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert first.status_code == again.status_code, again.text
    assert first.content == again.content
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")


def _tried(reply: httpx.Response, status: int) -> Any:
    """What a write would answer that was only tried."""
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert (answer["meta"]["dry_run"], answer["meta"]["status"]) == (True, status)
    return answer.get("data")


async def test_a_move_is_made_once(desk: Desk) -> None:
    made = await _deal(desk, "a")
    way = "meet"
    path = f"records/deal/{made['id']}/transitions/{way}"
    tried = await desk.send("POST", f"{path}?dry_run=true", {}, headers=KEY)
    assert tried.json()["meta"]["dry_run"] is True
    assert (await desk.get("deal", made["id"]))["revision"] == made["revision"]
    first, again = [await desk.send("POST", path, {}, headers=KEY) for _ in range(2)]
    _replayed(first, again)
    kinds = [event["kind"] for event in await desk.timeline("deal", made["id"])]
    assert kinds.count("moved") == 1
    problem(await desk.send("POST", path, {"reason": "other"}, headers=KEY), "request.key_reused")


async def test_several_moves_are_made_once_each(desk: Desk) -> None:
    deals = [await _deal(desk, title) for title in "ab"]
    way = "meet"
    nowhere = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    body = {"ids": [*(deal["id"] for deal in deals), nowhere]}
    first, again = [await desk.send("POST", f"records/deal/transitions/{way}", body, headers=KEY) for _ in range(2)]
    assert [row["status"] for row in first.json()["data"]] == ["moved", "moved", "refused"]
    assert first.json()["data"][:2] == again.json()["data"][:2]
    assert again.json()["meta"] == first.json()["meta"]
    for deal in deals:
        assert [e["kind"] for e in await desk.timeline("deal", deal["id"])].count("moved") == 1


async def test_approvals_and_buttons_are_carried_out_once(desk: Desk) -> None:
    quote = {
        "key": "quote",
        "label": "Quote",
        "entity": "deal",
        "steps": [{"key": "one", "label": "one", "mode": "all", "approvers": [{"user": "seller"}]}],
    }
    chase = {
        "key": "chase",
        "label": "Chase",
        "entity": "deal",
        "trigger": {"type": "button", "label": "Chase"},
        "actions": [{"type": "set_fields", "set": [{"field": "note", "value": "chased"}]}],
    }
    desk.publish(deals.definition(approvals=[quote], automations=[chase]))
    made = await _deal(desk, "a")
    base = f"records/deal/{made['id']}"
    _tried(await desk.send("POST", f"{base}/approvals?dry_run=true", {"approval": "quote"}), 201)
    assert (await desk.send("GET", f"{base}/approvals")).json()["data"] == []
    first, again = [
        await desk.send("POST", f"{base}/approvals", {"approval": "quote"}, headers={"idempotency-key": "ask"})
        for _ in range(2)
    ]
    _replayed(first, again)
    (running,) = (await desk.send("GET", f"{base}/approvals")).json()["data"]
    place = f"approvals/{running['id']}/comment"
    said = _tried(await desk.send("POST", f"{place}?dry_run=true", {"comment": "tried"}), 200)
    assert "tried" in str(said["acts"])
    assert "tried" not in (await desk.send("GET", f"{base}/approvals")).text
    first, again = [
        await desk.send("POST", place, {"comment": "?"}, headers={"idempotency-key": "yes"}) for _ in range(2)
    ]
    _replayed(first, again)
    assert [act["act"] for act in first.json()["data"]["acts"]].count("comment") == 1
    _tried(await desk.send("POST", f"{base}/actions/chase?dry_run=true"), 200)
    assert (await desk.get("deal", made["id"]))["note"] is None
    assert (await desk.send("GET", f"{base}/runs")).json()["data"] == []
    first, again = [
        await desk.send("POST", f"{base}/actions/chase", headers={"idempotency-key": "press"}) for _ in range(2)
    ]
    _replayed(first, again)
    assert len((await desk.send("GET", f"{base}/runs")).json()["data"]) == 1


async def test_views_are_saved_once(desk: Desk) -> None:
    view = {"entity": "deal", "label": "mine", "columns": ["name"]}
    _tried(await desk.send("POST", "views?dry_run=true", view, headers=KEY), 201)
    assert (await desk.send("GET", "views")).json()["data"] == []
    first, again = [await desk.send("POST", "views", view, headers=KEY) for _ in range(2)]
    _replayed(first, again)
    assert len((await desk.send("GET", "views")).json()["data"]) == 1
    problem(await desk.send("POST", "views", {**view, "label": "other"}, headers=KEY), "request.key_reused")
    place = f"views/{first.json()['data']['id']}"
    assert _tried(await desk.send("PATCH", f"{place}?dry_run=true", {"label": "b"}), 200)["label"] == "b"
    _tried(await desk.send("DELETE", f"{place}?dry_run=true"), 204)
    assert (await desk.send("GET", place)).json()["data"]["label"] == "mine"
    problem(await desk.send("DELETE", f"{place}?dry_rum=true"), "query.invalid")
    first, again = [await desk.send("PATCH", place, {"label": "b"}, headers={"idempotency-key": "c"}) for _ in range(2)]
    _replayed(first, again)
