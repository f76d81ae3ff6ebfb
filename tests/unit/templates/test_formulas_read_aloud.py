"""What the lead app computes stands in its package as formulas, and a manager can read each of them aloud in Chinese."""

from __future__ import annotations

import re

from builder.compiled.app import compile_app
from builder.packages import get_template
from formulas.checker import check
from formulas.tree import Path, Rollup, walk
from formulas.writer import write

COMPUTED = {
    "lead": {"score", "overdue_days", "budget_band", "win_index", "communication_count", "visit_count", "need_match"},
    "customer": {"open_lead_count", "won_amount", "win_rate"},
}
CHINESE = re.compile("[\u4e00-\u9fff]")


def test_the_computed_fields_are_formulas_in_words():
    app = compile_app(get_template("lead").definition, 1)
    for entity, keys in COMPUTED.items():
        assert keys <= {computed.key for computed in app.entities[entity].computed}
    for computed in app.computed.values():
        text = write(computed.tree, app, computed.entity, labels=True)
        names = {step for node in walk(computed.tree) if isinstance(node, Path) for step in node.steps}
        names |= {step for node in walk(computed.tree) if isinstance(node, Rollup) for step in node.relation}
        spoken = re.sub(r'"[^"]*"', "", text)
        assert [name for name in names if re.search(rf"\b{name}\b", spoken)] == [], text
        assert CHINESE.search(spoken), text


def test_the_score_adds_up():
    app = compile_app(get_template("lead").definition, 1)
    score = write(app.computed["lead", "score"].tree, app, "lead", labels=True)
    assert score.startswith('SWITCH(客户等级, "A+", 40, "A", 30, "B", 20, 10) + IFS(预算 > 200000, 30')
    assert score.endswith('IF(HAS(标签, "加急"), 10, 0)')
    assert check(score, app, "lead").tree == app.computed["lead", "score"].tree
