"""A result explained step by step, and the reference made from the declarations."""

from __future__ import annotations

import json
from decimal import Decimal

from formulas.checker import check
from formulas.errors import CellError
from formulas.functions import list_functions
from formulas.reference import markdown, reference
from formulas.trace import trace
from tests.unit.formulas.test_language import ROWS
from tests.unit.formulas.world import CONTEXT, WORLD


def test_steps_in_order_with_labels() -> None:
    tree = check("IF(amount > 1000, amount * 13%, 0) + count", WORLD, "deal").tree
    steps = trace(tree, ROWS["d1"], CONTEXT, WORLD, "deal")
    assert [(step.shown, step.value) for step in steps if step.taken] == [
        ("{金额（元）}", Decimal("1234.50")),
        ("{金额（元）} > 1000", True),
        ("{金额（元）} * 0.13", Decimal("160.4850")),
        ("IF({金额（元）} > 1000, {金额（元）} * 0.13, 0)", Decimal("160.4850")),
        ("数量", 3),
        ("IF({金额（元）} > 1000, {金额（元）} * 0.13, 0) + 数量", Decimal("163.4850")),
    ]


def test_the_branch_not_taken_is_marked() -> None:
    tree = check("IF(won, 1 / count, SUM(payments.amount))", WORLD, "deal").tree
    steps = {step.text: step for step in trace(tree, ROWS["d2"], CONTEXT, WORLD, "deal")}
    assert not steps["1 / count"].taken
    assert isinstance(steps["1 / count"].value, CellError)
    assert steps["SUM(payments.amount)"].taken


def test_reference_has_every_function_and_is_json() -> None:
    described = json.loads(json.dumps(reference()))
    assert {entry["name"] for entry in described} == {function.name for function in list_functions()}
    assert len(described) >= 190
    for entry in described:
        assert entry["help"]["zh"]
        assert entry["help"]["en"]
        assert entry["signature"]["zh"].startswith(entry["name"])


def test_markdown_in_both_languages() -> None:
    for language in ("zh", "en"):
        page = markdown(language)
        assert all(f"`{function.name}(" in page for function in list_functions())
