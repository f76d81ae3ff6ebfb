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


def test_twelve_hours_instead_of_24_break_the_story_and_the_report_says_where():
    single = dump_package(get_template("lead"))
    (follow_up,) = [reminder for reminder in single["reminders"] if reminder["key"] == "follow_up"]
    assert follow_up["steps"][0]["after"] == "24 h"
    follow_up["steps"][0]["after"] = "12 h"
    report = scratch_rehearsals().run(parse_package(single).definition, ["follow_up"])
    failures = [text.zh for _, _, text in report.failures()]
    assert failures[0].startswith("lead1 的提醒:follow_up 2026-03-03 09:30, untouched (done):实为 ")
    assert "follow_up 2026-03-03 09:00 (waiting)" in failures[0]
    assert len(failures) == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_examples_of_the_guide_are_documents(language: str):
    text = (ROOT / "docs" / "guides" / f"reminders-and-scenarios.{language}.md").read_text(encoding="utf-8")
    blocks = [json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:]]
    kinds: tuple[Kind[Any], ...] = (CALENDARS, REMINDERS, SCENARIOS)
    assert len(blocks) == len(kinds)
    for kind, block in zip(kinds, blocks, strict=True):
        assert parse_document(kind, block).key == block["key"]
