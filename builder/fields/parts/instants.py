"""Instants: what datetime, created_at and updated_at share. Source: RFC 3339; milliseconds are what JavaScript can represent (decision 0001)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from builder.fields.base import JSON, Field, Invalid, expect_text
from builder.kernel.clock import cut_to_milliseconds, instant_text
from builder.kernel.text import say
from formulas.types import DATETIME, Type

_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_RFC_3339 = re.compile(
    rf"(\d{{4}}-\d{{2}}-\d{{2}})[Tt ]({_CLOCK}:[0-5]\d)(?:\.(\d{{1,30}}))?([Zz]|[+-]{_CLOCK})?\Z", re.ASCII
)
_SQL_FORMAT = '\'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\''


class InstantField(Field):
    """An instant, given with its offset from UTC, kept in UTC and cut to milliseconds."""

    def coerce(self, value: JSON) -> datetime | None:
        """Take RFC 3339 text; without an offset nobody knows which instant is meant."""
        text = expect_text(value).strip()
        if not text:
            return None
        found = _RFC_3339.match(text)
        if found is None:
            raise _refused()
        day, clock, fraction, offset = found.groups()
        if offset is None:
            raise Invalid(
                "offset",
                say(
                    f"缺少时区,请写成 {day}T{clock}+08:00 或以 Z 结尾",
                    f"The offset from UTC is missing; write {day}T{clock}+08:00 or end with Z",
                ),
            )
        zone = "+00:00" if offset in "Zz" else offset
        try:
            # digits beyond microseconds are cut here, those beyond milliseconds below: both round down
            at = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise _refused() from None
        return cut_to_milliseconds(at)

    def to_json(self, value: Any) -> JSON:
        """UTC with milliseconds: ``2026-11-22T12:44:00.000Z``."""
        return instant_text(value)

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The same text on both: SQLite stores it, PostgreSQL writes it."""
        if dialect == "sqlite":
            return column
        utc = sa.func.timezone(sa.literal_column("'UTC'"), column)
        return sa.func.to_char(utc, sa.literal_column(_SQL_FORMAT))

    def formula_type(self) -> Type:
        """Date and time."""
        return DATETIME

    def value_schema(self) -> dict[str, Any]:
        """An RFC 3339 date-time."""
        return {"type": "string", "format": "date-time"}


def _refused() -> Invalid:
    return Invalid(
        "datetime",
        say(
            "日期时间有误,应形如 2026-11-22T20:44:00+08:00",
            "Not a date and time; expected a form like 2026-11-22T20:44:00+08:00",
        ),
    )
