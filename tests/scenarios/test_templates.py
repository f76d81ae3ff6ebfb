"""The bundled apps live up to their own stories."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builder.definition.kinds import CALENDARS, REMINDERS, SCENARIOS, Kind
from builder.definition.parse import parse_document
from builder.packages import get_template, list_templates
from runtime.app import scratch_rehearsals
from runtime.scenarios.rehearsing import find_scenarios
from tests.support.tree import ROOT


@pytest.mark.parametrize("key", [info.key for info in list_templates()])
def test_scenarios_of_a_template(key: str):
    definition = get_template(key).definition
    assert find_scenarios(definition, ()), "a template shows what it can do"
    report = scratch_rehearsals().run(definition)
    assert report.passed, "\n".join(report.sentences("zh"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_examples_of_the_guide_are_documents(language: str):
    text = (ROOT / "docs" / "guides" / f"reminders-and-scenarios.{language}.md").read_text(encoding="utf-8")
    blocks = [json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:]]
    kinds: tuple[Kind[Any], ...] = (CALENDARS, REMINDERS, SCENARIOS)
    assert len(blocks) == len(kinds)
    for kind, block in zip(kinds, blocks, strict=True):
        assert parse_document(kind, block).key == block["key"]
