"""What makes records gives what these need: found in the draft, not when it fails at night."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from builder.checks.finding import Finding
from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from builder.packages.templates import get_template
from tests.support.builder import entity, field, package

JSON = Any
OPTIONS = [{"key": key, "label": key} for key in ("new", "won")]
MADE = {"type": "created"}


def findings(target: list[JSON], automation: JSON, source: Sequence[JSON] = (), **documents: JSON) -> list[Finding]:
    """What is found in an app with a source, a target with these fields, and one automation."""
    app = package(
        entity("source", field("name"), field("owner", "user"), *source),
        entity("target", field("title"), field("copy", "json"), field("source", "reference", entity="source"), *target),
    )
    home = {"key": "auto", "label": "auto", "entity": "source", "trigger": MADE, **automation}
    found = run_checks(parse_definition({**app, **documents, "automations": [home]}))
    return [one for one in found if one.code != "label.duplicate"]


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.code, one.pointer) for one in found]


def make(*values: JSON, **members: JSON) -> JSON:
    """An automation that makes a target."""
    return {"actions": [{"type": "create_record", "entity": "target", "values": list(values), **members}]}


NEEDED = field("code", required=True)
AT = "/actions/0/values"


def test_a_required_field_that_is_left_out_is_told_with_action_field_and_remedy():
    (one,) = findings([NEEDED], make({"field": "title", "value": "x"}))
    assert (one.severity, one.code, one.pointer) == ("error", "action.required", AT)
    for word in ("第 1 个:create_record", "“target”", "“code”", "values", "默认值"):
        assert word in one.message.zh
    for word in ("number 1: create_record", "code", "values", "default"):
        assert word in one.message.en
    (one,) = findings([NEEDED], make(label={"zh": "开工单", "en": "Open an order"}))
    assert ("开工单" in one.message.zh, "Open an order" in one.message.en) == (True, True)


@pytest.mark.parametrize(
    "given",
    [
        {"value": "x"},
        {"formula": 'name & "!"'},
        {"formula": 'COALESCE(name, "none")'},
        {"formula": 'IF(ISBLANK(name), "none", name)'},
        {"formula": 'TEXT(YEAR(NOW()), "0")'},
    ],
)
def test_what_is_mapped_is_there(given: JSON):
    assert findings([NEEDED], make({"field": "code", **given})) == []


def test_a_value_that_may_be_blank_is_warned_of_with_where_it_comes_from_and_what_to_do():
    (one,) = findings([NEEDED], make({"field": "title", "value": "x"}, {"field": "code", "formula": "name"}))
    assert (one.severity, one.code, one.pointer) == ("warning", "action.blank", f"{AT}/1")
    for word in ("“target”", "“code”", "可能为空的“name”", "NOT(ISBLANK(name))", "COALESCE", "必填"):
        assert word in one.message.zh
    for word in ("code", "out of name, which may be blank", "NOT(ISBLANK(name))", "COALESCE", "make name required"):
        assert word in one.message.en


@pytest.mark.parametrize(
    "needed, formula",
    [
        (field("who", "user", required=True), "owner"),
        (field("who", "user", required=True), "MANAGER(owner)"),
        (field("who", "user", required=True), "parent.owner"),
        (field("day", "date", required=True), "day + 3"),
        (field("who", "user", required_if='title <> "x"'), "owner"),
    ],
)
def test_what_leaves_a_value_blank_is_found_through_functions_and_relations(needed: JSON, formula: str):
    more = [field("parent", "reference", entity="source"), field("day", "date")]
    mapped = make({"field": needed["key"], "formula": formula})
    assert told(findings([needed], mapped, source=more)) == [("warning", "action.blank", f"{AT}/0")]
    assert findings([{**needed, "required": False, "required_if": None}], mapped, source=more) == []


@pytest.mark.parametrize(
    "more",
    [
        {"condition": "NOT(ISBLANK(owner))"},
        {"condition": {"owner": {"_nnull": True}}},
        {
            "trigger": {
                "type": "changed",
                "changes": [{"field": "owner", "becomes": ["0193f7a0-1b2c-7d3e-8f40-112233445566"]}],
            }
        },
        {"each_condition": "NOT(ISBLANK(owner))"},
    ],
)
def test_what_was_looked_at_before_is_not_warned_of(more: JSON):
    needed = field("who", "user", required=True)
    members = {"condition": more.pop("each_condition")} if "each_condition" in more else {}
    assert findings([needed], {**make({"field": "who", "formula": "owner"}, **members), **more}) == []


def test_what_the_stage_asks_for_is_there_when_it_is_entered():
    stage, code = field("stage", "select", options=OPTIONS), field("who", "user", required=True)
    guarded = {**pipeline(), "entity": "source", "transitions": []}
    won = {"key": "win", "label": "win", "enters": "won", "guards": [{"type": "required", "fields": ["owner"]}]}
    moved = {"type": "stage", "field": "stage", "entered": ["won"]}
    made = {**make({"field": "who", "formula": "owner"}), "trigger": moved}
    for transition, expected in ((won, []), ({**won, "guards": []}, ["warning"])):
        found = findings([code], made, source=[stage], pipelines=[{**guarded, "transitions": [transition]}])
        assert [one.severity for one in found] == expected


def test_the_templates_are_told_nothing():
    for key in ("lead", "store_sales", "receivables"):
        assert [one for one in run_checks(get_template(key).definition) if one.code.startswith("action.")] == []


def test_a_mapping_that_says_blank_gives_nothing():
    assert told(findings([NEEDED], make({"field": "code"}))) == [("error", "action.required", AT)]
    defaulted = field("code", required=True, default="a")
    assert told(findings([defaulted], make({"field": "code"}))) == [("error", "action.required", AT)]


@pytest.mark.parametrize(
    "needed",
    [
        field("code", required=True, default="a"),
        field("code", required=True, default_formula='IF(title = "x", "b", "c")'),
        field("code", "auto_number", required=True, pattern="A-{seq:4}"),
        field("code", "formula", formula="title"),
        field("code", "created_by"),
        field("owner", "user", required=True, default_formula="CURRENTUSER()"),
    ],
    ids=lambda each: each["type"],
)
def test_what_the_system_gives_need_not_be_mapped(needed: JSON):
    assert findings([needed], make()) == []


@pytest.mark.parametrize(
    "trigger, expected",
    [
        ({"type": "schedule", "cron": "0 8 * * *"}, [("error", "action.required", AT)]),
        ({"type": "button", "label": "Make"}, []),
    ],
)
def test_a_default_that_is_the_actor_is_none_where_nobody_acts(trigger: JSON, expected: JSON):
    mine = field("owner", "user", required=True, default_formula="CURRENTUSER()")
    assert told(findings([mine], {"trigger": trigger, **make()})) == expected


def test_every_way_of_making_is_looked_at():
    each = {"list": "owner & name"}
    fanned = make({"field": "title", "item": "value"}, each=each)
    assert ("error", "action.required", AT) in told(findings([NEEDED], fanned))
    task = {"type": "create_task", "entity": "target", "snapshot_field": "copy", "snapshot": ["name"], "once": False}
    copied = [field("copy2", "json", required=True)]
    assert told(findings(copied, {"actions": [task]})) == [("error", "action.required", AT)]
    assert findings(copied, {"actions": [{**task, "snapshot_field": "copy2"}]}) == []
    linked = [field("back", "reference", entity="source", required=True)]
    assert findings(linked, {"actions": [{**task, "once": True, "link_field": "back"}]}) == []
    reminder = {
        "key": "late",
        "label": "late",
        "entity": "source",
        "when": {"type": "unchanged", "fields": ["name"]},
        "steps": [{"after": "1 h", "actions": make()["actions"]}],
    }
    found = findings([NEEDED], make({"field": "code", "value": "x"}), reminders=[reminder])
    assert told(found) == [("error", "action.required", "/steps/0/actions/0/values")]


@pytest.mark.parametrize(
    "condition, values, expected",
    [
        ('title = "x"', [{"field": "title", "value": "x"}], ["error"]),
        ('title = "x"', [{"field": "title", "value": "y"}], []),
        ('title = "x"', [], []),
        ("ISBLANK(title)", [], ["error"]),
        ('title = "x"', [{"field": "title", "formula": "name"}], ["warning"]),
        ('source.name = "x"', [{"field": "source", "formula": "id"}], ["warning"]),
        ("TODAY() > DATE(2026, 1, 1)", [], ["warning"]),
    ],
)
def test_a_condition_counts_as_far_as_it_can_be_told(condition: str, values: list[JSON], expected: list[str]):
    needed = field("code", required_if=condition)
    assert [one.severity for one in findings([needed], make(*values))] == expected
    shown = field("code", required=True, visible_if=condition)
    if "source" not in condition:
        assert [one.severity for one in findings([shown], make(*values))] == expected


def pipeline(**first: JSON) -> JSON:
    return {
        "key": "flow",
        "label": "flow",
        "entity": "target",
        "field": "stage",
        "stages": [{"key": "new", **first}, {"key": "won", "kind": "won"}],
        "transitions": [{"key": "win", "label": "win", "enters": "won"}],
    }


def test_a_pipeline_gives_the_first_stage_and_asks_what_it_asks():
    stage, code = field("stage", "select", options=OPTIONS), field("code")
    assert findings([stage, code], make(), pipelines=[pipeline()]) == []
    asking = pipeline(entry=[{"type": "required", "fields": ["code"]}])
    assert told(findings([stage, code], make(), pipelines=[asking])) == [("error", "action.required", AT)]
    sometimes = pipeline(holds=[{"type": "required", "fields": ["code"], "when": 'title = "x"'}])
    assert told(findings([stage, code], make(), pipelines=[sometimes])) == [("warning", "action.required", AT)]
    by_stage = field("code", required_if='stage = "new"')
    assert told(findings([stage, by_stage], make(), pipelines=[pipeline()])) == [("error", "action.required", AT)]


def test_defaults_of_a_role_count_where_somebody_acts():
    grant = {"entity": "target", "may": ["read", "create"], "defaults": [{"field": "code", "value": '"new"'}]}
    roles = [{"key": "seller", "label": "seller", "grants": [grant]}]
    assert findings([NEEDED], {**make(), "run_as": "actor"}, roles=roles) == []
    assert told(findings([NEEDED], make(), roles=roles)) == [("error", "action.required", AT)]


@pytest.mark.parametrize("kind", ["webhook", "app_event"])
def test_messages_that_make_records_bring_what_they_need(kind: str):
    trigger = {"type": kind, "set": [{"field": "title", "at": "/title"}]}
    trigger |= {"app": "other", "of_entity": "x"} if kind == "app_event" else {}
    act = [{"type": "set_fields", "set": [{"field": "title", "value": "x"}]}]

    def heard(**members: JSON) -> list[Finding]:
        home = {"entity": "target", "trigger": {**trigger, **members}, "actions": act}
        return findings([NEEDED], home)

    (one,) = heard()
    assert told([one]) == [("error", "trigger.required", "/trigger/set")]
    assert ("“code”" in one.message.zh, '"create": false' in one.message.en) == (True, True)
    assert heard(set=[{"field": "code", "at": "/code"}]) == []
    assert heard(create=False, match=[{"field": "title", "at": "/t"}]) == []
