"""Numbers around the bounds of 64-bit integers and of a stored column: sorted and stored as Python has them on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from formulas.batch_sql import from_sql
from formulas.checker import check
from formulas.sql import Dialect, to_sort_key, to_stored
from formulas.types import Type, decimal
from tests.property.formulas.differential import FIELDS as KEYS
from tests.property.formulas.differential import Fields, Table
from tests.property.formulas.test_near import in_python
from tests.unit.formulas.world import CONTEXT

FIELDS = Fields()
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
#: Cents and pieces whose product is around 10^18, 9 * 10^18 and 2^63, small ones, and blanks.
_CENTS = (None, 0, 1, 999, 9_000, 10**9, 9_000_000_001, 9_223_372_037, 10**11, 10**13, 10**14 - 1)
_PIECES = (None, 0, 1, 7, 89_999, 90_000, 90_001, 99_999_999, 10**8, 922_337_203, 10**9 - 1)


def rows() -> Iterator[dict[str, Any]]:
    """Every pair, and each with the signs turned."""
    nothing = dict.fromkeys(KEYS)
    for cents in _CENTS:
        for pieces in _PIECES:
            for sign in (1, -1):
                money = None if cents is None else Decimal(cents * sign).scaleb(-2)
                big = None if money is None else money * 10_000
                yield {**nothing, "money": money, "big": big, "count": pieces}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["money * count", "big * count", "count * money * 3", "money * count * 1.13"])
def test_order(dialect: Dialect, text: str) -> None:
    tree, given = check(text, FIELDS, "rows").tree, list(rows())
    values = in_python(tree, given)
    with closing(Table(dialect, given)) as table:
        query = sa.select(table.table.c.id).order_by(to_sort_key(tree, table, dialect, CONTEXT), table.table.c.id)
        found = [values[at] for at in table.connection.execute(query).scalars()]
    if dialect == "sqlite":  # below -9 * 10^18 the first 15 digits decide
        found, values = ([_coarse(each) for each in listed] for listed in (found, values))
    assert found == sorted(values)


def _coarse(value: Decimal | int) -> Decimal:
    return Decimal(value) if value > -(10**15) else Decimal(f"{value:.12E}")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("type_", [decimal(2, 18), decimal(4, 18), decimal(0, 15), decimal(1, 12)])
@pytest.mark.parametrize(
    "text", ["money * count", "big * count", "ROUND(money * count, 1)", "ROUND(big * count * 1.13, 2)"]
)
def test_stored(dialect: Dialect, text: str, type_: Type) -> None:
    tree, given = check(text, FIELDS, "rows").tree, list(rows())
    with closing(Table(dialect, given)) as table:
        stored = to_stored(tree, type_, table, dialect, CONTEXT)
        found = table.connection.execute(sa.select(stored).order_by(table.table.c.id)).scalars().all()
    kept = [None if each is None else _as_decimal(each, dialect, type_) for each in found]
    assert kept == [_fit(each, type_) for each in in_python(tree, given)]


def _as_decimal(value: Any, dialect: Dialect, type_: Type) -> Decimal:
    if dialect == "sqlite" and isinstance(value, int):
        return Decimal(value).scaleb(-type_.scale)
    return Decimal(from_sql(value, type_))


def _fit(value: Decimal | int, type_: Type) -> Decimal | None:
    """As a column of the type has it, or nothing where it has more digits."""
    number, most = Decimal(value), Decimal(f"1E{type_.digits - type_.scale}")
    if abs(number) >= most:
        return None
    rounded = number.quantize(Decimal(1).scaleb(-type_.scale), ROUND_HALF_UP)
    return rounded if abs(rounded) < most else None
