"""Every finding of a draft at once, with its code, place and severity."""

from __future__ import annotations

from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import DocumentInvalid, parse_definition
from tests.support.builder import entity, field, package


def found(*entities: Any, published: Any = None, **members: Any) -> dict[str, str]:
    """Document and pointer -> code."""
    before = None if published is None else parse_definition(package(*published))
    findings = run_checks(parse_definition(package(*entities, **members)), before)
    return {f"{f.document.kind}/{f.document.key}{f.pointer}": f.code for f in findings}


def test_a_sound_draft_has_no_findings():
    assert (
        found(entity("a", field("x", unique=True), title_field="x"), entity("b", field("a", "reference", entity="a")))
        == {}
    )


def test_all_findings_come_at_once_errors_first():
    wrong = entity(
        "a",
        field("id"),
        field("x"),
        field("x"),
        field("b", "reference", entity="bb"),
        field("rows", "children", entity="b", via="aa", required=True),
        field("n", "integer", default="many"),
        field("no", "auto_number", default="1"),
        title_field="rows",
        unique=[["rows"]],
        indexes=[["nothing"]],
    )
    findings = run_checks(parse_definition(package(wrong, entity("b", field("a", "reference", entity="b")))))
    codes = [(f.pointer, f.code) for f in findings if f.severity == "error"]
    assert codes == [
        ("/fields/0/key", "key.reserved"),
        ("/fields/2/key", "key.duplicate"),
        ("/fields/3/entity", "reference.entity"),
        ("/fields/4/required", "field.not_stored"),
        ("/fields/4/via", "reference.field"),
        ("/fields/5/default", "field.default"),
        ("/fields/6/default", "field.default"),
        ("/indexes/0/0", "reference.field"),
        ("/title_field", "entity.title"),
        ("/unique/0/0", "field.not_stored"),
    ]
    assert [f.code for f in findings[len(codes) :]] == ["label.duplicate", "label.duplicate"]
    near = next(f for f in findings if f.code == "reference.entity")
    assert near.message == ("没有实体“bb”，是否想写“b”？", 'There is no entity "bb"; did you mean "b"?')


def test_children_go_by_way_of_a_reference_that_leads_back():
    rows = field("rows", "children", entity="b", via="other")
    assert found(entity("a", rows), entity("b", field("other", "reference", entity="b"))) == {
        "entities/a/fields/0/via": "children.via"
    }
    assert found(entity("a", rows), entity("b", field("other"))) == {"entities/a/fields/0/via": "children.via"}


@pytest.mark.parametrize("key", ["a__b", "x__", "no_pkey"])
def test_keys_cannot_look_like_a_part_of_the_databases_own_names(key):
    assert found(entity(key)) == {f"entities/{key}/key": "key.reserved"}
    assert found(entity("a", field(key))) == {"entities/a/fields/0/key": "key.reserved"}


@pytest.mark.parametrize("key", ["a__b", "ix_shop", "uq_a", "fk_a"])
def test_an_apps_key_cannot_either(key):
    assert found(key=key) == {f"app/{key}/key": "key.reserved"}


@pytest.mark.parametrize(
    "key", ["id", "revision", "created_at", "updated_by", "deleted_at", "ctid", "xmin", "tableoid"]
)
def test_system_columns_are_taken(key):
    assert found(entity("a", field(key)))["entities/a/fields/0/key"] == "key.reserved"


def test_keys_of_entities_occur_once():
    assert found(entity("a"), entity("a")) == {"entities/a/key": "key.duplicate"}


A, B = entity("a"), entity("b")


@pytest.mark.parametrize(
    "after, expected",
    [
        ([entity("b", renamed_from="a")], {}),
        ([entity("b", renamed_from="a"), A], {}),  # the old a is b now, and this a is new
        ([entity("c", renamed_from="a"), entity("d", renamed_from="a")], {"entities/d/renamed_from": "rename.taken"}),
        ([entity("c", renamed_from="x"), entity("d", renamed_from="x")], {}),  # nothing was called x
        ([entity("b", renamed_from="a"), entity("a", renamed_from="b")], {}),
    ],
)
def test_marks_of_renames_are_about_what_is_published(after, expected):
    assert found(*after, published=[A]) == expected


def test_something_that_stays_was_not_renamed():
    assert found(A, entity("b", renamed_from="a"), published=[A, B]) == {"entities/b/renamed_from": "rename.taken"}
    fields = [field("x"), field("y", renamed_from="x")]
    assert found(entity("a", *fields), published=[entity("a", field("x"), field("y"))]) == {
        "entities/a/fields/1/renamed_from": "rename.taken"
    }


def automation(trigger, **members):
    """An automation over ``a`` that sets ``x``."""
    action = {"type": "set_fields", "set": [{"field": "x", "value": "1"}]}
    return {"key": "brief", "label": "早报", "entity": "a", "trigger": trigger, "actions": [action], **members}


def triggered(trigger, **members):
    parsed = package(entity("a", field("x"), field("on", "date"), field("no", "auto_number")))
    findings = run_checks(parse_definition({**parsed, "automations": [automation(trigger, **members)]}))
    return {finding.pointer: finding.code for finding in findings}


