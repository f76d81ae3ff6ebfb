"""Cursors: where a list goes on, as the sort values of its last record. Opaque to callers, checked like any input.

A cursor holds the JSON array of the values as the database wrote it, behind a mark of that text and of the order it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from builder.kernel.canonical import parse_json
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.types import Identifier
from formulas.literals import WrongValueError, read_value

JSON = Any
_LENGTH = 40_000
_MARK_BYTES = 8


def write_cursor(order: str, values: str) -> str:
    """Write a cursor for a list in this order; ``values`` is a JSON array."""
    body = values.encode()
    return base64.urlsafe_b64encode(_mark(order, body) + body).decode().rstrip("=")


def read_cursor(cursor: str, order: str, fields: Sequence[Field]) -> tuple[Any, ...]:
    """Return the canonical sort values of a cursor.

    Raises:
        Problem: ``query.cursor`` if it is not one, or was made for another order.
    """
    try:
        if len(cursor) > _LENGTH:
            raise ValueError
        decoded = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mark, body = decoded[:_MARK_BYTES], decoded[_MARK_BYTES:]
        if mark != _mark(order, body):
            raise ValueError
        values = parse_json(body)
        if not isinstance(values, list) or len(values) != len(fields):
            raise ValueError
        return tuple(_read(value, field) for value, field in zip(values, fields, strict=True))
    except (ValueError, binascii.Error, Problem, WrongValueError):
        detail = say(
            "游标无效,或不属于此查询;请从第一页重新开始",
            "The cursor is not valid or belongs to another query; start from the first page",
        )
        raise Problem("query.cursor", detail) from None


def _read(given: JSON, field: Field) -> Any:
    """Read a value by its type alone: a record may break a rule that is newer, and the list goes on behind it all the same."""
    if isinstance(field, ComputedField):
        field = field.shape
    kind = replace(field.formula_type(), options=())
    value = read_value(given, kind)
    if value is None:
        return None
    if isinstance(field.column_type(), Identifier):
        return _known(find_uuid(value))
    if isinstance(value, Decimal) and value.adjusted() >= kind.digits - kind.scale:
        raise ValueError
    return value


def _known(identifier: str | None) -> str:
    if identifier is None:
        raise ValueError
    return identifier


def _mark(order: str, body: bytes) -> bytes:
    return hashlib.sha256(order.encode() + b"\0" + body).digest()[:_MARK_BYTES]
