"""The bundled apps live up to their own stories."""

from __future__ import annotations

import pytest

from builder.packages import get_template, list_templates
from runtime.app import scratch_rehearsals
from runtime.scenarios.rehearsing import find_scenarios


@pytest.mark.parametrize("key", [info.key for info in list_templates()])
def test_scenarios_of_a_template(key: str):
    definition = get_template(key).definition
    assert find_scenarios(definition, ()), "a template shows what it can do"
    report = scratch_rehearsals().run(definition)
    assert report.passed, "\n".join(report.sentences("zh"))
