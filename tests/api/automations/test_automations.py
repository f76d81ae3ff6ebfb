"""Automations in the one write path: what starts them, what they do, what a failure undoes, what is noted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builder.definition.automation import Automation
from builder.definition.triggers import ALL
from builder.kernel.limits import AUTOMATION_DEPTH, AUTOMATION_FAILURES
from runtime.automations.triggers import KINDS
from tests.support.office import Office, on, sets
from tests.support.service import Service, bearer, problem

JSON = Any
pytestmark = pytest.mark.anyio


CREATED = {"type": "created"}
BREAKS = {"type": "set_fields", "set": [{"field": "amount", "formula": "0 - 5"}]}
"""An action that a rule refuses; a constant would be found by the checks."""


def test_every_trigger_model_has_its_kind_named_as_its_file():
    assert [kind.model for kind in KINDS] == list(ALL)
    for model in ALL:
        assert model.__module__ == f"builder.definition.triggers.{model.model_fields['type'].default}"


async def test_a_creation_starts_what_fits_and_the_answer_shows_it(office: Office):
    office.automate(
        on(CREATED, sets(note="新单", serial=1)),
        on(CREATED, sets(branch="大单"), condition='amount > 1000 AND customer.level = "A"'),
        on(CREATED, sets(branch="不会"), condition="amount > 100000", log="all"),
    )
    order = await office.order(amount=5000)
    assert (order["note"], order["serial"]) == ("新单", 1)  # the answer to the create, not a later read
    assert order["branch"] == "大单"
    (run,) = await office.runs("a0")
    assert (run["state"], run["record_id"], run["trigger"]) == ("done", order["id"], "created")
    assert run["outcomes"][0]["text"].startswith("已更新 note栏")
    (run,) = await office.runs("a2")
    assert (run["state"], run["reason"]) == ("passed", "不满足条件")
    history = await office.timeline("order", order["id"])
    assert [(e["kind"], e["door"], e["actor"]) for e in history][:-1] == [("updated", "automation", "system")] * 2


async def test_changes_are_told_by_field_old_and_new_value(office: Office):
    change = {"field": "state", "was": ["draft"], "becomes": ["open", "done"]}
    office.automate(
        on({"type": "changed", "changes": [change]}, sets(note="开始")),
        on({"type": "changed", "changes": [{"field": "branch", "was": [None]}]}, sets(serial=9)),
        on({"type": "stage", "field": "state", "left": ["open"]}, sets(note="离开")),
    )
    order = await office.order()
    assert (await office.change("order", order["id"], amount=7))["note"] is None
    assert (await office.change("order", order["id"], state="open"))["note"] == "开始"
    assert (await office.change("order", order["id"], branch="北"))["serial"] == 9
    assert (await office.change("order", order["id"], branch="南", serial=0))["serial"] == 0
    assert (await office.change("order", order["id"], state="done"))["note"] == "离开"


async def test_formulas_of_automations_know_what_was_before(office: Office):
    formulas = {"note": 'PRIORVALUE(note) & "→" & note & ISCHANGED(serial)', "branch": 'IF(ISNEW(), "新", "旧")'}
    sets_both = {"type": "set_fields", "set": [{"field": key, "formula": text} for key, text in formulas.items()]}
    changed = {"type": "changed", "changes": [{"field": "serial"}]}
    office.automate(on(changed, sets_both, condition="PRIORVALUE(serial) < serial"))
    order = await office.order(serial=1, note="a")
    assert (await office.change("order", order["id"], serial=0, note="b"))["note"] == "b"
    after = await office.change("order", order["id"], serial=5, note="c")
    assert (after["note"], after["branch"]) == ("b→cTRUE", "旧")


async def test_a_condition_in_json_may_hold_formulas(office: Office):
    changed = {"type": "changed", "changes": [{"field": "serial"}]}
    condition = {
        "_or": [
            {"_formula": "PRIORVALUE(serial) < serial", "state": "draft"},
            {"customer": {"_formula": 'LEN(name) = 9'}},
            {"items": {"_some": {"_formula": "qty > this.serial"}}},
        ]
    }  # fmt: skip
    office.automate(on(changed, sets(note="升"), condition=condition))
    order = await office.order(serial=5)
    assert (await office.change("order", order["id"], serial=3))["note"] is None
    assert (await office.change("order", order["id"], serial=4))["note"] == "升"
    other = await office.order(serial=9, items=[{"product": "p", "qty": 7}])
    assert (await office.change("order", other["id"], serial=8))["note"] is None
    assert (await office.change("order", other["id"], serial=6))["note"] == "升"


async def test_a_batch_starts_it_for_each_and_a_deletion_sees_the_record_as_it_was(office: Office):
    copy = {"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]}
    office.automate(on({"type": "deleted"}, copy), on(CREATED, sets(serial=4)))
    customer = await office.create("customer", name="甲")
    bodies = [{"title": f"单{n}", "customer": customer["id"]} for n in range(3)]
    made = await office.create_many("order", bodies)
    assert {(await office.get("order", order["id"]))["serial"] for order in made} == {4}
    assert (await office.delete("order", made[0]["id"])).status_code == 204
    assert [region["name"] for region in await office.every("region")] == [made[0]["title"]]


async def test_fan_out_and_join(office: Office):
    """Each item is done by itself; with the last one the order is done, once."""
    office.automate(
        on(
            {"type": "all_done", "relation": "items", "entity": "item", "done": "qty = 1000"},
            sets(state="done"),
            {"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]},
        )
    )
    order = await office.order(items=[{"product": p, "qty": 1} for p in "abc"])
    items = await office.every("item")
    for item in items[:2]:
        await office.change("item", item["id"], qty=1000)
    assert (await office.get("order", order["id"]))["state"] == "draft"
    await office.change("item", items[0]["id"], product="x")  # done already: nothing new is done
    assert (await office.delete("item", items[2]["id"])).status_code == 204  # the last open one goes
    assert (await office.get("order", order["id"]))["state"] == "done"
    assert len(await office.every("region")) == 1
    assert (await office.delete("order", order["id"])).status_code == 204  # children go with it: nothing is joined


async def test_a_failure_undoes_what_the_automation_wrote_and_nothing_else(office: Office):
    region = {"type": "create_record", "entity": "region", "values": [{"field": "name", "value": "重名"}]}
    office.automate(
        on(CREATED, sets(serial=1)),
        on(CREATED, sets(note="写了又撤"), region),
        on(CREATED, sets(branch="后面的照常")),
    )
    await office.create("region", name="重名")
    order = await office.order()
    assert (order["serial"], order["note"], order["branch"]) == (1, None, "后面的照常")
    (run,) = await office.runs("a1")
    assert run["state"] == "failed"
    assert "重复" in run["reason"]
    assert [r["state"] for r in await office.runs("a0")] == ["done"]
    feed = await office.feed()
    changed = [set(e["changes"]) for e in feed if e["kind"] == "updated"]
    assert changed == [{"serial"}, {"branch"}]


async def test_a_failure_may_refuse_the_write(office: Office):
    office.automate(on(CREATED, BREAKS, on_error="refuse"))
    customer = await office.create("customer", name="甲")
    reply = await office.try_create("order", {"title": "订单", "customer": customer["id"]})
    assert problem(reply, "automation.failed")["automation"] == "a0"
    assert await office.every("order") == []


async def test_it_is_switched_off_after_failures_in_a_row_and_on_again_by_a_person(office: Office):
    office.automate(on(CREATED, BREAKS))
    for _ in range(AUTOMATION_FAILURES + 2):
        await office.order()
    assert len(await office.runs()) == AUTOMATION_FAILURES
    (listed,) = (await office.send("GET", "automations")).json()["data"]
    assert listed["failures"] == AUTOMATION_FAILURES
    assert listed["disabled_at"] is not None
    assert "连续失败" in listed["reason"]
    assert (await office.send("POST", "automations/a0/enable", {})).status_code == 204
    office.automate(on(CREATED, sets(serial=2)))
    office.service.clock.advance(timedelta(minutes=1))
    assert (await office.order())["serial"] == 2
    (run, *_) = await office.runs()
    failed = (await office.runs())[-1]
    assert run["state"] == "done"
    retried = (await office.send("POST", f"automations/runs/{failed['id']}/retry", {})).json()["data"]
    assert retried["state"] == "done"
    assert (await office.get("order", failed["record_id"]))["serial"] == 2


async def test_a_loop_ends_and_the_write_stays(office: Office):
    count = {"type": "set_fields", "set": [{"field": "serial", "formula": "serial + 1"}]}
    office.automate(on({"type": "changed", "changes": [{"field": "serial"}]}, count))
    order = await office.order(serial=0)
    changed = await office.change("order", order["id"], serial=1)
    assert changed["serial"] == 1 + AUTOMATION_DEPTH
    runs = await office.runs()
    assert sorted(run["state"] for run in runs) == ["done"] * AUTOMATION_DEPTH + ["failed"]
    assert {run["depth"] for run in runs} == set(range(AUTOMATION_DEPTH + 1))


async def test_a_throttle_bounds_runs_also_within_one_write(office: Office):
    throttle = {"at_most": 2, "per_minutes": 60}
    office.automate(on(CREATED, sets(serial=1), throttle=throttle))
    customer = await office.create("customer", name="甲")
    await office.create_many("order", [{"title": f"单{n}", "customer": customer["id"]} for n in range(3)])
    assert sorted(o["serial"] or 0 for o in await office.every("order")) == [0, 1, 1]
    await office.order()
    assert sorted(run["state"] for run in await office.runs()) == ["done", "done", "passed", "passed"]
    office.service.clock.advance(timedelta(minutes=61))
    assert (await office.order())["serial"] == 1


async def test_what_runs_after_the_commit_goes_on_by_itself(office: Office):
    count = {"type": "set_fields", "run": "after", "set": [{"field": "serial", "formula": "serial + 1"}]}
    office.automate(
        on(CREATED, sets(serial=1), count, sets(note="完")),
        on({"type": "changed", "changes": [{"field": "serial"}]}, sets(branch="跟着")),
    )
    order = await office.order()
    assert (order["serial"], order["note"]) == (1, None)
    assert [run["state"] for run in await office.runs()] == ["waiting"]
    runner = office.service.app.services.runner
    assert await runner.run_due() == 1
    assert await runner.run_due() == 0
    shown = await office.get("order", order["id"])
    assert (shown["serial"], shown["note"]) == (2, "完")
    (run,) = await office.runs()
    assert (run["state"], len(run["outcomes"])) == ("done", 3)
    followed = await office.runs("a1")
    assert {r["cause"] for r in followed} == {run["id"]}
    assert {r["depth"] for r in followed} == {1}


async def test_what_fails_after_the_commit_is_noted_and_undone(office: Office):
    later = {**BREAKS, "run": "after"}
    office.automate(on(CREATED, {**sets(note="撤"), "run": "after"}, later))
    order = await office.order()
    assert await office.service.app.services.runner.run_due() == 1
    (run,) = await office.runs()
    assert run["state"] == "failed"
    assert (await office.get("order", order["id"]))["note"] is None


async def test_a_button_is_pressed_by_who_may_where_it_fits(office: Office):
    trigger = {"type": "button", "label": {"zh": "催办", "en": "Chase"}, "roles": ["builder"], "confirm": "确定?"}
    office.automate(on(trigger, sets(note="催了"), condition='state = "open"'))
    order = await office.order()
    path = f"records/order/{order['id']}/actions"
    (button,) = (await office.send("GET", path)).json()["data"]
    assert (button["label"], button["possible"], button["why_not"]) == ("催办", False, "记录不满足条件")
    problem(await office.send("POST", f"{path}/a0", {}), "automation.condition")
    await office.change("order", order["id"], state="open")
    assert (await office.send("POST", f"{path}/a0", {})).json()["data"]["state"] == "done"
    assert (await office.get("order", order["id"]))["note"] == "催了"
    problem(await office.send("POST", f"{path}/a9", {}), "automation.not_found")
    office.service.add_user("member")
    async with office.service.client(headers=bearer(office.service.session_of("member"))) as member:
        reply = await member.post(f"/api/shop/{path}/a0")
        problem(reply, "access.denied")
        (button,) = (await member.get(f"/api/shop/{path}", headers={"accept-language": "en"})).json()["data"]
        assert (button["possible"], button["label"]) == (False, "Chase")
        problem(await member.get("/api/shop/automations"), "access.denied")


async def test_a_test_run_shows_everything_and_leaves_nothing(office: Office):
    after = {**sets(serial=8), "run": "after"}
    office.automate(on(CREATED, sets(note="试"), after), on(CREATED, BREAKS))
    order = await office.order()
    before = office.fingerprint()
    reply = await office.send("POST", "automations/a0/test", {"record_id": order["id"]})
    tried = reply.json()["data"]
    assert tried["run"]["state"] == "done"
    assert [o["state"] for o in tried["run"]["outcomes"]] == ["done", "done"]
    assert [e["changes"] for e in tried["events"]] == [{"serial": [None, 8]}] or len(tried["events"]) == 2
    failing = (await office.send("POST", "automations/a1/test", {"record_id": order["id"]})).json()["data"]
    assert failing["run"]["state"] == "failed"
    assert office.fingerprint() == before
    assert len(await office.runs()) == 1


async def test_a_write_that_is_only_tried_tells_what_it_would_set_off(office: Office):
    region = {"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]}
    changed = {"type": "changed", "changes": [{"field": "serial"}]}
    office.automate(
        on(CREATED, sets(serial=1), region),
        on(CREATED, sets(note="试"), {**sets(branch="后"), "run": "after"}),
        on(CREATED, BREAKS),
        on(changed, sets(code="AB-1")),
    )
    customer = await office.create("customer", name="甲")
    before = office.fingerprint()
    body = {"title": "订单", "customer": customer["id"]}
    reply = await office.send("POST", "records/order", body, params={"dry_run": "true"})
    meta = reply.json()["meta"]
    assert {(e["entity"], e["kind"]): e["count"] for e in meta["effects"]} == {
        ("order", "created"): 1,
        ("order", "updated"): 3,
        ("region", "created"): 1,
    }
    assert {run["automation"]: (run["state"], run["count"]) for run in meta["automations"]} == {
        "a0": ("done", 1),
        "a1": ("waiting", 1),
        "a2": ("failed", 1),
        "a3": ("done", 1),
    }
    assert office.fingerprint() == before
    assert await office.runs() == []


async def test_runs_of_a_record_are_for_who_may_read_it(office: Office):
    office.automate(on(CREATED, sets(note="x")))
    order = await office.order()
    (run,) = (await office.send("GET", f"records/order/{order['id']}/runs")).json()["data"]
    assert run["automation"] == "a0"


async def test_it_acts_in_the_name_it_says(office: Office):
    service: Service = office.service
    owner = service.add_user("owner")
    office.automate(
        on(CREATED, sets(note="a"), run_as="actor"),
        on(CREATED, sets(branch="b"), run_as="owner", owner="customer.owner"),
    )
    customer = await office.create("customer", name="甲", owner=owner.id)
    order = await office.create("order", title="订单", customer=customer["id"])
    history = await office.timeline("order", order["id"])
    builder = service.identity.users.find_by_username("builder")
    assert builder is not None
    assert [e["actor"] for e in history] == [owner.id, builder.id, builder.id]


def test_a_document_says_what_is_wrong_with_it():
    from builder.definition.kinds import AUTOMATIONS
    from builder.definition.parse import DocumentInvalid, parse_document

    wrong = on(
        {"type": "stage", "field": "state"}, {"type": "notify", "to": [{"role": "x", "user": "b"}], "subject": "x"}
    )
    with pytest.raises(DocumentInvalid) as invalid:
        parse_document(AUTOMATIONS, {"key": "x", "label": "x", **wrong})
    assert {v.pointer for v in invalid.value.violations} == {"/trigger", "/actions/0/to/0"}
    assert Automation.model_fields.keys() >= {"trigger", "condition", "actions"}
