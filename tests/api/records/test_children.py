"""Sub-tables: children created, changed and removed with the record they belong to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio

ITEMS = "items,items.parts"


@pytest.fixture
async def order(desk: Desk) -> dict[str, Any]:
    customer = await desk.create("customer", name="c")
    items = [
        {"product": "desk", "qty": 2, "price": "19.9", "parts": [{"name": "leg"}, {"name": "top"}]},
        {"product": "lamp", "qty": 1},
    ]
    made = await desk.create("order", title="with items", customer=customer["id"], items=items)
    assert "items" not in made
    return await desk.get("order", made["id"], expand=ITEMS)


def names(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["product"], row["revision"]) for row in rows]


async def kinds(desk: Desk, since: int) -> list[tuple[str, str]]:
    return [(event["entity"], event["kind"]) for event in (await desk.feed())[since:]]


async def test_children_are_created_with_their_parent(desk: Desk, order: dict[str, Any]) -> None:
    assert sorted(names(order["items"])) == [("desk", 1), ("lamp", 1)]
    desk_item = next(item for item in order["items"] if item["product"] == "desk")
    assert {part["name"] for part in desk_item["parts"]} == {"leg", "top"}
    assert {part["item"] for part in desk_item["parts"]} == {desk_item["id"]}
    assert {item["order"] for item in order["items"]} == {order["id"]}
    assert await kinds(desk, 1) == [("order", "created"), *[("item", "created")] * 2, *[("part", "created")] * 2]


async def test_the_list_says_who_stays_who_comes_and_who_goes(desk: Desk, order: dict[str, Any]) -> None:
    since = len(await desk.feed())
    first, second = sorted(order["items"], key=lambda item: item["product"])
    kept = [{"id": first["id"], "qty": 3}, {"product": "chair", "qty": 4}]
    changed = await desk.change("order", order["id"], items=kept)
    assert changed["revision"] == 2
    now = await desk.get("order", order["id"], expand=ITEMS)
    assert sorted(names(now["items"])) == [("chair", 1), ("desk", 2)]
    desk_item = next(item for item in now["items"] if item["id"] == first["id"])
    assert (desk_item["qty"], desk_item["price"], len(desk_item["parts"])) == (3, first["price"], 2)
    problem(await desk.send("GET", f"records/item/{second['id']}"), "record.not_found")
    assert await kinds(desk, since) == [
        ("order", "updated"),
        ("item", "deleted"),
        ("item", "updated"),
        ("item", "created"),
    ]
    await desk.change("order", order["id"], items=[])
    assert (await desk.get("order", order["id"], expand="items"))["items"] == []
    assert await desk.page("part") == []


async def test_what_was_read_may_come_back_and_changes_nothing(desk: Desk, order: dict[str, Any]) -> None:
    before = desk.fingerprint()
    assert (await desk.change("order", order["id"], **order))["revision"] == 1
    assert (await desk.change("order", order["id"], items=order["items"]))["revision"] == 1
    assert desk.fingerprint() == before


async def test_a_parent_changes_with_its_children_so_that_if_match_guards_them(
    desk: Desk, order: dict[str, Any]
) -> None:
    mine = await desk.patch("order", order["id"], {"items": [{"product": "mine", "qty": 1}]}, if_match='"1"')
    assert (mine.status_code, mine.headers["etag"]) == (200, '"2"')
    theirs = await desk.patch("order", order["id"], {"items": [{"product": "theirs", "qty": 1}]}, if_match='"1"')
    problem(theirs, "record.changed")
    items = (await desk.get("order", order["id"], expand="items"))["items"]
    assert [item["product"] for item in items] == ["mine"]


async def test_a_change_deep_inside_reaches_the_top(desk: Desk, order: dict[str, Any]) -> None:
    item = next(item for item in order["items"] if item["product"] == "desk")
    parts = [{"id": part["id"], "name": part["name"] + "!"} for part in item["parts"]]
    rows = [{"id": i["id"], **({"parts": parts} if i is item else {})} for i in order["items"]]
    assert (await desk.change("order", order["id"], items=rows))["revision"] == 2
    now = await desk.get("order", order["id"], expand=ITEMS)
    assert sorted(names(now["items"])) == [("desk", 2), ("lamp", 1)]
    assert {part["name"] for i in now["items"] for part in i["parts"]} == {"leg!", "top!"}


async def test_every_fault_of_parent_and_children_is_told_at_once(desk: Desk, order: dict[str, Any]) -> None:
    before = desk.fingerprint()
    first, second = order["items"]
    body = {
        "title": "x",
        "items": [
            {"id": first["id"], "qty": 0, "colour": "red"},
            {"id": second["id"], "product": None, "parts": [{}]},
            {"product": "", "qty": "many", "parts": [{"name": "ok"}, {"name": 5}]},
            {"id": first["id"]},
            {"id": "x", "product": "p", "qty": 1},
        ],
    }
    expected = {
        "/title": "min_length",
        "/items/0/qty": "minimum",
        "/items/0/colour": "unknown",
        "/items/1/product": "required",
        "/items/1/parts/0/name": "required",
        "/items/2/product": "required",
        "/items/2/qty": "type",
        "/items/2/parts/1/name": "type",
        "/items/3/id": "duplicate",
        "/items/4/id": "type",
    }
    assert pointers(problem(await desk.patch("order", order["id"], body), "request.unknown_name")) == expected
    fresh = {"title": "x", "items": [{"qty": 0}, {"product": "p", "qty": 1, "parts": [{"colour": 1}]}, {"order": "x"}]}
    assert pointers(problem(await desk.try_create("order", fresh), "request.unknown_name")) == {
        "/title": "min_length",
        "/customer": "required",
        "/items/0/qty": "minimum",
        "/items/0/product": "required",
        "/items/1/parts/0/colour": "unknown",
        "/items/1/parts/0/name": "required",
        "/items/2/order": "type",
        "/items/2/product": "required",
        "/items/2/qty": "required",
    }
    for value, code in [("x", "type"), ({}, "type"), ([5], "type"), ([{}] * 501, "limit")]:
        document = problem(await desk.patch("order", order["id"], {"items": value}), "record.invalid")
        assert pointers(document)["/items"] == code
    assert desk.fingerprint() == before


async def test_children_of_another_record_are_refused(desk: Desk, order: dict[str, Any]) -> None:
    other = await desk.create("order", title="other", customer=order["customer"], items=[{"product": "x", "qty": 1}])
    theirs = (await desk.get("order", other["id"], expand="items"))["items"][0]
    before = desk.fingerprint()
    document = problem(await desk.patch("order", order["id"], {"items": [theirs]}), "record.invalid")
    assert pointers(document) == {"/items/0/id": "parent", "/items/0/order": "parent", "/items/0/revision": "read_only",
                                  "/items/0/created_at": "read_only", "/items/0/created_by": "read_only",
                                  "/items/0/updated_at": "read_only", "/items/0/updated_by": "read_only"}  # fmt: skip
    own = {"id": order["items"][0]["id"], "order": other["id"]}
    document = problem(await desk.patch("order", order["id"], {"items": [own]}), "record.invalid")
    assert pointers(document) == {"/items/0/order": "parent"}
    row = {"product": "p", "qty": 1, "order": other["id"]}
    document = problem(
        await desk.try_create("order", {"title": "t2", "customer": order["customer"], "items": [row]}), "record.invalid"
    )
    assert pointers(document) == {"/items/0/order": "parent"}
    assert desk.fingerprint() == before


async def test_a_client_may_choose_the_ids_of_children(desk: Desk, order: dict[str, Any]) -> None:
    fresh = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    await desk.change("order", order["id"], items=[{"id": fresh, "product": "p", "qty": 1, "order": order["id"]}])
    items = (await desk.get("order", order["id"], expand="items"))["items"]
    assert [item["id"] for item in items] == [fresh]


async def test_what_the_database_refuses_of_children_has_its_place(desk: Desk, order: dict[str, Any]) -> None:
    first, second = order["items"]
    await desk.change("item", first["id"], sku="S1")
    before = desk.fingerprint()
    rows = [
        {"id": first["id"]},
        {"id": second["id"], "sku": "S1"},
        {"product": "p", "qty": 1, "sku": "S2"},
        {"product": "q", "qty": 1, "sku": "S2"},
    ]
    document = problem(await desk.patch("order", order["id"], {"items": rows}), "record.invalid")
    assert pointers(document) == {"/items/1/sku": "unique", "/items/3/sku": "unique"}
    assert desk.fingerprint() == before


async def test_children_in_a_batch(desk: Desk, order: dict[str, Any]) -> None:
    rows = [
        {"title": f"o{n}", "customer": order["customer"], "items": [{"product": f"p{n}", "qty": 1}] * n}
        for n in range(3)
    ]
    made = await desk.create_many("order", rows)
    shown = await desk.page("order", expand="items", sort="number")
    assert [len(row["items"]) for row in shown[1:]] == [0, 1, 2]
    assert [row["id"] for row in shown[1:]] == [row["id"] for row in made]
    rows[2]["items"] = [{"product": "p", "qty": 1}, {"product": "p"}]
    document = problem(await desk.send("POST", "records/order/batch", {"create": rows}), "record.invalid")
    assert pointers(document) == {"/create/2/items/1/qty": "required"}


async def test_lists_that_grew_beyond_inline_editing_are_left_alone(desk: Desk, order: dict[str, Any]) -> None:
    more = [{"product": f"p{n}", "qty": 1, "order": order["id"]} for n in range(500)]
    await desk.create_many("item", more)
    assert len((await desk.get("order", order["id"], expand="items"))["items"]) == 500
    before = desk.fingerprint()
    document = problem(await desk.patch("order", order["id"], {"items": []}), "record.invalid")
    assert pointers(document) == {"/items": "limit"}
    assert desk.fingerprint() == before
