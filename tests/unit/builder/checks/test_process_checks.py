"""Pipelines, automations and approvals that could never do what they say are told so before they are published."""

from __future__ import annotations

from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from tests.support.builder import entity, field, package

JSON = Any
OPTIONS = [{"key": "new", "label": {"zh": "新建", "en": "New"}}, {"key": "done", "label": {"zh": "完成", "en": "Done"}}]
TICKET = entity(
    "ticket",
    field("title"),
    field("stage", "select", options=OPTIONS, default="new"),
    field("owner", "user"),
    field("helpers", "multi_user"),
    field("place", "department"),
    field("customer", "reference", entity="customer"),
    field("photos", "image"),
    field("papers", "file", accept=["application/pdf"], max_count=3),
)
CUSTOMER = entity("customer", field("name"), field("keeper", "user"), field("home", "department"))
SET_TITLE = {"type": "set_fields", "set": [{"field": "title", "value": "x"}]}


def told(**who: Any) -> JSON:
    return {"type": "notify", "to": [who], "subject": "x"}


def flow(*guards: JSON) -> JSON:
    way = {"key": "end", "label": "End", "leaves": ["new"], "enters": "done", "guards": list(guards)}
    stages = [{"key": "new"}, {"key": "done", "kind": "won"}]
    head = {"key": "flow", "label": "Flow", "entity": "ticket", "field": "stage"}
    return {**head, "stages": stages, "transitions": [way]}


def found(*actions: JSON, trigger: JSON | None = None, guards: tuple[JSON, ...] = ()) -> dict[str, tuple[str, str]]:
    """Pointer -> code and what is said."""
    rule = {"key": "a", "label": "A", "entity": "ticket", "trigger": trigger or {"type": "created"}}
    automation = {**rule, "actions": list(actions)}
    app = {**package(TICKET, CUSTOMER), "pipelines": [flow(*guards)], "automations": [automation]}
    return {f.pointer: (f.code, f.message.zh) for f in run_checks(parse_definition(app))}


@pytest.mark.parametrize(
    "who",
    [
        {"field": "owner"},
        {"field": "helpers"},
        {"field": "place"},
        {"field": "customer.keeper"},
        {"field": "customer.home"},
        {"field": "created_by"},
        {"formula": 'IF(title = "", owner, customer.keeper)'},
        {"manager_of": "customer.keeper"},
    ],
)
def test_who_leads_to_people_is_fine(who: JSON):
    assert found(told(**who)) == {}


@pytest.mark.parametrize(
    "who",
    [
        {"field": "title"},
        {"field": "customer"},
        {"formula": "title"},
        {"manager_of": "customer"},
        {"manager_of": "place"},
    ],
)
def test_who_leads_to_nobody_is_told(who: JSON):
    ((pointer, (code, message)),) = found(told(**who)).items()
    assert (pointer, code) == (f"/actions/0/to/0/{next(iter(who))}", "audience.people")
    assert message.startswith(f"“{next(iter(who.values()))}”是")
    assert "这里要能找到人员" in message


def test_a_stage_is_not_set_like_a_field():
    assert found({"type": "set_fields", "set": [{"field": "stage", "value": "done"}]}) == {
        "/actions/0/set/0/field": ("action.field", "“stage”由流程掌管,只能通过流转改变:请用动作 move_stage")
    }
    assert found({"type": "move_stage", "transition": "end"}) == {}


def test_what_a_field_becomes_is_a_value_it_can_have():
    def change(**values: Any) -> dict[str, tuple[str, str]]:
        return found(SET_TITLE, trigger={"type": "changed", "changes": [{"field": "stage", **values}]})

    assert change(becomes=["done", None]) == {}
    assert change(was=["新建"]) == {"/trigger/changes/0/was/0": ("trigger.value", "这里写选项的键“new”,不写名称“新建”")}
    assert change(becomes=["dne"])["/trigger/changes/0/becomes/0"] == (
        "trigger.value",
        "没有选项“dne”，是否想写“done”？",
    )


def test_evidence_that_a_field_cannot_hold_can_never_be_met():
    def evidence(**guard: Any) -> dict[str, tuple[str, str]]:
        return found(SET_TITLE, guards=({"type": "evidence", **guard},))

    assert evidence(field="photos", kind="image") == evidence(field="papers", kind="pdf", minimum=3) == {}
    place = "/transitions/0/guards/0"
    assert evidence(field="photos", kind="audio")[f"{place}/kind"][0] == "guard.never"
    assert evidence(field="papers", kind="image")[f"{place}/kind"][0] == "guard.never"
    assert evidence(field="papers", minimum=4) == {
        f"{place}/minimum": ("guard.never", "“papers”最多 3 个文件,达不到 4 个,条件永远无法满足")
    }
    assert evidence(field="helpers") == {f"{place}/field": ("guard.field", "“helpers”应是文件字段")}


@pytest.mark.parametrize(
    "grants, told",
    [
        ([{"entity": "ticket", "approvals": ["cost"]}], False),
        ([{"entity": "ticket"}, {"entity": "ticket", "approvals": "all"}], False),
        ([{"entity": "ticket", "approvals": ["other"]}, {"entity": "customer", "approvals": "all"}], True),
        ([], True),
    ],
)
def test_a_role_that_is_asked_for_an_approval_has_to_be_let(grants: list[JSON], told: bool):
    role = {"key": "head", "label": {"zh": "主管", "en": "Head"}, "grants": grants}
    step = {"key": "one", "label": "One", "approvers": [{"role": "head"}, {"role": "admin"}, {"field": "owner"}]}
    approvals = [{"key": key, "label": key, "entity": "ticket", "steps": [step]} for key in ("cost", "other")]
    app = {**package(TICKET, CUSTOMER), "roles": [role], "approvals": approvals}
    found = [f for f in run_checks(parse_definition(app)) if f.document.key == "cost" and f.code == "audience.grant"]
    assert [(f.code, f.severity, f.pointer) for f in found] == (
        [("audience.grant", "warning", "/steps/0/approvers/0/role")] if told else []
    )
    assert all('"approvals": ["cost"]' in text for f in found for text in f.message)
