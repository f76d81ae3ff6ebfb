"""Stages change by transitions alone: on every door, in both databases, with a history that tells it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.records.test_imports import bring_in, refused
from tests.support import deals
from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import pointers, problem

JSON = Any
pytestmark = pytest.mark.anyio


async def take(desk: Desk, deal: str, transition: str, **body: JSON) -> httpx.Response:
    """Try a transition."""
    return await desk.send("POST", f"records/deal/{deal}/transitions/{transition}", body or None)


async def moved(desk: Desk, deal: str, transition: str, **body: JSON) -> dict[str, JSON]:
    """Take a transition that has to be possible."""
    reply = await take(desk, deal, transition, **body)
    assert reply.status_code == 200, reply.text
    return one(reply)


async def stays(desk: Desk, deal: str) -> list[dict[str, JSON]]:
    """The stays of a deal, the first one first."""
    reply = await desk.send("GET", f"records/deal/{deal}/stages")
    assert reply.status_code == 200, reply.text
    return many(reply)[::-1]


async def stand(desk: Desk, deal: str, **headers: str) -> dict[str, JSON]:
    """Where a deal stands, and the ways on."""
    reply = await desk.send("GET", f"records/deal/{deal}/transitions", headers=headers)
    assert reply.status_code == 200, reply.text
    return many(reply)[0]


async def test_a_new_record_begins_in_the_first_stage_and_has_a_history(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    assert (deal["stage"], deal["node"], deal["stage_since"]) == ("new", None, deal["created_at"])
    [stay] = await stays(desk, deal["id"])
    assert (stay["stage"], stay["how"], stay["entered_at"], stay["left_at"]) == (
        "new",
        "began",
        deal["created_at"],
        None,
    )


async def test_no_other_write_changes_a_stage(desk: Desk) -> None:
    customer = await desk.create("customer", name="甲")
    deal = await desk.create("deal", name="A", contact="张", customer=customer["id"])
    before = desk.fingerprint()
    for body in ({"stage": "visit"}, {"stage": "new", "node": "sent"}, {"stage_since": "2020-01-01T00:00:00.000Z"}):
        reply = await desk.patch("deal", deal["id"], body)
        document = problem(reply, "record.invalid")
        assert set(pointers(document).values()) == {"stage"}
        assert document["errors"][0]["params"]["route"].endswith(f"/{deal['id']}/transitions")
        assert "meet" in document["errors"][0]["params"]["transitions"]
    for body in ({"name": "B", "stage": "won"}, {"name": "B", "node": "sent"}, {"name": "B", "stage": "quote"}):
        problem(await desk.try_create("deal", body), "record.invalid")
        problem(await desk.send("POST", "records/deal/batch", {"create": [{"name": "C"}, body]}), "record.invalid")
    reply = await desk.try_create("deal", {"name": "B", "stage_since": "2020-01-01T00:00:00.000Z"})
    assert pointers(problem(reply, "record.invalid")) == {"/stage_since": "assigned"}
    assert desk.fingerprint() == before
    same = await desk.patch("deal", deal["id"], {"stage": "new", "name": "A2"})  # what is as it was may come along
    assert same.status_code == 200


async def test_a_sheet_skips_no_stage(desk: Desk) -> None:
    job = await bring_in(desk, "deal", "name,contact,stage\nA,张,new\nB,李,won\nC,王,\nD,赵,quote".encode())
    assert (job["result"]["created_count"], job["result"]["refused_count"]) == (2, 2)
    assert await refused(desk, job) == {3: {"stage": "stage"}, 5: {"stage": "stage"}}
    assert {deal["name"]: deal["stage"] for deal in await desk.every("deal")} == {"A": "new", "C": "new"}


async def test_neither_upserts_nor_filters_nor_merges_nor_restores_change_a_stage(desk: Desk) -> None:
    document = deals.definition()
    document["entities"][1]["trash"] = True
    publish_definition(desk.service.app.services.registry, document)
    first = await desk.create("deal", name="A", contact="张")
    second = await desk.create("deal", name="B", contact="李")
    await moved(desk, second["id"], "meet")
    for body in ({"stage": "won"}, {"node": "sent"}, {"stage": "visit"}):
        record = {"id": first["id"], "name": "A", **body}
        for orders in ({"update": [record]}, {"upsert": {"by": ["id"], "records": [record]}}):
            reply = await desk.send("POST", "records/deal/batch", orders)
            assert reply.status_code in (400, 422), reply.text
        reply = await desk.client.patch(
            f"/api/{deals.APP}/records/deal", params={"filter": 'name = "A"', "max_affected": "5"}, json=body
        )
        assert set(pointers(problem(reply, "record.invalid")).values()) == {"stage"}
    taken = {"others": [second["id"]], "fields": {"stage": second["id"]}}
    reply = await desk.send("POST", f"records/deal/{first['id']}/merge", taken)
    assert (await desk.get("deal", first["id"]))["stage"] == "new", reply.text
    third = await desk.create("deal", name="C", contact="王")
    await moved(desk, third["id"], "meet")
    assert (await desk.delete("deal", third["id"])).status_code == 204
    back = await desk.send("POST", f"records/deal/{third['id']}/restore")
    assert back.status_code == 200, back.text
    assert (await desk.get("deal", third["id"]))["stage"] == "visit"
    assert [stay["stage"] for stay in await stays(desk, third["id"])][-1] == "visit"
    await moved(desk, third["id"], "offer")  # it stands where it stood, and goes on from there


async def test_conditions_of_guards_may_hold_formulas_in_json(desk: Desk) -> None:
    flow = deals.pipeline()
    long_name = {"customer": {"_formula": "LEN(name) > 2"}}
    called = {"kind": "call", "_formula": 'LEFT(kind, 1) & customer.name = "c" & customer.name'}
    message = {"zh": "太短", "en": "short"}
    flow["transitions"][0]["guards"] = [
        {"type": "formula", "formula": long_name, "message": message},
        {"type": "records", "entity": "talk", "theirs": "customer", "ours": "customer", "condition": called},
    ]
    publish_definition(desk.service.app.services.registry, deals.definition(flow))
    short, long = await desk.create_many("customer", [{"name": "ab"}, {"name": "abc"}])
    await desk.create_many("talk", [{"customer": owner["id"], "kind": "call"} for owner in (short, short)])
    refused_, waiting = await desk.create_many(
        "deal", [{"name": owner["name"], "contact": "x", "customer": owner["id"]} for owner in (short, long)]
    )
    for deal, missing in ((refused_, {"formula"}), (waiting, {"records"})):
        todo = problem(await take(desk, deal["id"], "meet"), "transition.refused")["todo"]
        assert {item["code"] for item in todo} == missing
    await desk.create("talk", customer=long["id"], kind="call")
    assert (await moved(desk, waiting["id"], "meet"))["stage"] == "visit"


async def test_a_move_writes_the_record_its_event_and_its_history(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    desk.service.clock.advance(timedelta(hours=2))
    reply = await take(desk, deal["id"], "meet", fields={"contact": "王"}, reason="约好了")
    after = one(reply)
    assert (after["stage"], after["contact"], after["revision"]) == ("visit", "王", 2)
    assert reply.headers["etag"] == '"2"'
    assert after["stage_since"] == after["updated_at"] != deal["created_at"]
    first, second = await stays(desk, deal["id"])
    assert (first["seconds"], first["left_at"]) == (7200, after["updated_at"])
    assert (second["stage"], second["transition"], second["how"], second["reason"]) == (
        "visit",
        "meet",
        "moved",
        "约好了",
    )
    event = (await desk.timeline("deal", deal["id"]))[0]
    assert event["kind"] == "moved"
    assert event["changes"]["stage"] == ["new", "visit"]
    assert event["detail"] == {
        "pipeline": "flow", "transition": "meet", "from": "new", "to": "visit", "how": "moved", "reason": "约好了",
    }  # fmt: skip
    assert (await desk.feed())[-1]["kind"] == "moved"


async def test_what_is_missing_is_a_list_that_says_how_to_mend_it_and_nothing_is_written(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    before = desk.fingerprint()
    reply = await desk.send(
        "POST", f"records/deal/{deal['id']}/transitions/meet", {}, headers={"accept-language": "zh"}
    )
    document = problem(reply, "transition.refused")
    assert document["todo"] == [
        {
            "code": "required",
            "message": "请填写“contact栏”",
            "pointer": "/fields/contact",
            "field": "contact",
            "label": "contact栏",
        }
    ]
    assert (document["from"], document["to"], document["transition"]) == ("new", "visit", "meet")
    english = problem(
        await desk.send("POST", f"records/deal/{deal['id']}/transitions/meet", {}, headers={"accept-language": "en"}),
        "transition.refused",
    )
    assert english["todo"][0]["message"] == "Fill in contact"
    # values that break a rule stand in the same list, with what is still blank
    reply = await take(desk, deal["id"], "meet", fields={"note": "长" * 51, "nothing": 1})
    found = {todo["pointer"]: todo["code"] for todo in problem(reply, "transition.refused")["todo"]}
    assert found == {"/fields/note": "max_length", "/fields/nothing": "unknown", "/fields/contact": "required"}
    assert desk.fingerprint() == before


async def test_ways_on_are_listed_with_what_is_missing(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    found = await stand(desk, deal["id"])
    assert (found["pipeline"], found["stage"], found["node"], found["kind"]) == ("flow", "new", None, "open")
    assert found["hints"] == [{"text": "先约拜访", "after_seconds": 90, "field": None}]
    ways = {way["key"]: way for way in found["transitions"]}
    assert set(ways) == {"meet", "lose", "admit"}  # an automatic one is nobody's to take
    assert (ways["meet"]["possible"], ways["lose"]["possible"]) == (False, True)
    assert [todo["field"] for todo in ways["meet"]["todo"]] == ["contact"]
    assert ways["lose"]["reason"] == "required"
    assert ways["lose"]["asks"] == [{"field": "note", "type": "text", "label": "note栏"}]
    await desk.change("deal", deal["id"], contact="王")
    assert {w["key"]: w["possible"] for w in (await stand(desk, deal["id"]))["transitions"]}["meet"] is True


async def test_nodes_returning_ends_and_reopening(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    await moved(desk, deal["id"], "meet")
    at_quote = await moved(desk, deal["id"], "offer")
    assert (at_quote["stage"], at_quote["node"]) == ("quote", "drafting")
    here = problem(await take(desk, deal["id"], "win"), "transition.unavailable")
    assert (here["place"], "“quote项 / drafting项”" in here["detail"]) == ("quote.drafting", True)
    sent = await moved(desk, deal["id"], "send")
    assert (sent["stage"], sent["node"]) == ("quote", "sent")
    refusal = problem(await take(desk, deal["id"], "back"), "transition.refused")
    assert [(todo["code"], todo["pointer"]) for todo in refusal["todo"]] == [("reason", "/reason")]
    back = await moved(desk, deal["id"], "back", reason="客户要改")
    assert (back["stage"], back["node"]) == ("visit", None)
    problem(await take(desk, deal["id"], "lose"), "transition.refused")
    await moved(desk, deal["id"], "lose", reason="没预算")
    problem(await take(desk, deal["id"], "meet"), "transition.unavailable")
    problem(await take(desk, deal["id"], "lose", reason="再丢一次"), "transition.unavailable")
    problem(await take(desk, deal["id"], "reopen"), "transition.refused")
    assert (await moved(desk, deal["id"], "reopen", reason="又有预算"))["stage"] == "new"
    told = [(s["stage"], s["node"], s["how"]) for s in await stays(desk, deal["id"])]
    assert told == [
        ("new", None, "began"),
        ("visit", None, "moved"),
        ("quote", "drafting", "moved"),
        ("quote", "sent", "moved"),
        ("visit", None, "returned"),
        ("lost", None, "moved"),
        ("new", None, "reopened"),
    ]


async def test_a_node_may_be_chosen_and_only_one_of_the_stage(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    await moved(desk, deal["id"], "meet")
    assert problem(await take(desk, deal["id"], "offer", node="nowhere"), "request.malformed")["errors"]
    problem(await take(desk, deal["id"], "lose", node="sent", reason="x"), "request.malformed")
    own_way = problem(await take(desk, deal["id"], "offer", node="sent"), "request.malformed")
    assert "send步" in own_way["errors"][0]["detail"]  # its guards are not to be passed by
    flow = deals.pipeline()
    flow["transitions"] = [way for way in flow["transitions"] if way["key"] != "send"]
    desk.publish(deals.definition(flow))
    assert (await moved(desk, deal["id"], "offer", node="sent"))["node"] == "sent"


async def test_what_a_stage_holds_cannot_be_taken_away_again(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    await moved(desk, deal["id"], "meet")
    document = problem(await desk.patch("deal", deal["id"], {"contact": None}), "stage.refused")
    assert [todo["field"] for todo in document["todo"]] == ["contact"]
    assert (await desk.get("deal", deal["id"]))["contact"] == "王"
    await desk.change("deal", deal["id"], contact="李")


async def test_roles_hands_and_overrides(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    async with desk.service.client_of("seller", "records:read", "records:write") as client:
        seller = Desk(desk.service, client, desk.app)
        problem(await take(seller, deal["id"], "admit"), "access.denied")
        problem(await take(seller, deal["id"], "close_by_rule"), "access.denied")
        problem(await take(seller, deal["id"], "meet", override=True, reason="急"), "access.denied")
        assert "admit" not in {way["key"] for way in (await stand(seller, deal["id"]))["transitions"]}
    refusal = problem(await take(desk, deal["id"], "meet", override=True), "transition.refused")
    assert {todo["code"] for todo in refusal["todo"]} == {"reason", "required"}
    assert (await moved(desk, deal["id"], "meet", override=True, reason="董事长特批"))["stage"] == "visit"
    last = (await stays(desk, deal["id"]))[-1]
    assert (last["overridden"], last["reason"]) == (["required:contact"], "董事长特批")
    problem(await take(desk, deal["id"], "win", override=True, reason="跳"), "transition.unavailable")


async def test_preconditions_rehearsals_and_bodies(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    reply = await desk.send("POST", f"records/deal/{deal['id']}/transitions/meet", {}, headers={"if-match": '"7"'})
    problem(reply, "record.changed")
    before = desk.fingerprint()
    tried = await desk.send("POST", f"records/deal/{deal['id']}/transitions/meet", {}, params={"dry_run": "true"})
    assert (one(tried)["stage"], tried.json()["meta"]["dry_run"]) == ("visit", True)
    assert desk.fingerprint() == before
    assert len(await stays(desk, deal["id"])) == 1
    problem(await take(desk, deal["id"], "mett"), "transition.not_found")
    problem(await take(desk, deal["id"], "meet", contact="王"), "request.malformed")
    problem(await take(desk, deal["id"], "meet", fields=[]), "request.malformed")
    refusal = problem(await take(desk, deal["id"], "meet", fields={"stage": "won"}), "transition.refused")
    assert [(t["code"], t["pointer"]) for t in refusal["todo"]] == [("assigned", "/fields/stage")]
    problem(await take(desk, "01a20244-e800-71d1-86b3-dc4a718de59f", "meet"), "record.not_found")
    assert (await moved(desk, deal["id"], "meet"))["stage"] == "visit"  # no body at all


async def test_many_are_moved_each_wholly_or_not_at_all(desk: Desk) -> None:
    ready = [await desk.create("deal", name=name, contact="王") for name in "AB"]
    bare = await desk.create("deal", name="C")
    ids = [ready[0]["id"], bare["id"], ready[1]["id"], "01a20244-e800-71d1-86b3-dc4a718de59f"]
    reply = await desk.send("POST", "records/deal/transitions/meet", {"ids": ids, "reason": "批量"})
    assert reply.status_code == 200, reply.text
    found = [(row["id"], row["status"], row.get("problem", {}).get("code")) for row in many(reply)]
    assert found == [
        (ids[0], "moved", None),
        (ids[1], "refused", "transition.refused"),
        (ids[2], "moved", None),
        (ids[3], "refused", "record.not_found"),
    ]
    assert reply.json()["meta"] == {"moved_count": 2, "refused_count": 2, "dry_run": False}
    assert many(reply)[1]["problem"]["todo"][0]["field"] == "contact"
    problem(await desk.send("POST", "records/deal/transitions/nothing", {"ids": ids}), "transition.not_found")
    problem(await desk.send("POST", "records/deal/transitions/meet", {"ids": []}), "request.malformed")
    problem(await desk.send("POST", "records/deal/transitions/meet", {"ids": [bare["id"]] * 501}), "limit.batch")


async def test_of_two_movers_one_wins(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    replies = await asyncio.gather(*(take(desk, deal["id"], "meet") for _ in range(4)))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    assert [stay["stage"] for stay in await stays(desk, deal["id"])] == ["new", "visit"]


async def test_time_in_stage_is_a_column(desk: Desk) -> None:
    old = await desk.create("deal", name="A", contact="王")
    desk.service.clock.advance(timedelta(hours=49))
    fresh = await desk.create("deal", name="B")
    stuck = await desk.page("deal", filter='stage_since < "2026-11-23T00:00:00Z"')
    assert [row["id"] for row in stuck] == [old["id"]]
    desk.service.clock.advance(timedelta(hours=1))
    await moved(desk, old["id"], "meet")
    rows = await desk.page("deal", sort="stage_since")
    assert [row["id"] for row in rows] == [fresh["id"], old["id"]]


def test_the_app_of_these_tests_has_every_stage() -> None:
    assert [stage["key"] for stage in deals.pipeline()["stages"]] == list(deals.STAGES)
