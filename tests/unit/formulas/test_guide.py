"""The guides for managers tell the truth: their formulas are those of the bundled app or checked against it, their facts hold."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from builder.compiled.app import CompiledApp, compile_app
from builder.packages import get_template
from formulas.batch_lines import Line
from formulas.checker import check
from formulas.errors import FormulaErrors
from tests.support.tree import ROOT
from tests.unit.formulas.world_batch import BACKENDS, answer, open_batch

GUIDES = [ROOT / "docs" / "formulas" / f"guide{language}.md" for language in ("", ".zh")]
TEXTS = [path.read_text(encoding="utf-8") for path in GUIDES]
_SPAN = re.compile(r"`([^`]+)`")
#: What the guides say of single results.
FACTS: dict[str, Any] = {"-2^2": 4, "2^3^2": 64, "0.1 + 0.2 = 0.3": True}


def _formulas(text: str) -> list[str]:
    """The formulas of the table of real apps."""
    rows = [line for line in text.splitlines() if line.startswith("|") and line.count("`") == 2 and "{" in line]
    return [_SPAN.findall(row)[0] for row in rows if "(" in row and '": ' not in row]


def test_both_languages_show_the_same_formulas() -> None:
    assert _formulas(TEXTS[0]) == _formulas(TEXTS[1])
    assert len(_formulas(TEXTS[0])) >= 5


def _fits(app: CompiledApp, formula: str) -> bool:
    for entity in app.own:
        try:
            check(formula, app, entity)
        except FormulaErrors:
            continue
        return True
    return False


def test_the_formulas_of_real_apps_are_formulas_of_the_bundled_app() -> None:
    app = compile_app(get_template("lead").definition, 1)
    assert [formula for formula in _formulas(TEXTS[0]) if not _fits(app, formula)] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_facts(backend: str) -> None:
    batch = open_batch(backend)
    found = {formula: answer(batch, formula) for formula in FACTS}
    batch.close()
    assert found == FACTS
    assert all(f"`{formula}`" in text for formula in FACTS for text in TEXTS)


def test_the_line_for_scripts() -> None:
    batch = open_batch("compiled")
    for text in TEXTS:
        asked, answered = (json.loads(span) for span in _SPAN.findall(text) if span.startswith('{"id"'))
        assert batch.line(Line(json.dumps(asked))) == answered
