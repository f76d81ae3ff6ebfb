"""``time``: a time of day, without date and zone. Source: RFC 3339 partial-time; whole seconds."""

from __future__ import annotations

import re
from datetime import time
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, expect_text, wrong_option
from builder.fields.parts.numbers import check_bounds, check_range
from builder.kernel.text import say
from builder.store.types import DayTime, StoredType
from formulas.types import TIME, Type

_ISO = re.compile(r"\d{2}:\d{2}(:\d{2})?\Z", re.ASCII)
_CELL = re.compile(
    r"(上午|下午|AM|PM)?\s*(\d{1,2})(?:[:：]|时|点)(\d{1,2})(?:(?:[:：]|分)(\d{1,2}))?[分秒]?\s*(AM|PM)?\Z", re.I
)
_NOON = 12


class TimeField(Field):
    """A time from 00:00:00 to 23:59:59."""

    title = say("时间", "Time")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("14:30", "14:30:00"),
                (" 00:00:00 ", "00:00:00"),
                ("23:59:59", "23:59:59"),
                ("", None),
            ),
            (
                ("24:00", "time"),
                ("23:59:60", "time"),
                ("9:30", "time"),
                ("09:30:00.5", "time"),
                ("09:30Z", "time"),
                ("09:30+08:00", "time"),
                ("0930", "time"),
                ("now", "time"),
                ("０９:30", "time"),
                ("09:30\x00", "time"),
                ("09:30'; --", "time"),
                (930, "type"),
                (True, "type"),
                ([], "type"),
            ),
        ),
        FieldSample(
            {"minimum": "09:00:00", "maximum": "18:00:00"},
            (("09:00", "09:00:00"), ("18:00:00", "18:00:00")),
            (("08:59:59", "minimum"), ("18:00:01", "maximum")),
        ),
    )

    type: Literal["time"] = "time"
    minimum: time | None = None
    """The earliest time allowed."""
    maximum: time | None = None
    """The latest time allowed."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        for bound in (self.minimum, self.maximum):
            if bound is not None and (bound.tzinfo is not None or bound.microsecond):
                raise wrong_option(
                    "界限不带时区,也不带秒的小数", "a bound has neither an offset nor fractions of a second"
                )
        check_bounds(self.minimum, self.maximum)
        return self

    def column_type(self) -> StoredType:
        """A time."""
        return DayTime()

    def coerce(self, value: JSON) -> time | None:
        """Take ``HH:MM`` or ``HH:MM:SS``."""
        text = expect_text(value).strip()
        if not text:
            return None
        try:
            at = time.fromisoformat(text) if _ISO.match(text) else None
        except ValueError:
            at = None
        if at is None:
            raise Invalid("time", say("时间有误,应形如 14:30", "Not a time of day; expected a form like 14:30"))
        check_range(at, self.minimum, self.maximum)
        return at

    def to_json(self, value: Any) -> JSON:
        """``HH:MM:SS``."""
        return value.isoformat("seconds")

    def from_text(self, text: str) -> JSON:
        """Read ``9:30``, ``9：30``, ``下午2:30``, ``2:30 PM`` or ``9时30分``."""
        found = _CELL.match(text.strip())
        if found is None:
            return text
        half = (found[1] or found[5] or "").upper()
        hour = int(found[2])
        if half in ("下午", "PM") and hour < _NOON:
            hour += _NOON
        elif half in ("上午", "AM") and hour == _NOON:
            hour = 0
        return f"{hour:02d}:{int(found[3]):02d}:{int(found[4] or 0):02d}"

    def formula_type(self) -> Type:
        """A time of day."""
        return TIME

    def value_schema(self) -> dict[str, Any]:
        """A time of day in local clock time."""
        return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"}
