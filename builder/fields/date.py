"""``date``: a day of the calendar, without time and zone. Source: ISO 8601 / RFC 3339 full-date."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, expect_text
from builder.fields.parts.numbers import check_bounds, check_range
from builder.kernel.text import say
from builder.store.types import Day, StoredType
from formulas.types import DATE, Type

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
# what spreadsheets write; a time of midnight is what they add to a plain date
_CELL = re.compile(r"(\d{4})(?:[-/.]|年)(\d{1,2})(?:[-/.]|月)(\d{1,2})日?(?:[ T]0?0:00(?::00(?:\.0+)?)?)?\Z", re.ASCII)


class DateField(Field):
    """A day from 0001-01-01 to 9999-12-31."""

    title = say("日期", "Date")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("2026-11-22", "2026-11-22"),
                (" 2024-02-29 ", "2024-02-29"),
                ("0001-01-01", "0001-01-01"),
                ("9999-12-31", "9999-12-31"),
                ("", None),
            ),
            (
                ("2025-02-29", "date"),
                ("2026-13-01", "date"),
                ("0000-01-01", "date"),
                ("10000-01-01", "date"),
                ("2026-1-5", "date"),
                ("20261122", "date"),
                ("2026-W47-7", "date"),
                ("2026-11-22T00:00:00Z", "date"),
                ("２０２６-11-22", "date"),
                ("today", "date"),
                ("-infinity", "date"),
                ("2026-11-22'; --", "date"),
                ("\u202e2026-11-22", "date"),
                ("2026-11-\x0022", "date"),
                (20261122, "type"),
                (True, "type"),
                ([], "type"),
            ),
        ),
        FieldSample(
            {"minimum": "2020-01-01", "maximum": "2030-12-31"},
            (("2020-01-01", "2020-01-01"), ("2030-12-31", "2030-12-31")),
            (("2019-12-31", "minimum"), ("2031-01-01", "maximum")),
        ),
    )

    type: Literal["date"] = "date"
    minimum: date | None = None
    """The earliest day allowed."""
    maximum: date | None = None
    """The latest day allowed."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        check_bounds(self.minimum, self.maximum)
        return self

    def column_type(self) -> StoredType:
        """A date."""
        return Day()

    def coerce(self, value: JSON) -> date | None:
        """Take ``YYYY-MM-DD``."""
        text = expect_text(value).strip()
        if not text:
            return None
        try:
            day = date.fromisoformat(text) if _ISO.match(text) else None
        except ValueError:
            day = None
        if day is None:
            raise Invalid(
                "date", say("日期有误,应形如 2026-11-22", "Not a date of the calendar; expected a form like 2026-11-22")
            )
        check_range(day, self.minimum, self.maximum)
        return day

    def to_json(self, value: Any) -> JSON:
        """``YYYY-MM-DD``."""
        return value.isoformat()

    def from_text(self, text: str) -> JSON:
        """Read ``2026-3-5``, ``2026/3/5``, ``2026.3.5`` or ``2026年3月5日``."""
        found = _CELL.match(text.strip())
        return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else text

    def formula_type(self) -> Type:
        """A date."""
        return DATE

    def value_schema(self) -> dict[str, Any]:
        """A full date."""
        return {"type": "string", "format": "date"}
