"""Exact numbers beyond 64 bits on SQLite, and days of a zone: what its connections are taught for reports.

A sum is two integers, ``high * 10^9 + low``, so that no sum of 64-bit integers overflows. Where such a number (or a quotient) is sorted by or
compared, it becomes a *key*: a text whose order is the order of the numbers. Keys are made once a group, never once a record.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.store.types import StoredType

LOW = 10**9
PLACES = 10
"""Of a quotient, rounded half up."""
_KEY_PLACES = 50
_KEY_DIGITS = 155
_BIAS = 10**_KEY_DIGITS
_EXACT = Context(prec=700, rounding=ROUND_HALF_UP)


def number_key(number: Decimal) -> str:
    """Return a text that sorts as the number does; numbers have at most 50 digits behind the point."""
    return f"{int(_EXACT.scaleb(number, _KEY_PLACES)) + _BIAS:0{_KEY_DIGITS + 1}d}"


def quotient(numerator: int, denominator: int) -> int:
    """Return the quotient of whole numbers rounded half away from zero; the denominator is not zero."""
    whole, rest = divmod(abs(numerator), abs(denominator))
    whole += 2 * rest >= abs(denominator)
    return whole if (numerator < 0) == (denominator < 0) else -whole


def ratio(numerator: int, denominator: int, scale: int) -> Decimal:
    """Return ``numerator / 10^scale / denominator`` rounded half up to 10 places."""
    up = PLACES - scale
    top, bottom = (numerator * 10**up, denominator) if up >= 0 else (numerator, denominator * 10**-up)
    return _EXACT.scaleb(Decimal(quotient(top, bottom)), -PLACES)


def exact_key(high: int | None, low: int | None, scale: int) -> str | None:
    """Return the key of a sum (SQL function)."""
    if high is None or low is None:
        return None
    return number_key(_EXACT.scaleb(Decimal(high * LOW + low), -scale))


def ratio_key(high: int | None, low: int | None, by_high: int | None, by_low: int | None, scale: int) -> str | None:
    """Return the key of a quotient of two sums (SQL function); nothing by nothing is blank."""
    if high is None or low is None or by_high is None or by_low is None:
        return None
    by = by_high * LOW + by_low
    return number_key(ratio(high * LOW + low, by, scale)) if by else None


@lru_cache(maxsize=1 << 16)
def local_day(instant: str | None, zone: str) -> str | None:
    """Return the day in a zone of an instant, given as the beginning of its text from the hour on (SQL function)."""
    if instant is None:
        return None
    at = datetime.fromisoformat(instant + "0000-00-00T00:00:00"[len(instant) :]).replace(tzinfo=UTC)
    try:
        return at.astimezone(_zone(zone)).date().isoformat()
    except OverflowError:  # before the first or behind the last day there is
        return at.date().isoformat()


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def install(connection: sqlite3.Connection) -> None:
    """Teach a connection these functions."""
    connection.create_function("exact_key", 3, exact_key, deterministic=True)
    connection.create_function("ratio_key", 5, ratio_key, deterministic=True)
    connection.create_function("local_day", 2, local_day, deterministic=True)


class NumberKey(StoredType):
    """What an exact number is compared with: its key on SQLite, NUMERIC on PostgreSQL."""

    cache_ok = True

    def bind_sqlite(self, value: Any) -> Any:
        """The key."""
        return number_key(Decimal(value))

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """NUMERIC of any size."""
        return sa.Numeric()

    def bind_postgresql(self, value: Any) -> Any:
        """The number itself."""
        return Decimal(value)
