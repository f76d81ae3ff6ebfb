"""Cursors: where a list goes on, as the sort values of its last record. Opaque to callers, checked like any input."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

from builder.fields.base import Field, Invalid
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import say

JSON = Any
_LENGTH = 8_000


def write_cursor(order: str, values: Sequence[JSON]) -> str:
    """Write a cursor for a list in this order."""
    return base64.urlsafe_b64encode(dump_json([_mark(order), *values])).decode().rstrip("=")


def read_cursor(cursor: str, order: str, fields: Sequence[Field]) -> tuple[Any, ...]:
    """Return the canonical sort values of a cursor.

    Raises:
        Problem: ``query.cursor`` if it is not one, or was made for another order.
    """
    try:
        if len(cursor) > _LENGTH:
            raise ValueError
        decoded = parse_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(decoded, list) or len(decoded) != len(fields) + 1 or decoded[0] != _mark(order):
            raise ValueError
        return tuple(
            None if value is None else field.coerce(value) for field, value in zip(fields, decoded[1:], strict=True)
        )
    except (ValueError, binascii.Error, Problem, Invalid):
        detail = say(
            "游标无效,或不属于此查询;请从第一页重新开始",
            "The cursor is not valid or belongs to another query; start from the first page",
        )
        raise Problem("query.cursor", detail) from None


def _mark(order: str) -> str:
    return hashlib.sha256(order.encode()).hexdigest()[:10]
