"""Scenarios of what other systems, other apps and the clock start."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from runtime.app import scratch_rehearsals
from tests.support.leads import definition

JSON = Any

GIVEN = {
    "users": [{"key": "zhang", "name": "张伟"}],
    "records": [{"name": "old", "entity": "lead", "values": {"title": "旧", "owner": "@zhang"}}],
}


def automation(key: str, trigger: JSON, **values: JSON) -> JSON:
    settings = [{"field": name, "value": value} for name, value in values.items()]
    action = {"type": "set_fields", "set": settings}
    return {"key": key, "label": f"规则 {key}", "entity": "lead", "trigger": trigger, "actions": [action]}


SITE = automation(
    "site",
    {
        "type": "webhook",
        "match": [{"field": "title", "at": "/name"}],
        "set": [{"field": "owner", "at": "/owner"}],
        "only": [{"at": "/form", "among": ["contact"]}],
    },
    flag="yellow",
)
DEALS = automation(
    "deals",
    {
        "type": "app_event",
        "app": "sales",
        "of_entity": "deal",
        "kinds": ["created"],
        "set": [{"field": "title", "at": "/record/name"}],
    },
    flag="yellow",
)
MORNING = automation("morning", {"type": "schedule", "cron": "0 8 * * *"}, flag="yellow")
STORY: JSON = [
    {
        "when": [
            {
                "type": "message",
                "automation": "site",
                "id": "m1",
                "body": {"form": "contact", "name": "新", "owner": "@zhang"},
                "name": "fresh",
            },
            {"type": "message", "automation": "site", "id": "m1", "body": {}, "becomes": "repeated"},
            {"type": "message", "automation": "site", "body": {"form": "else"}, "becomes": "passed"},
            {"type": "message", "automation": "site", "body": {"form": "contact"}, "becomes": "failed"},
            {"type": "message", "automation": "site", "body": "x", "refused": "request.malformed"},
            {"type": "app_event", "automation": "deals", "values": {"name": "大单"}, "name": "deal"},
            {"type": "app_event", "automation": "deals", "kind": "deleted", "becomes": "passed"},
        ],
        "then": [
            {"type": "record", "record": "fresh", "values": {"title": "新", "owner": "@zhang", "flag": "yellow"}},
            {"type": "record", "record": "deal", "values": {"title": "大单", "flag": "yellow"}},
            {"type": "record", "record": "old", "values": {"flag": None}},
        ],
    },
    {
        "when": [{"type": "advance", "by": "24 h"}],
        "then": [{"type": "record", "record": "old", "values": {"flag": "yellow"}}],
    },
]


def app() -> JSON:
    made = copy.deepcopy(definition())
    made["automations"] = [SITE, DEALS, MORNING]
    label = {"zh": "从别处来", "en": "From elsewhere"}
    made["scenarios"] = [{"key": "elsewhere", "label": label, "given": GIVEN, "story": STORY}]
    return copy.deepcopy(made)


def test_messages_events_and_the_clock_are_rehearsed():
    report = scratch_rehearsals().run(parse_definition(app()))
    told = "\n".join(report.sentences("zh"))
    assert report.passed, told
    assert "其他系统向“规则 site”发来消息(重复,不再处理)" in told
    assert "→ 被拒绝:请求格式有误(request.malformed)" in told
    assert "应用“sales”新建了一条“deal”" in told
    assert "Another system sends a message to 规则 site (passed over)" in "\n".join(report.sentences("en"))


@pytest.mark.parametrize(
    "number, change, said",
    [
        (0, {"becomes": "passed"}, "应为 passed,实为 done"),
        (2, {"becomes": "done"}, "应为 done,实为 passed"),
        (3, {"becomes": "done"}, "实为 422 automation.failed; 消息未能写入"),
        (4, {"refused": "hook.signature"}, "实为 400 request.malformed"),
        (5, {"becomes": "failed"}, "应为 failed,实为 done"),
    ],
)
def test_what_becomes_of_them_otherwise_is_found(number: int, change: JSON, said: str):
    document = app()
    document["scenarios"][0]["story"][0]["when"][number].update(change)
    report = scratch_rehearsals().run(parse_definition(document))
    (failure,) = [text.zh for _, _, text in report.failures()][:1]
    assert said in failure


def test_names_that_stand_for_no_automation_are_found():
    document = app()
    document["scenarios"][0]["story"][0]["when"][0]["automation"] = "sites"
    pointers = {f"{finding.pointer}" for finding in run_checks(parse_definition(document))}
    assert "/story/0/when/0/automation" in pointers
