"""Batches on every back end, and answers in the short form that examples and vectors use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from formulas.batch import BACKENDS, Batch
from formulas.errors import CellError, FormulaErrors
from formulas.literals import write_value
from formulas.schema import Context
from tests.unit.formulas.world import CONTEXT, POSTGRES

__all__ = ["BACKENDS", "answer", "open_batch", "same"]


def open_batch(backend: str, context: Context = CONTEXT) -> Batch:
    return Batch(backend, context, POSTGRES)


def answer(batch: Batch, expression: str, fields: dict[str, Any] | None = None) -> Any:
    """The JSON value, or the kind of the error as `#DIV0`."""
    found = batch.answer(expression, fields or {})
    if "error" in found:
        return "#" + found["error"]["kind"]
    return short(found["value"])


def short(value: Any) -> Any:
    if isinstance(value, FormulaErrors | CellError):
        return "#" + (value.kind if isinstance(value, CellError) else value.errors[0].kind)
    if isinstance(value, tuple):
        return [short(item) for item in value]
    name = {"date": "date", "datetime": "datetime"}.get(type(value).__name__)
    return {name: write_value(value)} if name else write_value(value)


def same(found: Any, expected: Any) -> bool:
    """Equal as JSON: 2 and 2.0 are, 1 and true are not."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | Decimal) and isinstance(expected, int | float | str):
        return found == Decimal(str(expected))
    return bool(found == expected)
