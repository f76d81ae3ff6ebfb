"""Scenarios: what they can say, what they find, and where they are asked."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import publish_draft
from builder.store.statement import prepare
from runtime.app import scratch_rehearsals
from runtime.cli import main
from runtime.scenarios.report import Report
from tests.support.leads import definition, reminder, step, tell
from tests.support.service import problem, running

JSON = Any
FOLLOW = reminder(
    "follow",
    {"type": "unchanged"},
    step("24 h", tell("24 小时未跟进:{{title}}", {"field": "owner"}, {"manager_of": "owner"})),
    step(
        "48 h",
        tell("48 小时未跟进:{{title}}", {"manager_of": "owner", "levels": 2}),
        {"type": "set_fields", "set": [{"field": "flag", "value": "yellow"}]},
    ),
    condition='stage = "assigned"',
)
GIVEN: JSON = {
    "departments": [{"key": "east", "name": "华东", "manager": "chief"}],
    "users": [
        {"key": "boss", "name": "老板"},
        {"key": "chief", "name": "主管", "manager": "boss"},
        {"key": "zhang", "name": "张伟", "department": "east", "manager": "chief"},
    ],
    "records": [{"name": "hospital", "entity": "customer", "values": {"name": "第一医院"}}],
}
STORY: JSON = [
    {
        "label": {"zh": "一条线索被放着不管", "en": "A lead is left alone"},
        "when": [
            {
                "type": "create",
                "by": "zhang",
                "entity": "lead",
                "name": "lead1",
                "values": {"title": "甲", "owner": "@zhang", "customer": "@hospital"},
            },
            {"type": "create", "by": "zhang", "entity": "lead", "refused": "record.invalid"},
            {"type": "advance", "by": "25 h"},
        ],
        "then": [
            {"type": "notice", "to": ["zhang", "chief"], "says": "24 小时未跟进:甲"},
            {
                "type": "timers",
                "record": "lead1",
                "timers": [{"reminder": "follow", "due": "2026-03-04T09:00", "state": "waiting"}],
            },
            {"type": "nothing_else"},
        ],
    },
    {
        "when": [{"type": "advance", "until": "2026-03-04T10:00"}],
        "then": [
            {"type": "notice", "to": ["boss"], "says": "48 小时"},
            {
                "type": "record",
                "record": "lead1",
                "values": {"flag": "yellow", "owner": "@zhang"},
                "where": 'customer.name = "第一医院"',
            },
            {"type": "records", "entity": "lead", "count": 1},
        ],
    },
    {
        "when": [
            {"type": "update", "by": "zhang", "record": "lead1", "values": {"stage": "won"}},
            {"type": "advance", "by": "4 w"},
        ],
        "then": [{"type": "timers", "record": "lead1"}, {"type": "nothing_else"}],
    },
]


def app(story: JSON = None, *reminders: JSON, **members: JSON) -> JSON:
    made = definition(*(reminders or (FOLLOW,)), **members)
    made["scenarios"] = [
        {
            "key": "alone",
            "label": {"zh": "无人跟进", "en": "Nobody follows up"},
            "given": GIVEN,
            "story": story or STORY,
        }
    ]
    return copy.deepcopy(made)


def rehearse(document: JSON) -> Report:
    return scratch_rehearsals().run(parse_definition(document))


def test_a_whole_story_is_told_in_two_languages():
    report = rehearse(app())
    assert report.passed, "\n".join(report.sentences("zh"))
    told = "\n".join(report.sentences("zh"))
    assert "✓ 2026-03-02 09:00  张伟 新建“线索” lead1:标题=甲、负责人=张伟、客户=hospital" in told
    assert "✓ 张伟、主管 收到“24 小时未跟进:甲”" in told
    assert "→ 被拒绝:记录有误(record.invalid)" in told
    assert "✓ 除此之外没有发生任何事" in told
    english = "\n".join(report.sentences("en"))
    assert "25 hours pass" in english
    assert "Nothing else has happened" in english
    assert report.told[0].hours > 24 * 28
    short = rehearse(app([{"when": [{"type": "advance", "by": "1 h"}], "then": [{"type": "nothing_else"}]}]))
    assert "1 hour passes" in "\n".join(short.sentences("en"))


def test_the_second_telling_of_a_story_prepares_no_statement_anew(monkeypatch: pytest.MonkeyPatch):
    document = app()
    again = copy.deepcopy(document["scenarios"][0]) | {"key": "again"}
    document["scenarios"].append(again)
    prepared: list[str] = []

    def counting(clause: Any, dialect: str) -> Any:
        made = prepare(clause, dialect)
        prepared.append(made.sql)
        return made

    monkeypatch.setattr("runtime.query.statements.prepare", counting)
    report = rehearse(document)
    assert report.passed
    assert len(report.told) == 2
    twice = {sql for sql in prepared if prepared.count(sql) > 1}
    assert any(sql.startswith("INSERT") and "__lead " in sql for sql in prepared)
    assert not any("__lead " in sql for sql in twice), twice


def test_what_nobody_named_is_told_once_and_the_end_says_in_which_story():
    story = copy.deepcopy(STORY)
    del story[0]["then"][0]  # that the owner and their manager are told
    story[1]["then"].append({"type": "nothing_else"})
    report = rehearse(app(story))
    (failure,) = [text.zh for _, _, text in report.failures()]
    assert failure == "除此之外没有发生任何事:还发生了:张伟、主管 ← “24 小时未跟进:甲”"
    assert list(report.sentences("zh"))[-1] == "✗ 无人跟进 (alone)"


def test_a_longer_limit_breaks_the_story_where_it_is_told():
    twelve = copy.deepcopy(FOLLOW)
    twelve["steps"][0]["after"] = "12 h"
    told = "\n".join(rehearse(app(None, twelve)).sentences("zh"))
    assert "✗" not in told  # sooner is told all the same
    late = copy.deepcopy(FOLLOW)
    late["steps"][0]["after"] = "30 h"
    report = rehearse(app(None, late))
    assert not report.passed
    failed = {pointer: text.zh for _, pointer, text in report.failures()}
    assert failed["/story/0/then/0"] == "张伟、主管 收到“24 小时未跟进:甲”:没有新的消息"
    assert "2026-03-03 15:00(等待中)" in failed["/story/0/then/1"]


@pytest.mark.parametrize(
    "place, change, said",
    [
        ((0, "then", 0), {"to": ["zhang"]}, "张伟、主管 ← “24 小时未跟进:甲”"),
        ((0, "then", 0), {"count": 2}, "24 小时未跟进:甲"),
        ((1, "then", 1), {"values": {"flag": "red"}}, "实为 标记=yellow"),
        ((1, "then", 1), {"where": 'customer.name = "别家"'}, "不满足条件:客户=hospital"),
        ((1, "then", 1), {"where": 'stage = "won"'}, '满足 阶段 = "won":不满足条件:阶段=assigned'),
        ((1, "then", 2), {"count": 2}, "实有 1 条"),
        ((0, "when", 1), {"refused": None, "values": {}}, "被拒绝:record.invalid"),
        ((0, "when", 0), {"refused": "record.invalid"}, "却成功了"),
        ((0, "when", 1), {"refused": "access.denied"}, "应以 access.denied 拒绝"),
        ((2, "then", 0), {"timers": [{"reminder": "follow"}]}, "实为 –"),
    ],
)
def test_what_is_not_so_is_found(place: tuple[int, str, int], change: JSON, said: str):
    document = app()
    chapter, part, number = place
    step = document["scenarios"][0]["story"][chapter][part][number]
    step.update(change)
    for name in [name for name, value in change.items() if value is None]:
        del step[name]
    report = rehearse(document)
    failures = [text.zh for _, pointer, text in report.failures() if pointer == f"/story/{chapter}/{part}/{number}"]
    assert failures, "\n".join(report.sentences("zh"))
    assert said in failures[0]


def test_what_no_expectation_names_is_something_else():
    document = app()
    document["scenarios"][0]["story"][0]["then"].pop(0)
    failures = [text.zh for _, _, text in rehearse(document).failures()]
    assert failures[0] == "除此之外没有发生任何事:还发生了:张伟、主管 ← “24 小时未跟进:甲”"


def test_after_an_act_that_went_otherwise_nothing_is_claimed():
    document = app()
    document["scenarios"][0]["story"][0]["when"][0]["values"] = {}
    report = rehearse(document)
    states = [line.state for line in report.told[0].lines if line.kind != "chapter"]
    assert states[0] == "failed"
    assert set(states[1:]) == {"not_reached"}


def test_people_press_buttons_and_take_photos():
    story = [
        {
            "when": [
                {
                    "type": "create",
                    "by": "zhang",
                    "entity": "lead",
                    "name": "lead1",
                    "values": {"title": "甲", "owner": "@zhang"},
                },
                {"type": "upload", "by": "zhang", "name": "photo", "content": "image"},
                {"type": "upload", "by": "zhang", "name": "voice", "content": "audio"},
                {"type": "snooze", "by": "zhang", "record": "lead1", "reminder": "follow", "length": "30 h"},
                {"type": "advance", "by": "29 h"},
            ],
            "then": [{"type": "notice", "to": ["zhang"], "says": "24", "count": 0}, {"type": "nothing_else"}],
        },
        {
            "when": [
                {"type": "acknowledge", "by": "chief", "record": "lead1", "reminder": "follow"},
                {"type": "request", "by": "chief", "method": "GET", "path": "records/lead/@lead1/timers"},
                {"type": "request", "by": "chief", "method": "GET", "path": "/api/users", "status": 403},
                {
                    "type": "request",
                    "by": "zhang",
                    "path": "records/talk",
                    "body": {"lead": "@lead1", "need": "价"},
                    "name": "talk1",
                },
                {"type": "advance", "by": "10 d"},
                {"type": "delete", "by": "zhang", "record": "lead1"},
            ],
            "then": [{"type": "record", "record": "talk1", "gone": True}, {"type": "nothing_else"}],
        },
    ]
    report = rehearse(app(story))
    assert report.passed, "\n".join(report.sentences("zh"))


def test_a_step_that_fails_is_not_overlooked():
    bad = reminder("bad", {"type": "unchanged"}, step("1 h", {"type": "set_fields", "set": [{"field": "title"}]}))
    story = [{"when": [STORY[0]["when"][0], {"type": "advance", "by": "2 h"}], "then": [{"type": "nothing_else"}]}]
    failures = [text.zh for _, _, text in rehearse(app(story, bad)).failures()]
    assert len(failures) == 1
    assert "提醒“bad”对 lead1 执行失败" in failures[0]


def test_checks_follow_the_names():
    document = app()
    scenario = document["scenarios"][0]
    scenario["given"]["users"][0]["manager"] = "zhang"
    first = scenario["story"][0]
    first["when"][0]["values"] = {"titel": "x", "owner": "@zhagn"}
    first["when"][1]["by"] = "nobody"
    first["then"][0]["to"] = ["hospital"]
    scenario["story"][1]["when"].insert(0, {"type": "update", "by": "zhang", "record": "lead2", "values": {}})
    scenario["story"][1]["when"].insert(0, {"type": "create", "by": "zhang", "entity": "lead", "name": "lead1"})
    found = {f.pointer: f.code for f in run_checks(parse_definition(document)) if f.severity == "error"}
    assert found == {
        "/given/users/0/manager": "scenario.name",
        "/story/0/when/0/values/titel": "scenario.field",
        "/story/0/when/0/values/owner": "scenario.name",
        "/story/0/when/1/by": "scenario.name",
        "/story/0/then/0/to/0": "scenario.name",
        "/story/1/when/0/name": "scenario.twice",
        "/story/1/when/1/record": "scenario.name",
    }


def test_the_command_tells_the_story_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DOUGONG_LANGUAGE", "en")
    file = tmp_path / "app.json"
    file.write_text(json.dumps(app()), encoding="utf-8")
    main_code(["test", str(file)], 0)
    assert "1 scenario, 1 passed" in capsys.readouterr().out
    late = copy.deepcopy(FOLLOW)
    late["steps"][0]["after"] = "30 h"
    file.write_text(json.dumps(app(None, late)), encoding="utf-8")
    main_code(["test", str(file), "--json"], 1)
    assert json.loads(capsys.readouterr().out)["passed"] is False
    main_code(["test", str(file), "--scenario", "alnoe"], 1)
    assert "alone" in capsys.readouterr().err


def main_code(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code in (code, None if code == 0 else code)


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_the_draft_is_played_over_rest_and_before_a_publish(migrated_database_url: str):
    async with running(migrated_database_url) as service:
        service.add_user("boss", "admin")
        service.add_user("member")
        registry = service.app.services.registry
        create_app(registry, parse_definition(app(test_before_publish=True)), None)
        async with service.client_of("boss", "builder") as client:
            reply = await client.post("/builder/v1/apps/leads/test", headers={"accept-language": "en"})
            assert reply.status_code == 200, reply.text
            assert reply.json()["data"]["passed"] is True
            problem(
                await client.post("/builder/v1/apps/leads/test", json={"scenarios": ["alnoe"]}), "definition.not_found"
            )
            assert publish_draft(registry, "leads", base_version=None, plan_hash=None).published.app.version == 1
            late = copy.deepcopy(FOLLOW)
            late["steps"][0]["after"] = "30 h"
            put_draft(registry, parse_definition(app(None, late, test_before_publish=True)), None)
            with pytest.raises(Problem) as refused:
                publish_draft(registry, "leads", base_version=None, plan_hash=None)
            assert refused.value.code == "publish.scenarios"
            assert refused.value.violations[0].params == {"document": "scenarios/alone"}
            assert (await client.post("/builder/v1/apps/leads/test")).json()["data"]["passed"] is False
        async with service.client_of("member", "records:read") as client:
            problem(await client.post("/builder/v1/apps/leads/test"), "access.denied")


def test_an_option_may_be_expected_by_its_label_as_it_may_be_written():
    document = app(
        [
            {
                "when": [
                    {
                        "type": "create",
                        "by": "zhang",
                        "entity": "lead",
                        "name": "a",
                        "values": {"title": "甲", "stage": "赢单"},
                    }
                ],
                "then": [{"type": "record", "record": "a", "values": {"stage": "赢单"}}],
            },
            {"then": [{"type": "record", "record": "a", "values": {"stage": "won"}}]},
            {"then": [{"type": "record", "record": "a", "values": {"stage": "assigned"}}]},
        ]
    )
    lead = next(entity for entity in document["entities"] if entity["key"] == "lead")
    stage = next(field for field in lead["fields"] if field["key"] == "stage")
    next(option for option in stage["options"] if option["key"] == "won")["label"] = "赢单"
    told = [line.state for line in rehearse(document).told[0].lines if line.kind == "expectation"]
    assert told == ["passed", "passed", "failed"]
