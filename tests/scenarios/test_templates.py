"""The bundled apps live up to their own stories."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builder.definition.kinds import CALENDARS, REMINDERS, SCENARIOS, Kind
from builder.definition.parse import parse_document
from builder.packages import dump_package, get_template, list_templates, parse_package
from runtime.app import scratch_rehearsals
from runtime.scenarios.rehearsing import find_scenarios
from tests.support.tree import ROOT


@pytest.mark.parametrize("key", [info.key for info in list_templates()])
def test_scenarios_of_a_template(key: str):
    definition = get_template(key).definition
    assert find_scenarios(definition, ()), "a template shows what it can do"
    report = scratch_rehearsals().run(definition)
    assert report.passed, "\n".join(report.sentences("zh"))


def test_the_lead_app_tells_its_whole_story():
    """R01 to R08, R19, R21, R27 and R33, as far as they are its own, each with a story that cites it."""
    stories = find_scenarios(get_template("lead").definition, ())
    assert len(stories) >= 25
    told = " ".join(str(story.help) for story in stories)
    assert [
        row for row in ("R01", "R02", "R03", "R04", "R07", "R19", "R21", "R23", "R27", "R33") if row not in told
    ] == []


def test_the_report_speaks_in_labels_and_not_in_keys():
    keys = ["distribution", "follow_up", "journey", "key_people", "visit_evidence", "decision_hub", "quick_words"]
    report = scratch_rehearsals().run(get_template("lead").definition, keys)
    told = {language: "\n".join(report.sentences(language)) for language in ("zh", "en")}
    expected = {
        "zh": (
            'big 满足 ISBLANK(负责销售) AND 阶段 = "待分配"',
            "lead1 的提醒:“跟进超时” 2026-03-03 09:30、“4 小时未触达”(已走完)",
            "张伟、王主管 收到“24 小时未跟进”(通过 dingtalk)",
            "最近一步=2026-03-04 09:00",
            "dean(在本线索中的作用 拍板,影响力(0-100) 60)",
            "关键人=加上 buyer(在本线索中的作用 推荐)",
            "首访现场照片=–",
            "张伟 试算:",
            '张伟 看到“话术”1 条(满足 场景 = "开场" AND 使用次数 >= 2)',
        ),
        "en": (
            'big meets ISBLANK(owner) AND stage = "to_assign"',
            'To come for lead1: "No follow-up" 2026-03-03 09:30, "Not contacted for 4 hours" (done)',
            'were told "24 小时未跟进" through dingtalk',
            "dean (Part in this lead Decides, Influence (0 to 100) 60)",
            "Key people = with buyer (Part in this lead Recommends)",
            "张伟 tries what the index would be",
            'does "Complete the first visit" on lead1',
            '张伟 sees 1 record of "Script" where',
            'The connection "erp" was asked',
        ),
    }
    for language, words in expected.items():
        assert [word for word in words if word not in told[language]] == []
    assert "{" not in told["zh"] + told["en"]


def test_twelve_hours_instead_of_24_break_the_story_and_the_report_says_where():
    single = dump_package(get_template("lead"))
    (follow_up,) = [reminder for reminder in single["reminders"] if reminder["key"] == "follow_up"]
    assert follow_up["steps"][0]["after"] == "24 h"
    follow_up["steps"][0]["after"] = "12 h"
    report = scratch_rehearsals().run(parse_package(single).definition, ["follow_up"])
    failures = [text.zh for _, _, text in report.failures()]
    assert failures[0].startswith("lead1 的提醒:“跟进超时” 2026-03-03 09:30、“4 小时未触达”(已走完):实为 ")
    assert "“跟进超时” 2026-03-03 09:00(等待中)" in failures[0]
    assert len(failures) == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_examples_of_the_guide_are_documents(language: str):
    text = (ROOT / "docs" / "guides" / f"reminders-and-scenarios.{language}.md").read_text(encoding="utf-8")
    blocks = [json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:]]
    kinds: tuple[Kind[Any], ...] = (CALENDARS, REMINDERS, SCENARIOS)
    assert len(blocks) == len(kinds)
    for kind, block in zip(kinds, blocks, strict=True):
        assert parse_document(kind, block).key == block["key"]
