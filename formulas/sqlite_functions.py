"""Functions that SQLite lacks, registered on a connection that the caller has opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal


def unicode_lower(text: str | None) -> str | None:
    """Lower case by Unicode."""
    return None if text is None else text.lower()


def unicode_upper(text: str | None) -> str | None:
    """Upper case by Unicode."""
    return None if text is None else text.upper()


def formula_wide(value: int | None, scale: int) -> str | None:
    """A scaled integer as decimal text."""
    return None if value is None else format(Decimal(value).scaleb(-scale), "f")


def formula_compare(left: str | None, right: str | None) -> int | None:
    """-1, 0 or 1."""
    if left is None or right is None:
        return None
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)


FUNCTIONS: dict[str, tuple[int, Callable[..., str | int | None]]] = {
    "unicode_lower": (1, unicode_lower),
    "unicode_upper": (1, unicode_upper),
    "formula_wide": (2, formula_wide),
    "formula_compare": (2, formula_compare),
}


def install(connection: sqlite3.Connection) -> None:
    """Register every function that the SQL forms use, as deterministic."""
    for name, (arity, function) in FUNCTIONS.items():
        connection.create_function(name, arity, function, deterministic=True)
