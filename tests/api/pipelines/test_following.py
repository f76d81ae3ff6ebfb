"""What follows a move or an approval after the commit: it waits as a run that carries its actions along, and cannot be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.kernel.limits import AUTOMATION_DEPTH
from tests.api.pipelines.test_approvals import acted, approval, asked, office, step, with_approval
from tests.api.pipelines.test_moving import moved, take
from tests.support import deals
from tests.support.desk import Desk, publish_definition
from tests.support.service import bearer, problem

JSON = Any
pytestmark = pytest.mark.anyio


def sets(**values: JSON) -> JSON:
    return {"type": "set_fields", "set": [{"field": key, "value": value} for key, value in values.items()]}


def later(action: JSON) -> JSON:
    return {**action, "run": "after"}


def entering(*actions: JSON, stage: str = "visit") -> JSON:
    """The way of a deal, with actions on entering a stage."""
    flow = deals.pipeline()
    for one in flow["stages"]:
        if one["key"] == stage:
            one["on_enter"] = list(actions)
    return flow


def publish(desk: Desk, flow: JSON) -> None:
    publish_definition(desk.service.app.services.registry, deals.definition(flow))


async def runs(desk: Desk, deal: str) -> list[JSON]:
    reply = await desk.send("GET", f"records/deal/{deal}/runs")
    assert reply.status_code == 200, reply.text
    found: list[JSON] = reply.json()["data"]
    return found


async def test_what_follows_a_move_goes_on_after_the_commit_as_it_was_then(desk: Desk):
    copied = {"type": "create_record", "entity": "customer", "values": [{"field": "name", "formula": "note"}]}
    publish(desk, entering(sets(note="一"), later(sets(note="二")), copied))
    deal = await desk.create("deal", name="A", contact="王")
    assert (await moved(desk, deal["id"], "meet"))["note"] == "一"
    (run,) = await runs(desk, deal["id"])
    assert (run["automation"], run["trigger"], run["state"]) == ("move:flow.meet", "move", "waiting")
    publish(desk, entering(sets(note="新版")))  # what has begun ends as it began
    assert await desk.service.app.services.runner.run_due() == 1
    assert await desk.service.app.services.runner.run_due() == 0
    assert (await desk.get("deal", deal["id"]))["note"] == "二"
    assert [customer["name"] for customer in await desk.every("customer")] == ["二"]
    (run,) = await runs(desk, deal["id"])
    assert (run["state"], [o["state"] for o in run["outcomes"]]) == ("done", ["done", "done", "done"])
    event = (await desk.timeline("deal", deal["id"]))[0]
    assert event["door"] == "automation"
    assert event["actor"] == next(e["actor"] for e in await desk.timeline("deal", deal["id"]) if e["kind"] == "moved")


async def test_a_move_that_is_refused_leaves_nothing_to_be_done(desk: Desk):
    publish(desk, entering(later(sets(note="二")), stage="quote"))
    deal = await desk.create("deal", name="A")
    problem(await take(desk, deal["id"], "meet"), "transition.refused")
    assert await runs(desk, deal["id"]) == []


async def test_what_fails_afterwards_is_told_and_can_be_tried_again(desk: Desk):
    flow = entering(later({"type": "set_fields", "set": [{"field": "amount", "formula": "LEN(note) - 3"}]}))
    publish(desk, flow)
    deal = await desk.create("deal", name="A", contact="王", note="短")
    await moved(desk, deal["id"], "meet")
    assert await desk.service.app.services.runner.run_due() == 1
    (run,) = await runs(desk, deal["id"])
    assert run["state"] == "failed"
    shown = await desk.get("deal", deal["id"])
    assert (shown["stage"], shown["amount"]) == ("visit", None)  # the move stays; what should follow is undone
    async with desk.service.client(headers=bearer(desk.service.session_of("boss"))) as boss:
        (told,) = (await boss.get("/api/inbox")).json()["data"]
        assert "move:flow.meet" in told["subject"]
        await desk.change("deal", deal["id"], note="足够长的备注")
        reply = await boss.post(f"/api/{deals.APP}/automations/runs/{run['id']}/retry")
        assert reply.json()["data"]["state"] == "waiting"
        assert await desk.service.app.services.runner.run_due() == 1
    assert (await desk.get("deal", deal["id"]))["amount"] is not None
    assert [run["state"] for run in await runs(desk, deal["id"])] == ["done"]


@pytest.mark.parametrize("wrap", [dict, later])
async def test_stages_that_set_each_other_off_end(desk: Desk, wrap: Any):
    flow = entering(wrap({"type": "move_stage", "transition": "ahead"}))
    flow["stages"][2]["on_enter"] = [wrap({"type": "move_stage", "transition": "back", "reason": "绕圈"})]
    flow["transitions"].append(deals.transition("ahead", ["visit"], "quote"))
    publish(desk, flow)
    deal = await desk.create("deal", name="A", contact="王")
    reply = await take(desk, deal["id"], "meet")
    if wrap is dict:  # in one transaction: the move is refused, with the reason
        assert str(AUTOMATION_DEPTH) in str(problem(reply, "transition.refused")["todo"])
        return
    assert reply.status_code == 200
    await desk.service.app.services.ticker.until_quiet()
    states = [run["state"] for run in await runs(desk, deal["id"])]
    assert states == ["failed"] + ["done"] * AUTOMATION_DEPTH or states == ["failed"] + ["done"] * (
        AUTOMATION_DEPTH - 1
    )


async def test_what_follows_an_approval_waits_too(anyio_backend: str, migrated_database_url: str, tmp_path: Path):
    document = approval(
        step("head", "all", {"user": "head"}),
        on_approved=[sets(note="已批"), later({"type": "move_stage", "transition": "admit"})],
    )
    async with office(migrated_database_url, tmp_path / "files", with_approval(document)) as people:
        rep = people.rep
        deal = await rep.create("deal", name="A", contact="王")
        await acted(people.head, await asked(rep, deal["id"]), "approve")
        shown = await rep.get("deal", deal["id"])
        assert (shown["note"], shown["stage"]) == ("已批", "new")
        assert await people.service.app.services.runner.run_due() == 1
        assert (await rep.get("deal", deal["id"]))["stage"] == "visit"
        (run,) = await runs(rep, deal["id"])
        assert (run["automation"], run["state"]) == ("approval:quote.approved", "done")
