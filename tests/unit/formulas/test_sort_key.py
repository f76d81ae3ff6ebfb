"""Sorting by a formula orders numbers as numbers on both databases, also where SQLite keeps them as text."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
import sqlalchemy as sa

from formulas.checker import check
from formulas.sql import to_sort_key
from formulas.sqlite_functions import formula_sort_key
from tests.unit.formulas.world import CONTEXT, WORLD, Base, Rows


@pytest.mark.parametrize(
    "text, expected",
    [
        ("amount * count", ["d2", "d4", "d6", "d1", "d5"]),
        ("amount * amount * amount - 5", ["d4", "d2", "d6", "d1", "d5"]),
        ("-amount * count / 3", ["d5", "d1", "d6", "d4", "d2"]),
        ("count + 1", ["d4", "d2", "d6", "d1", "d5"]),
    ],
)
def test_order(base: Base, text: str, expected: list[str]) -> None:
    tree = check(text, WORLD, "deal").tree
    rows = Rows(base.tables, "deal")
    key = to_sort_key(tree, rows, base.dialect, CONTEXT)
    query = sa.select(rows.root.c.id).select_from(rows.source).where(rows.root.c.amount.is_not(None)).order_by(key)
    order = list(base.connection.execute(query).scalars())
    assert order == expected


def test_keys_sort_as_numbers() -> None:
    chance = random.Random(3)
    numbers = [Decimal(chance.randint(-(10**6), 10**6)).scaleb(chance.randint(-12, 12)) for _ in range(2000)] + [
        Decimal(0)
    ]
    keys = {number: formula_sort_key(format(number, "f")) or "" for number in numbers}
    assert [keys[number] for number in sorted(numbers)] == sorted(keys[number] for number in numbers)
