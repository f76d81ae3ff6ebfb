"""Comparisons with a constant that is the very value, or the last digit beside it: where floating point may not decide."""

from __future__ import annotations

from decimal import Decimal

import pytest

from formulas.checker import check
from formulas.errors import CellError
from formulas.evaluate import DictRow, program
from tests.property.formulas.differential import ROWS, Fields, Table
from tests.unit.formulas.world import CONTEXT

FIELDS = Fields()
LAST = Decimal("0.0000000001")
LONG = "(money + rate * 2 - count * 3 + money * 4 - rate * 5 + count * 6 - money * 7 + rate * 8)"


def constants(value: str) -> list[Decimal]:
    """The values of an expression on all rows, with their neighbours."""
    runnable = program(check(value, FIELDS, "rows").tree)
    found = [runnable.run(DictRow(row), CONTEXT) for row in ROWS]
    exact = {Decimal(each) for each in found if isinstance(each, Decimal) or type(each) is int}
    exact = {each for each in exact if abs(each) < 10**8}
    return sorted({each + step for each in exact for step in (-LAST, Decimal(0), LAST)})[:24]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "value",
    [
        "money / count",
        "count / money",
        "money / rate",
        "rate / count",
        "-money / 3",
        "money * count",
        f"{LONG} / count",
    ],
)
def test_comparisons_are_exact_beside_the_value(dialect: str, value: str) -> None:
    table = Table("sqlite" if dialect == "sqlite" else "postgresql")
    try:
        texts = [
            f"{value} {sign} {bound:f}" for bound in constants(value) for sign in (">", ">=", "<", "<=", "=", "<>")
        ]
        assert texts
        trees = [check(text, FIELDS, "rows").tree for text in texts]
        expected = [[program(tree).run(DictRow(row), CONTEXT) for row in ROWS] for tree in trees]
        blank = [[None if isinstance(each, CellError) else each for each in row] for row in expected]
        for text, found, wanted in zip(texts, table.values(trees), blank, strict=True):
            assert found == wanted, text
    finally:
        table.close()
