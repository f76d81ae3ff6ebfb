"""Links when records go, come back, are merged: nothing is lost, and histories tell of it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from builder.registry.registry import load_published
from tests.support.desk import Desk
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio
JSON = Any


async def sellers(desk: Desk, count: int) -> list[str]:
    return [(await desk.create("seller", name=f"s{n}", level=n))["id"] for n in range(count)]


def ids(side: JSON) -> JSON:
    return None if side is None else [item["id"] for item in side]


async def history(desk: Desk, record_id: str) -> list[JSON]:
    told = await desk.timeline("customer", record_id)
    return [(e["kind"], [ids(side) for side in e["changes"].get("sellers", (None, None))]) for e in told]


async def test_a_target_is_held_by_its_links(shared: Desk) -> None:
    (a,) = await sellers(shared, 1)
    made = await shared.create("customer", name="x", sellers=[a])
    refused = problem(await shared.delete("seller", a), "record.referenced")
    assert refused["references"] == [{"entity": "customer", "field": "sellers", "sample_ids": [made["id"]]}]
    await shared.change("customer", made["id"], sellers=[])
    assert (await shared.delete("seller", a)).status_code == 204


async def test_a_target_that_goes_takes_its_links_along_and_brings_them_back(clearing: Desk) -> None:
    a, b = await sellers(clearing, 2)
    x = await clearing.create("customer", name="x", sellers=[{"id": a, "attributes": {"share": 70}}, b])
    y = await clearing.create("customer", name="y", sellers=[a, b])
    assert (await clearing.delete("seller", a)).status_code == 204
    found = await clearing.get("customer", x["id"])
    assert (found["sellers"], found["given"], found["revision"]) == ([b], 10, 2)
    assert await history(clearing, x["id"]) == [("updated", [[a, b], [b]]), ("created", [None, [a, b]])]
    await clearing.delete("customer", y["id"])  # the link to it cannot come back
    back = await clearing.send("POST", f"records/seller/{a}/restore")
    assert back.status_code == 200, back.text
    found = await clearing.get("customer", x["id"], expand="sellers")
    assert {s["id"]: s["attributes"]["share"] for s in found["sellers"]} == {a: 70, b: 10}
    assert (found["given"], found["revision"]) == (80, 3)
    assert (await history(clearing, x["id"]))[0] == ("updated", [[b], [a, b]])


async def test_a_record_comes_back_with_its_links(clearing: Desk) -> None:
    a, b = await sellers(clearing, 2)
    x = await clearing.create("customer", name="x", sellers=[{"id": a, "attributes": {"share": 70}}, b])
    await clearing.delete("customer", x["id"])
    assert (await history(clearing, x["id"]))[0] == ("deleted", [[a, b], None])
    assert (await clearing.get("seller", a))["load"] == 0
    await clearing.delete("seller", b)
    assert (await clearing.send("POST", f"records/customer/{x['id']}/restore")).status_code == 200
    found = await clearing.get("customer", x["id"], expand="sellers")
    assert [(s["id"], s["attributes"]["share"]) for s in found["sellers"]] == [(a, 70)]
    assert (await history(clearing, x["id"]))[0] == ("restored", [None, [a]])
    assert (await clearing.get("seller", a))["weight"] == 70


async def test_numbers_of_links_are_kept(clearing: Desk) -> None:
    listed = await sellers(clearing, 4)
    for given, code in ((None, "required"), ([], "required"), (listed, "max_count")):
        refused = await clearing.try_create("customer", {"name": "x", "sellers": given})
        assert pointers(problem(refused, "record.invalid")) == {"/sellers": code}
    refused = await clearing.try_create("customer", {"name": "x"})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers": "required"}
    made = await clearing.create("customer", name="x", sellers=listed[:3])
    refused = await clearing.patch("customer", made["id"], {"sellers": {"add": listed[3:]}})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers": "max_count"}
    refused = await clearing.patch("customer", made["id"], {"sellers": {"remove": listed}})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers": "required"}
    await clearing.change("customer", made["id"], name="y")


async def test_numbers_of_links_are_kept_where_others_go_or_are_merged(clearing: Desk) -> None:
    a, b, c, d = await sellers(clearing, 4)
    only = await clearing.create("customer", name="only", sellers=[a])
    document = problem(await clearing.delete("seller", a), "record.invalid")
    [said] = document["errors"]
    assert (said["code"], said["params"]) == ("required", {"entity": "customer", "record_id": only["id"]})
    other = await clearing.create("customer", name="other", sellers=[b, c, d])
    path = f"records/customer/{only['id']}/merge"
    document = problem(await clearing.send("POST", path, {"others": [other["id"]]}), "record.invalid")
    assert [error["code"] for error in document["errors"]] == ["max_count"]
    assert (await clearing.get("customer", only["id"]))["sellers"] == [a]
    assert (await clearing.get("customer", other["id"]))["sellers"] == [b, c, d]


async def test_a_change_has_to_keep_the_number_of_links_it_leaves_alone(clearing: Desk) -> None:
    (a,) = await sellers(clearing, 1)
    made = await clearing.create("customer", name="x", sellers=[a])
    services = clearing.service.app.services
    published = load_published(services.registry, clearing.app)
    assert published is not None
    with services.database.transaction() as connection:  # as it may be of records from before the rule
        connection.execute(sa.delete(published.app.entities["customer.sellers"].table))
    refused = await clearing.patch("customer", made["id"], {"name": "y"})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers": "required"}
    refused = await clearing.patch("customer", made["id"], {"name": "y", "sellers": []})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers": "required"}
    changed = await clearing.change("customer", made["id"], name="y", sellers=[a])
    assert (changed["name"], changed["sellers"]) == ("y", [a])


async def test_merged_targets_share_their_links_and_undoing_parts_them(shared: Desk) -> None:
    a, b = await sellers(shared, 2)
    x = await shared.create("customer", name="x", sellers=[a, {"id": b, "attributes": {"share": 33}}])
    y = await shared.create("customer", name="y", sellers=[{"id": b, "attributes": {"share": 44}}])
    merged = await shared.send("POST", f"records/seller/{a}/merge", {"others": [b]})
    assert merged.status_code == 200, merged.text
    assert (await shared.get("customer", x["id"]))["sellers"] == [a]
    assert (await shared.get("customer", y["id"], expand="sellers"))["sellers"][0]["attributes"]["share"] == 44
    assert (await history(shared, x["id"]))[0] == ("updated", [[a, b], [a]])
    assert (await history(shared, y["id"]))[0] == ("updated", [[b], [a]])
    assert (await shared.get("seller", a))["weight"] == 54
    merge_id = (await shared.send("GET", f"records/seller/{a}/merges")).json()["data"][0]["id"]
    undone = await shared.send("POST", f"records/seller/{a}/merges/{merge_id}/undo")
    assert undone.status_code == 200, undone.text
    found = await shared.get("customer", x["id"], expand="sellers")
    assert {s["id"]: s["attributes"]["share"] for s in found["sellers"]} == {a: 10, b: 33}
    assert (await shared.get("customer", y["id"]))["sellers"] == [b]
    assert (await history(shared, y["id"]))[0] == ("updated", [[a], [b]])
    assert ((await shared.get("seller", a))["weight"], (await shared.get("seller", b))["weight"]) == (10, 77)


async def test_merged_records_have_the_links_of_all(shared: Desk) -> None:
    a, b, c = await sellers(shared, 3)
    x = await shared.create("customer", name="x", sellers=[a, b])
    y = await shared.create("customer", name="y", sellers=[b, c], allies=[x["id"]])
    merged = await shared.send("POST", f"records/customer/{x['id']}/merge", {"others": [y["id"]]})
    assert merged.status_code == 200, merged.text
    found = await shared.get("customer", x["id"])
    assert (sorted(found["sellers"]), found["allies"], found["given"]) == (sorted([a, b, c]), [], 30)
    merge_id = (await shared.send("GET", f"records/customer/{x['id']}/merges")).json()["data"][0]["id"]
    undone = await shared.send("POST", f"records/customer/{x['id']}/merges/{merge_id}/undo")
    assert undone.status_code == 200, undone.text
    found, other = await shared.get("customer", x["id"]), await shared.get("customer", y["id"])
    assert (sorted(found["sellers"]), sorted(other["sellers"])) == (sorted([a, b]), sorted([b, c]))
    assert other["allies"] == [x["id"]]
