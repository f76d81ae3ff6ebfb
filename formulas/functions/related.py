"""Aggregates over the rows of a relation, as the record back end computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulas.functions.aggregates import (
    average_of,
    count_unique,
    count_values,
    geometric,
    max_of,
    median_of,
    min_of,
    numbers,
    product_of,
    root,
    rounded,
    sum_of,
    variance,
)
from formulas.functions.declare import first_error
from formulas.tree import Rollup
from formulas.values import LIST_LIMIT, TEXT_LIMIT, TOO_LONG, display


def _row_exists(found: list[tuple[Any, ...]]) -> bool:
    return bool(found)


def _joined(found: list[tuple[Any, ...]]) -> Any:
    """TEXTJOIN: value, separator, whether blanks are left out."""
    if not found:
        return ""
    parts = [display(row[0]) for row in found if not (row[2] and row[0] in (None, ""))]
    text = (found[0][1] or "").join(parts)
    return text if len(text) <= TEXT_LIMIT else TOO_LONG


def _extreme(found: list[tuple[Any, ...]], last: bool) -> Any:
    """FIRST and LAST by an order; rows without an order do not count, and equals keep the order of the rows."""
    rows = [row for row in found if row[1] is not None]
    if not rows:
        return None
    pick = (
        max(range(len(rows)), key=lambda n: (rows[n][1], n))
        if last
        else min(range(len(rows)), key=lambda n: (rows[n][1], n))
    )
    return rows[pick][0]


_ROLLUPS: dict[str, Callable[[list[tuple[Any, ...]]], Any]] = {
    "EXISTS": _row_exists,
    "TEXTJOIN": _joined,
    "FIRST": lambda found: _extreme(found, last=False),
    "LAST": lambda found: _extreme(found, last=True),
    "COUNT": len,
    "UNIQUE": lambda found: tuple(sorted({row[0] for row in found if row[0] is not None})),
}
_PLAIN = {
    "SUM": sum_of,
    "AVERAGE": average_of,
    "MIN": min_of,
    "MAX": max_of,
    "COUNTA": count_values,
    "COUNTUNIQUE": count_unique,
    "MEDIAN": median_of,
    "PRODUCT": product_of,
    "VAR.S": lambda *a: rounded(variance(numbers(a), 1)),
    "VAR.P": lambda *a: rounded(variance(numbers(a), 0)),
    "STDEV.S": lambda *a: root(variance(numbers(a), 1)),
    "STDEV.P": lambda *a: root(variance(numbers(a), 0)),
    "GEOMEAN": lambda *a: geometric(numbers(a)),
}


def run_rollup(tree: Rollup, found: list[tuple[Any, ...]]) -> Any:
    """The result over related rows, each given as its value followed by the options."""
    error = first_error([value for row in found for value in row])
    if error is not None:
        return error
    if tree.function == "COUNT" and tree.value is not None:
        return sum(row[0] is not None for row in found)
    if tree.function in _ROLLUPS:
        result = _ROLLUPS[tree.function](found)
        return TOO_LONG if isinstance(result, tuple) and len(result) > LIST_LIMIT else result
    return _PLAIN[tree.function](*(row[0] for row in found))
