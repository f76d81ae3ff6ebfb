"""What is told beside records: merges, duplicates, things to do, timers, runs; none of it is a way around rows and fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import publish_definition
from tests.support.filled import Filled
from tests.support.rights_app import SELLER, definition
from tests.support.service import problem
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio

_DEEDS = ["read", "create", "update", "delete"]
_OWN = {"entity": "customer", "rows": "owner = CURRENTUSER()", "may": _DEEDS, "hidden": ["secret"]}
_IMPORTANT = {
    "entity": "customer",
    "rows": 'level = "A"',
    "fields": ["name", "phone"],
    "masks": [{"field": "phone", "start": 3, "end": 4}],
    "may": ["read", "delete"],
}
_ORDERS = {"entity": "order", "rows": "customer.owner = CURRENTUSER()", "may": _DEEDS}
_PIPELINE = {
    "key": "deal",
    "label": "Deal",
    "entity": "order",
    "field": "state",
    "stages": [{"key": "draft"}, {"key": "open"}, {"key": "won", "kind": "won"}],
    "transitions": [
        {
            "key": "win",
            "label": "Win",
            "leaves": ["open"],
            "enters": "won",
            "reason": "none",
            "guards": [{"type": "required", "fields": ["owner"]}],
        }
    ],
}


def document(**more: JSON) -> JSON:
    seller = {**SELLER, "grants": [_OWN, _IMPORTANT, _ORDERS]}
    clerk = {
        "key": "chief",
        "label": "Clerk",
        "grants": [{"entity": "order", "hidden": ["owner", "amount"], "may": ["read", "update"], "transitions": "all"}],
    }
    blind = {
        "key": "finance",
        "label": "Blind",
        "grants": [{"entity": "order", "fields": ["title", "amount"], "may": ["read", "update"]}],
    }
    made = definition([seller, clerk, blind], **more)
    made["entities"][1]["fields"][2] |= {"required": True, "default": "draft"}
    customer = made["entities"][0]
    customer["trash"] = True
    said = {"zh": "超出额度", "en": "Too much"}
    customer["rules"] = [{"key": "cap", "formula": "SUM(orders.amount) <= 60", "message": said, "field": "secret"}]
    rules = [("name", "similar"), ("region", "same"), ("secret", "same")]
    customer["duplicates"] = [{"field": key, "match": match} for key, match in rules]
    return made


@pytest.fixture
async def beside(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    async with open_trading(filled, tmp_path / "files", document()) as made:
        publish_definition(made.service.app.services.registry, document(pipelines=[_PIPELINE]))
        yield made


async def test_a_merge_moves_no_hidden_value_and_names_no_hidden_field(beside: Trading) -> None:
    wang, root, ids = beside["wang"], beside["root"], beside.ids
    await root.change("customer", ids["alpha"], region=None, limit=None)

    async def merge(**members: JSON) -> Any:
        return await wang.send("POST", f"records/customer/{ids['alpha']}/merge", {"others": [ids["beta"]], **members})

    answers = []
    for key in ("limit", "phone", "secret", "sacred"):  # not shown of beta, shown in part, hidden, not there
        document_ = problem(await merge(fields={key: ids["beta"]}), "merge.refused")
        answers.append(str(document_["errors"]).replace(key, "KEY"))
    assert len(set(answers)) == 1
    merged = await merge(fill_blanks=True)
    assert merged.status_code == 200, merged.text
    after = await root.get("customer", ids["alpha"])
    assert (after["limit"], after["region"], after["secret"]) == (None, None, "secret alpha")


async def test_being_alike_tells_no_hidden_value(beside: Trading) -> None:
    wang, ids = beside["wang"], beside.ids
    tried = {"name": "nothing like it", "secret": "secret beta"}
    problem(await wang.try_create("customer", tried), "request.unknown_name")
    await beside["root"].change("customer", ids["beta"], secret="secret alpha")
    alike = await wang.send("GET", f"records/customer/{ids['alpha']}/duplicates")
    assert [(one["id"], one["fields"]) for one in alike.json()["data"]] == []  # not that both have one secret
    root_sees = await beside["root"].send("GET", f"records/customer/{ids['alpha']}/duplicates")
    assert [(one["id"], one["fields"]) for one in root_sees.json()["data"]] == [(ids["beta"], ["region", "secret"])]


async def test_being_alike_in_a_value_that_is_hidden_of_one_record_is_not_told(beside: Trading) -> None:
    wang, root, ids = beside["wang"], beside["root"], beside.ids
    await root.change("customer", ids["alpha"], name="beta")  # own, and shown whole
    found = (await wang.send("GET", f"records/customer/{ids['alpha']}/duplicates")).json()["data"]
    assert [(one["id"], one["fields"]) for one in found] == [(ids["beta"], ["name"])]


async def test_what_is_to_be_done_names_no_hidden_field(beside: Trading) -> None:
    boss, root, ids = beside["boss"], beside["root"], beside.ids
    root_ways = await root.send("GET", f"records/order/{ids['alpha open']}/transitions")
    assert "owner" in root_ways.text
    ways = (await boss.send("GET", f"records/order/{ids['alpha open']}/transitions")).json()["data"]
    [todo] = ways[0]["transitions"][0]["todo"]
    assert "owner" not in str(todo)
    assert todo["code"] == "required"
    moved = await boss.send("POST", f"records/order/{ids['alpha open']}/transitions/win", {})
    assert "owner" not in str(problem(moved, "transition.refused")["todo"])


async def test_who_does_not_see_the_stage_learns_it_nowhere(beside: Trading) -> None:
    money, ids = beside["money"], beside.ids
    path = f"records/order/{ids['alpha won']}"
    assert (await money.send("GET", path)).json()["data"].keys().isdisjoint({"state"})
    for room in ("transitions", "stages"):
        reply = await money.send("GET", f"{path}/{room}")
        assert reply.json()["data"] == [], room
        assert (await beside["boss"].send("GET", f"{path}/{room}")).json()["data"] != []


async def test_an_id_that_a_client_chose_opens_no_room_of_another_record(beside: Trading) -> None:
    wang, root, ids = beside["wang"], beside["root"], beside.ids
    stranger = ids["gamma open"]
    await root.change("order", stranger, owner=beside.users["zhao"])
    assert (await root.send("POST", f"records/order/{stranger}/transitions/win", {})).status_code == 200
    assert "won" in (await root.send("GET", f"records/order/{stranger}/stages")).text
    problem(await wang.send("GET", f"records/order/{stranger}"), "record.not_found")
    made = await wang.create("customer", id=stranger, name="same id", owner=beside.users["wang"])
    assert made["id"] == stranger
    for room in ("transitions", "stages", "runs", "merges", "assignments", "approvals", "timers", "timeline"):
        reply = await wang.send("GET", f"records/customer/{stranger}/{room}")
        assert reply.status_code in (200, 404), reply.text
        assert "gamma" not in reply.text, room
        assert "won" not in reply.text, room


async def test_a_rule_that_breaks_elsewhere_names_no_hidden_record_or_field(beside: Trading) -> None:
    """Two hundred for an order breaks what is asked of its customer."""
    ids = beside.ids
    told = {}
    for name in ("root", "money", "wang"):  # sees all; sees no customer; sees this one, but not the field
        reply = await beside[name].patch("order", ids["alpha open"], {"amount": 200})
        told[name] = problem(reply, "record.invalid")["errors"]
        assert told[name][0]["params"]["rule"] == "cap"
    assert told["root"][0]["params"]["record_id"] == ids["alpha"]
    assert told["wang"][0]["params"]["record_id"] == ids["alpha"]
    assert ids["alpha"] not in str(told["money"])
    assert "customer" not in str(told["money"])
    own = await beside["wang"].try_create("customer", {"name": "new", "orders": [{"title": "x", "amount": 99}]})
    assert "secret" not in str(problem(own, "record.invalid")["errors"])


_ROOMS = [
    *(("GET", room) for room in ("", "timeline", "transitions", "stages", "timers", "runs", "merges", "duplicates")),
    *(("GET", room) for room in ("actions", "assignments", "approvals", "explain?actor=x")),
    *(("POST", room) for room in ("restore", "merge", "claim", "release", "transitions/win", "actions/x")),
    *(("POST", room) for room in ("timers/x/acknowledge", "timers/x/snooze", "approvals/x")),
]


async def test_an_entity_that_is_hidden_is_in_no_room_CVE_2025_64749(beside: Trading) -> None:
    wang, note = beside["wang"], await beside["root"].create("note", text="x")
    different = []
    for method, room in _ROOMS:
        answers = []
        for name in ("note", "nope"):
            path = f"records/{name}/{note['id']}/{room}".rstrip("/")
            reply = await wang.send(method, path, {} if method == "POST" else None)
            assert 400 <= reply.status_code < 500, (method, room)
            document_ = {**reply.json(), "instance": "", "detail": reply.json()["detail"].replace(name, "NAME")}
            answers.append(str(document_).replace(name, "NAME"))
        if answers[0] != answers[1]:
            different.append((method, room, answers))
    assert different == []


async def test_an_event_of_a_move_tells_no_hidden_stage(beside: Trading) -> None:
    root, ids = beside["root"], beside.ids
    await root.change("order", ids["alpha open"], owner=beside.users["wang"])
    assert (await root.send("POST", f"records/order/{ids['alpha open']}/transitions/win", {})).status_code == 200
    newest = (await beside["wang"].timeline("order", ids["alpha open"]))[0]
    assert (newest["kind"], newest["detail"]["pipeline"]) == ("moved", "deal")
    hidden = (await beside["money"].timeline("order", ids["alpha open"]))[0]
    assert (hidden["kind"], hidden["changes"]) == ("moved", {})
    assert all("detail" not in event for event in [hidden, *await beside["money"].feed()] if event["kind"] == "moved")