HOOK = {"type": "webhook", "set": [{"field": "x", "at": "/x"}]}
FOLLOWS = {"type": "app_event", "app": "other", "of_entity": "deal"}


@pytest.mark.parametrize(
    "trigger, expected",
    [
        ({"type": "schedule", "cron": "0 8 * * mon-fri"}, {}),
        ({"type": "date", "field": "on", "offset_minutes": -60}, {}),
        ({"type": "date", "field": "x"}, {"/trigger/field": "trigger.field"}),
        (HOOK, {}),
        ({**HOOK, "match": [{"field": "on", "at": "/on"}]}, {}),
        ({**HOOK, "set": [{"field": "no", "at": "/no"}]}, {"/trigger/set/0/field": "trigger.field"}),
        ({**HOOK, "match": [{"field": "no", "value": "1"}]}, {"/trigger/match/0/field": "trigger.field"}),
        ({**HOOK, "set": [{"field": "on", "value": "soon"}]}, {"/trigger/set/0/value": "trigger.value"}),
        (FOLLOWS, {}),
        ({**FOLLOWS, "app": "shop"}, {"/trigger/app": "trigger.field"}),
    ],
)
def test_triggers_from_elsewhere_name_what_can_be_used(trigger, expected):
    assert triggered(trigger) == expected


@pytest.mark.parametrize("cron", ["0 8 * *", "61 8 * * *", "0 8 * * 8", "0 8 * * noday", "0 8 * * 5-1"])
def test_a_cron_line_that_is_none_is_told_where_it_stands(cron):
    with pytest.raises(DocumentInvalid) as refused:
        triggered({"type": "schedule", "cron": cron})
    assert "/automations/0/trigger/cron" in str(refused.value)


@pytest.mark.parametrize(
    "action, expected",
    [
        ({"type": "move_stage", "transition": "go"}, {}),
        ({"type": "move_stage", "transition": "goo"}, {"/actions/0/transition": "action.transition"}),
        ({"type": "start_approval", "approval": "sign"}, {}),
        ({"type": "start_approval", "approval": "sing"}, {"/actions/0/approval": "action.approval"}),
    ],
)
def test_transitions_and_approvals_that_actions_name_are_there(action, expected):
    assert processed({**automation({"type": "created"}), "actions": [action]}) == expected


def test_any_list_of_actions_may_go_on_after_the_commit():
    after = {"type": "set_fields", "run": "after", "set": [{"field": "x", "value": "1"}]}
    assert processed({**automation({"type": "created"}), "actions": [after]}) == {}
    assert processed(on_approved=[after]) == {}


def processed(*automations, **approval):
    """What is found in an app with a pipeline, an approval and these automations."""
    stages = [{"key": key, "label": key} for key in ("first", "last")]
    parsed = package(entity("a", field("x"), field("stage", "select", options=stages), field("boss", "user")))
    flow = {
        "key": "flow",
        "label": "流程",
        "entity": "a",
        "field": "stage",
        "stages": [{"key": "first"}, {"key": "last"}],
        "transitions": [{"key": "go", "label": "走", "leaves": ["first"], "enters": "last"}],
    }
    step = {"key": "boss", "label": "主管", "approvers": [{"field": "boss"}]}
    sign = {"key": "sign", "label": "签字", "entity": "a", "steps": [step], **approval}
    parsed |= {"pipelines": [flow], "approvals": [sign], "automations": list(automations)}
    return {
        finding.pointer: finding.code for finding in run_checks(parse_definition(parsed)) if finding.severity == "error"
    }


def test_what_the_database_judges_it_has_to_be_able_to_compute():
    text = 'LEN(x) > 1 AND REGEXMATCH(x, "^a")'
    rule = {"entity": "a", "rows": {"_or": [{"x": "b"}, {"_formula": text}]}, "after": "ISCHANGED(x)"}
    mine = {"entity": "a", "rows": 'x = "a" AND created_by = CURRENTUSER() AND created_at < NOW() AND HASROLE("r")'}
    views = [
        {"key": "v", "label": "v", "entity": "a", "filter": text},
        {"key": "w", "label": "w", "entity": "a", "filter": {"_not": {"_formula": text}}},
    ]
    app: dict[str, Any] = package(entity("a", field("x")))
    app |= {"roles": [{"key": "r", "label": "r", "grants": [rule, mine]}], "views": views}
    findings = run_checks(parse_definition(app))
    assert {(f.document.key, f.pointer, f.code) for f in findings} == {
        ("r", "/grants/0/rows/_or/1/_formula", "formula.type"),
        ("r", "/grants/0/after", "formula.type"),
        ("v", "/filter", "formula.type"),
        ("w", "/filter/_not/_formula", "formula.type"),
    }
    assert next(f for f in findings if f.document.key == "w").message == (
        "数据库不能计算 REGEXTEST，请先做成公式字段(第 16 个字符起)",
        "the database cannot compute REGEXTEST; put it into a formula field (from character 16)",
    )
