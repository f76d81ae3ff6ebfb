"""Comparisons with a constant that is the very value, or the last digit beside it: where floating point may not decide."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from formulas.checker import check
from formulas.errors import CellError
from formulas.evaluate import DictRow, program
from formulas.tree import Tree
from tests.property.formulas.differential import FIELDS as KEYS
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


def agrees(dialect: str, texts: list[str], rows: list[dict[str, Any]] = ROWS) -> None:
    """The database finds of each text on all rows what Python finds."""
    table = Table("sqlite" if dialect == "sqlite" else "postgresql", rows)
    try:
        trees = [check(text, FIELDS, "rows").tree for text in texts]
        assert trees
        for text, tree, found in zip(texts, trees, table.values(trees), strict=True):
            assert found == in_python(tree, rows), text
    finally:
        table.close()


def in_python(tree: Tree, rows: list[dict[str, Any]]) -> list[Any]:
    """The values on the rows; errors as blanks."""
    found = program(tree).run_many([DictRow(row) for row in rows], CONTEXT, "compiled")
    return [None if isinstance(each, CellError) else each for each in found]


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
    bounds = constants(value)
    agrees(dialect, [f"{value} {sign} {bound:f}" for bound in bounds for sign in (">", ">=", "<", "<=", "=", "<>")])


#: What people compare with: few places, on both sides of zero.
BOUNDS = ("0", "0.01", "-0.01", "0.3", "-0.25", "1", "-1", "12.5", "0.125", "1000", "-1000", "500.05", "45000000000")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "value, dividend, divisor",
    [
        ("money / count", "money", "count"),
        ("rate / count", "rate", "count"),
        ("count / money", "count", "money"),
        ("money / rate", "money", "rate"),
        ("big / money", "big", "money"),
        ("big / rate", "big", "rate"),
    ],
)
def test_comparisons_are_exact_around_a_bound(dialect: str, value: str, dividend: str, divisor: str) -> None:
    compare_with_bounds(dialect, value, list(rows_around(dividend, divisor)))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "value, key, times, half",
    [
        ("ROUND(money * 5, 1)", "money", "5", "0.05"),
        ("ROUND(money * 1.13, 1)", "money", "1.13", "0.05"),
        ("ROUND(money)", "money", "1", "0.5"),
        ("ROUND(rate, 2)", "rate", "1", "0.005"),
    ],
)
def test_comparisons_are_exact_where_a_number_is_rounded(
    dialect: str, value: str, key: str, times: str, half: str
) -> None:
    compare_with_bounds(dialect, value, list(rows_at_halves(key, Decimal(times), Decimal(half))))


def compare_with_bounds(dialect: str, value: str, rows: list[dict[str, Any]]) -> None:
    """Every operator, with the constant on either side."""
    texts = [f"{value} {sign} {bound}" for bound in BOUNDS for sign in (">", "<=", "=")]
    agrees(dialect, [*texts, *(f"{bound} {sign} {value}" for bound in BOUNDS for sign in ("<=", ">"))], rows)


def rows_around(dividend: str, divisor: str) -> Iterator[dict[str, Any]]:
    """Rows whose quotient is a bound, or as little beside it as their fields can tell; small and large divisors, and blank ones."""
    chance = random.Random(20261129)
    nothing = dict.fromkeys(KEYS)
    scale, digits = KEYS[divisor].type.scale, KEYS[divisor].type.digits
    unscaled = [0, 1, 3, 99, 1_999_999, 199_999_999, 200_000_000, 10**digits - 1]
    divisors = [Decimal(sign * each).scaleb(-scale) for each in unscaled if each < 10**digits for sign in (1, -1)]
    for by in divisors:
        for bound in map(Decimal, BOUNDS):
            for near in beside(bound * by + Decimal(chance.choice((-5, 0, 5))).scaleb(-5), dividend):
                yield {**nothing, dividend: near, divisor: whole(by, divisor)}
    yield {**nothing, dividend: whole(Decimal(1), dividend)}
    yield {**nothing, divisor: whole(Decimal(1), divisor)}


def rows_at_halves(key: str, times: Decimal, half: Decimal) -> Iterator[dict[str, Any]]:
    """Rows whose number, multiplied, is rounded to a bound, or just not any more."""
    nothing = dict.fromkeys(KEYS)
    for bound in map(Decimal, BOUNDS):
        for turn in (bound - half, bound, bound + half):
            for near in beside(turn / times, key):
                yield {**nothing, key: near}
    yield nothing


def beside(middle: Decimal, key: str) -> Iterator[Decimal | int]:
    """The values of a field around a number, as far as the field holds them."""
    scale, digits = KEYS[key].type.scale, KEYS[key].type.digits
    if abs(middle) <= Decimal(10) ** (digits - scale) - 1:
        for step in (-1, 0, 1):
            yield whole(middle.quantize(Decimal(1).scaleb(-scale)) + Decimal(step).scaleb(-scale), key)


def whole(value: Decimal, key: str) -> Decimal | int:
    """A number as its field has it."""
    return int(value) if KEYS[key].type.kind == "integer" else value


def test_the_rows_lie_on_both_sides_of_each_bound() -> None:
    rows = list(rows_around("money", "count"))
    for bound in BOUNDS[:-1]:
        assert {True, False} <= set(in_python(check(f"money / count > {bound}", FIELDS, "rows").tree, rows))
