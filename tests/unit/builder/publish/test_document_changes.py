"""What a plan says of documents: which are new or gone, what becomes another value, and whose records a pipeline moves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from builder.definition.parse import parse_definition
from builder.publish.differences import shown
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import plan_draft, publish_draft
from builder.registry.registry import Registry
from tests.support.builder import entity, field, insert, open_registry, package

JSON = Any
STAGES = [{"key": "new", "label": "新建"}, {"key": "sent", "label": "已派工"}, {"key": "done", "label": "完成"}]
TICKET: JSON = entity("ticket", field("title"), field("stage", "select", options=STAGES, default="new"))
FLOW: JSON = {
    "key": "flow",
    "label": {"zh": "流程", "en": "Flow"},
    "entity": "ticket",
    "field": "stage",
    "stages": [{"key": "new"}, {"key": "sent"}, {"key": "done", "kind": "won"}],
    "transitions": [
        {"key": "send", "label": "派工", "leaves": ["new"], "enters": "sent"},
        {"key": "end", "label": "完成", "leaves": ["sent"], "enters": "done"},
    ],
}
SET = {"type": "set_fields", "set": [{"field": "title", "value": "x"}]}
REMINDER: JSON = {
    "key": "late",
    "label": {"zh": "无人处理", "en": "Left alone"},
    "entity": "ticket",
    "when": {"type": "unchanged"},
    "steps": [{"after": "24 h", "actions": [SET]}],
}


def app(*reminders: JSON, flow: JSON = FLOW, ticket: JSON = TICKET) -> JSON:
    return {**package(ticket), "pipelines": [flow], "reminders": list(reminders)}


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        create_app(made, parse_definition(app(REMINDER)), None)
        yield made


def plan(registry: Registry, language: Any = "zh") -> list[tuple[str, str, str | None]]:
    """(kind, summary, note) of every step."""
    found = plan_draft(registry, "shop").to_json(language)["steps"]
    return [(step["kind"], step["summary"], step["note"]) for step in found]


def redraft(registry: Registry, document: JSON) -> None:
    put_draft(registry, parse_definition(document), None)


def test_new_and_gone_documents_are_called_so(registry: Registry) -> None:
    assert ("change_document", "新增流程“流程”(pipelines/flow)", None) in plan(registry)
    assert ("change_document", 'Add the reminder "Left alone" (reminders/late)', None) in plan(registry, "en")
    publish_draft(registry, "shop", base_version=0, plan_hash=None)
    redraft(registry, app())
    assert plan(registry)[0] == ("change_document", "删除提醒“无人处理”(reminders/late)", None)
    assert plan(registry, "en")[0][1] == 'Remove the reminder "Left alone" (reminders/late)'


def test_what_was_and_what_becomes_is_told(registry: Registry) -> None:
    publish_draft(registry, "shop", base_version=0, plan_hash=None)
    sooner = copy.deepcopy(REMINDER)
    sooner["steps"][0]["after"] = "12 h"
    redraft(registry, app({**sooner, "condition": 'stage = "sent"'}))
    told = ("change_document", "修改提醒“无人处理”(reminders/late)的 condition, steps")
    assert plan(registry)[0] == (*told, 'condition:无 → stage = "sent";steps/0/after:24 h → 12 h')
    assert plan(registry, "en")[0][2] == 'condition: none → stage = "sent"; steps/0/after: 24 h → 12 h'


def test_long_and_many_differences_are_cut():
    assert shown({"a": list("ab")}, {"a": list("abc")}) == ("a:2 项 → 3 项", "a: 2 items → 3 items")
    many = shown({}, {f"m{number}": True for number in range(9)})
    assert (many.zh.count("→"), many.zh[-2:], many.en[-8:]) == (5, ";等", "and more")
    assert shown({"a": "x" * 99}, {"a": None}).zh == f"a:{'x' * 60}… → 无"
    assert shown({"a": 1}, {"a": 1}) == ("", "")


def test_records_that_a_pipeline_moves_are_not_said_to_stay_as_they_are(registry: Registry) -> None:
    publish_draft(registry, "shop", base_version=0, plan_hash=None)
    insert(registry, "ticket", {"title": "甲", "stage": "sent"})
    flow = copy.deepcopy(FLOW)
    flow["stages"].pop(1)
    flow["transitions"] = [{"key": "end", "label": "完成", "leaves": ["new"], "enters": "done"}]
    options = [option for option in STAGES if option["key"] != "sent"]
    ticket = entity("ticket", field("title"), field("stage", "select", options=options, default="new"))
    redraft(registry, app(REMINDER, flow={**flow, "moved": [{"place": "sent", "into": "new"}]}, ticket=ticket))
    found = {kind: note for kind, _, note in plan(registry)}
    assert found["change_rules"] is None
    assert found["map_stages"] == "1 条记录换到新的阶段或节点"
