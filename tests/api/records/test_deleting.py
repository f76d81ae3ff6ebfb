"""Deletion: what follows, what forbids it, what is left with a blank, each with an event of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.service import problem

pytestmark = pytest.mark.anyio


async def told(desk: Desk, since: int) -> list[tuple[str, str, dict[str, Any]]]:
    events = (await desk.feed())[since:]
    return [(event["entity"], event["kind"], event["changes"]) for event in events]


async def test_a_referenced_record_stays(desk: Desk) -> None:
    region = await desk.create("region", name="east")
    customers = await desk.create_many("customer", [{"name": f"c{n}", "region": region["id"]} for n in range(12)])
    before = desk.fingerprint()
    document = problem(await desk.delete("region", region["id"]), "record.referenced")
    (reference,) = document["references"]
    assert (reference["entity"], reference["field"], len(reference["sample_ids"])) == ("customer", "region", 10)
    assert set(reference["sample_ids"]) <= {row["id"] for row in customers}
    assert desk.fingerprint() == before
    for row in customers:
        await desk.change("customer", row["id"], region=None)
    assert (await desk.delete("region", region["id"])).status_code == 204


async def test_what_belongs_to_a_record_goes_with_it(desk: Desk) -> None:
    customer = await desk.create("customer", name="c")
    items = [{"product": "a", "qty": 1, "parts": [{"name": "x"}, {"name": "y"}]}, {"product": "b", "qty": 2}]
    order = await desk.create("order", title="one", customer=customer["id"], items=items)
    other = await desk.create("order", title="two", customer=customer["id"], items=items)
    since = len(await desk.feed())
    assert (await desk.delete("order", order["id"])).status_code == 204
    events = await told(desk, since)
    assert [(entity, kind) for entity, kind, _ in events] == [
        *[("part", "deleted")] * 2,
        *[("item", "deleted")] * 2,
        ("order", "deleted"),
    ]
    assert events[-1][2] == {
        "number": ["O-202611-0001", None],
        "title": ["one", None],
        "customer": [customer["id"], None],
        "state": ["draft", None],
    }
    assert {row["order"] for row in await desk.page("item")} == {other["id"]}
    assert len(await desk.page("part")) == 2


async def test_references_that_are_blanked_are_changes_of_their_records(desk: Desk) -> None:
    top = await desk.create("customer", name="group")
    below = await desk.create_many("customer", [{"name": f"c{n}", "parent": top["id"]} for n in range(3)])
    since = len(await desk.feed())
    await desk.delete("customer", top["id"])
    rows = await desk.page("customer")
    assert {(row["parent"], row["revision"]) for row in rows} == {(None, 2)}
    events = await told(desk, since)
    assert [(kind, changes) for _, kind, changes in events[:3]] == [("updated", {"parent": [top["id"], None]})] * 3
    assert events[3][1:] == ("deleted", {"name": ["group", None]})
    assert len(below) == 3


async def test_a_restriction_counts_for_those_that_stay_only(desk: Desk) -> None:
    node = await desk.create("node", name="n")
    follower = await desk.create("lead", name="goes too", node=node["id"], fixed=node["id"])
    assert (await desk.delete("node", node["id"])).status_code == 204
    problem(await desk.send("GET", f"records/lead/{follower['id']}"), "record.not_found")

    node, other = await desk.create_many("node", [{"name": "n"}, {"name": "o"}])
    follower = await desk.create("lead", name="goes too", node=node["id"])
    stays = await desk.create("lead", name="stays", fixed=node["id"], node=other["id"])
    before = desk.fingerprint()
    document = problem(await desk.delete("node", node["id"]), "record.referenced")
    assert document["references"] == [{"entity": "lead", "field": "fixed", "sample_ids": [stays["id"]]}]
    assert desk.fingerprint() == before
    # a restriction deep inside what would follow
    above = await desk.create("node", name="above")
    await desk.change("node", node["id"], next=above["id"])
    problem(await desk.delete("node", above["id"]), "record.referenced")


async def test_circles_of_records_go_as_a_whole(desk: Desk) -> None:
    ids = [row["id"] for row in await desk.create_many("node", [{"name": str(n)} for n in range(4)])]
    for place, one in enumerate(ids[:3]):
        await desk.change("node", one, next=ids[(place + 1) % 3])
    lead = await desk.create("lead", name="l", node=ids[0], seen=ids[3], fixed=ids[1])
    await desk.change("node", ids[2], lead=lead["id"])
    await desk.change("node", ids[3], next=ids[3])
    since = len(await desk.feed())
    assert (await desk.delete("node", ids[1])).status_code == 204
    assert [row["id"] for row in await desk.page("node")] == [ids[3]]
    assert await desk.page("lead") == []
    assert sorted((entity, kind) for entity, kind, _ in await told(desk, since)) == [
        ("lead", "deleted"),
        *[("node", "deleted")] * 3,
    ]
    assert (await desk.delete("node", ids[3])).status_code == 204


async def test_a_record_that_is_both_blanked_and_deleted_is_deleted_once(desk: Desk) -> None:
    node = await desk.create("node", name="n")
    lead = await desk.create("lead", name="l", node=node["id"], seen=node["id"])
    two = await desk.create("lead", name="two", seen=node["id"])
    since = len(await desk.feed())
    await desk.delete("node", node["id"])
    events = [(event["record_id"], event["kind"]) for event in (await desk.feed())[since:]]
    assert events == [(two["id"], "updated"), (lead["id"], "deleted"), (node["id"], "deleted")]


async def test_the_same_id_in_two_entities_is_two_records(desk: Desk) -> None:
    shared = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    await desk.create("node", id=shared, name="n")
    await desk.create("lead", id=shared, name="l", node=shared)
    assert (await desk.delete("node", shared)).status_code == 204
    problem(await desk.send("GET", f"records/lead/{shared}"), "record.not_found")


async def test_a_long_chain_goes_in_one_request(desk: Desk) -> None:
    ids = [f"0193f7a0-0000-7000-8000-{n:012x}" for n in range(1_200)]
    rows = [{"id": one, "next": ids[place - 1] if place else None} for place, one in enumerate(ids)]
    await desk.create_many("node", rows)
    since = len(await desk.feed())
    assert (await desk.delete("node", ids[0])).status_code == 204
    assert await desk.page("node") == []
    assert len((await desk.feed())[since:]) == 1_200


async def test_no_more_than_a_batch_follows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.records.deleting.BATCH_RECORDS", 20)
    top = await desk.create("thing", name="t", bits=[{"name": str(n)} for n in range(19)])
    many = await desk.create("thing", name="t", bits=[{"name": str(n)} for n in range(20)])
    parent = await desk.create("thing", name="p")
    await desk.create_many("thing", [{"other": parent["id"]} for _ in range(21)])
    before = desk.fingerprint()
    for record in (many, parent):
        document = problem(await desk.delete("thing", record["id"]), "limit.batch")
        assert document["maximum"] == 20
    assert desk.fingerprint() == before
    assert (await desk.delete("thing", top["id"])).status_code == 204
