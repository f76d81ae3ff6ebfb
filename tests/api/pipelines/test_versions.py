"""Published versions change pipelines: records keep working, or the plan says which would not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builder.kernel.problems import Problem
from builder.registry.doctor import examine
from builder.registry.publishing import roll_back
from tests.api.pipelines.test_moving import moved, stays
from tests.support import deals
from tests.support.desk import Desk, publish_definition
from tests.support.shop import entity_of, field_of

JSON = Any
pytestmark = pytest.mark.anyio


def healthy(desk: Desk) -> list[str]:
    """What the doctor finds about stages."""
    return [finding.code for finding in examine(desk.registry, desk.app) if finding.code.startswith("stage")]


def without_visit(**more: JSON) -> dict[str, JSON]:
    """The deals with ``visit`` called ``met`` and without the node ``sent``."""
    flow = deals.pipeline(**more)
    flow["stages"][1]["key"] = "met"
    flow["stages"][2]["nodes"] = [{"key": "drafting"}]
    for way in flow["transitions"]:
        way["leaves"] = ["met" if name == "visit" else "quote" if "." in name else name for name in way["leaves"]]
        way["enters"] = "met" if way["enters"] == "visit" else way["enters"].partition(".")[0]
    document = deals.definition(flow)
    field_of(document, "deal", "stage")["options"] = deals.options("new", "met", "quote", "won", "lost")
    field_of(document, "deal", "node")["options"] = deals.options("drafting")
    return document


async def test_places_that_go_block_the_publish_until_it_says_where_their_records_go(desk: Desk) -> None:
    visiting = await desk.create("deal", name="A", contact="王")
    quoting = await desk.create("deal", name="B", contact="李")
    for deal in (visiting, quoting):
        await moved(desk, deal["id"], "meet")
    await moved(desk, quoting["id"], "offer")
    await moved(desk, quoting["id"], "send")
    with pytest.raises(Problem) as blocked:
        desk.publish(without_visit())
    assert blocked.value.code == "publish.blocked"
    assert set(blocked.value.extra["sample_ids"]) == {visiting["id"], quoting["id"]}
    assert (await desk.get("deal", visiting["id"]))["stage"] == "visit"  # nothing happened
    desk.service.clock.advance(timedelta(hours=5))
    marks = [{"place": "visit", "into": "met"}, {"place": "quote.sent", "into": "quote.drafting"}]
    desk.publish(without_visit(moved=marks))
    assert (await desk.get("deal", visiting["id"]))["stage"] == "met"
    after = await desk.get("deal", quoting["id"])
    assert (after["stage"], after["node"]) == ("quote", "drafting")
    last = (await stays(desk, visiting["id"]))[-1]
    assert (last["stage"], last["how"], last["seconds"]) == ("met", "mapped", 5 * 3600)
    assert healthy(desk) == []
    assert (await moved(desk, visiting["id"], "offer"))["stage"] == "quote"
    assert healthy(desk) == []


async def test_going_back_to_a_former_version_leaves_no_record_in_a_stage_that_it_has_not(desk: Desk) -> None:
    desk.publish(
        without_visit(moved=[{"place": "visit", "into": "met"}, {"place": "quote.sent", "into": "quote.drafting"}])
    )
    deal = await desk.create("deal", name="A", contact="王")
    assert (await moved(desk, deal["id"], "meet"))["stage"] == "met"
    with pytest.raises(Problem) as blocked:
        roll_back(desk.registry, deals.APP, 1)
    assert blocked.value.code == "publish.blocked"
    assert blocked.value.extra["sample_ids"] == [deal["id"]]
    assert (await moved(desk, deal["id"], "offer"))["stage"] == "quote"
    roll_back(desk.registry, deals.APP, 1)
    assert (await desk.get("deal", deal["id"]))["stage"] == "quote"  # written since, and it stays
    assert healthy(desk) == []
    assert (await moved(desk, deal["id"], "back", reason="改方案"))["stage"] == "visit"


async def test_a_pipeline_that_comes_later_begins_histories(desk: Desk) -> None:
    document = deals.definition()
    document["app"]["key"], document["pipelines"] = "later", []
    for name in ("stage", "node"):
        field_of(document, "deal", name).pop("default", None)
        field_of(document, "deal", name).pop("required", None)
    publish_definition(desk.registry, document)
    desk.app = "later"
    blank = await desk.create("deal", name="A")
    placed = await desk.create("deal", name="B", stage="quote", node="sent")
    half = await desk.create("deal", name="C", stage="quote")
    document["pipelines"] = [deals.pipeline()]
    desk.publish(document)
    found = {row["name"]: (row["stage"], row["node"]) for row in await desk.every("deal")}
    assert found == {"A": ("new", None), "B": ("quote", "sent"), "C": ("quote", "drafting")}
    for deal in (blank, placed, half):
        [stay] = await stays(desk, deal["id"])
        assert (stay["how"], stay["entered_at"]) == ("began", deal["updated_at"])
        assert (await desk.get("deal", deal["id"]))["stage_since"] == deal["updated_at"]
    assert healthy(desk) == []
    desk.publish(document)  # the same again does nothing to them
    assert [s["how"] for s in await stays(desk, blank["id"])] == ["began"]


async def test_renamed_fields_and_entities_take_stages_and_histories_along(desk: Desk) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    await moved(desk, deal["id"], "meet")
    flow = deals.pipeline(entity="chance", field="step")
    document = deals.definition(flow)
    entity = entity_of(document, "deal")
    entity |= {"key": "chance", "renamed_from": "deal"}
    field_of(document, "chance", "stage").update(key="step", renamed_from="stage")
    field_of(document, "check", "deal")["entity"] = "chance"
    desk.publish(document)
    reply = await desk.send("GET", f"records/chance/{deal['id']}/stages")
    assert [stay["stage"] for stay in reply.json()["data"]] == ["visit", "new"]
    assert healthy(desk) == []
    reply = await desk.send("POST", f"records/chance/{deal['id']}/transitions/offer", {})
    assert reply.json()["data"]["step"] == "quote"


async def test_the_doctor_sees_records_that_stand_nowhere(desk: Desk) -> None:
    deal = await desk.create("deal", name="A")
    assert healthy(desk) == []
    with desk.registry.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE crm__deal SET stage = 'gone'")
    assert healthy(desk) == ["stage.unknown", "stage.history"]
    with desk.registry.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE crm__deal SET stage = 'visit'")
    assert healthy(desk) == ["stage.history"]
    assert deal["stage"] == "new"


async def test_what_is_wrong_with_a_pipeline_is_found_before_it_is_published(desk: Desk) -> None:
    flow = deals.pipeline()
    flow["stages"].append({"key": "nowhere"})
    flow["transitions"][0]["leaves"] = ["neww"]
    flow["transitions"][1]["enters"] = "quote.sentt"
    flow["transitions"][2]["asks"] = ["stage_since", "big"]
    flow["transitions"][3]["guards"] = [
        {"type": "geofence", "field": "contact", "target": "customer.position"},
        {"type": "formula", "formula": "amount > ", "message": "x"},
        {"type": "records", "entity": "talk", "theirs": "customer", "ours": "owner"},
        {"type": "evidence", "field": "contact"},
        {"type": "approval", "approval": "none"},
    ]
    document = deals.definition(flow)
    field_of(document, "deal", "node")["options"] = deals.options("drafting", "sent", "other")
    with pytest.raises(Problem) as refused:
        desk.publish(document)
    assert refused.value.code == "publish.findings"
    found = {(v.code, v.pointer) for v in refused.value.violations}
    assert found >= {
        ("pipeline.stage", "/stages"),
        ("pipeline.option", "/stages"),
        ("pipeline.place", "/transitions/0/leaves/0"),
        ("pipeline.place", "/transitions/1/enters"),
        ("pipeline.asks", "/transitions/2/asks/0"),
        ("pipeline.asks", "/transitions/2/asks/1"),
        ("guard.field", "/transitions/3/guards/0/field"),
        ("formula.parse", "/transitions/3/guards/1/formula"),
        ("guard.field", "/transitions/3/guards/2/ours"),
        ("guard.field", "/transitions/3/guards/3/field"),
        ("reference.approvals", "/transitions/3/guards/4/approval"),
    }
