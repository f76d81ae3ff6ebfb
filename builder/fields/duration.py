"""``duration``: a length of time in whole seconds. Source: DESIGN 5; how formulas show one: formulas/values.py."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, wrong_type
from builder.fields.parts.numbers import check_bounds, check_range, read_number
from builder.kernel.limits import DURATION_SECONDS
from builder.kernel.text import say
from builder.store.types import Span, StoredType
from formulas.types import DURATION, Type

_CLOCK = re.compile(r"(-?)(\d{1,8}):([0-5]?\d)(?::([0-5]?\d))?\Z", re.ASCII)
_UNITS = re.compile(
    r"(?:(\d{1,6})\s*(?:天|日|d(?:ays?)?))?\s*(?:(\d{1,8})\s*(?:小时|时|h(?:ours?)?))?\s*"
    r"(?:(\d{1,9})\s*(?:分钟|分|m(?:in(?:utes?)?)?))?\s*(?:(\d{1,11})\s*(?:秒|s(?:ec(?:onds?)?)?))?\Z",
    re.ASCII | re.IGNORECASE,
)


class DurationField(Field):
    """A length of time; in JSON its seconds."""

    title = say("时长", "Duration")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            ((0, 0), (5400, 5400), ("90", 90), ("", None), (DURATION_SECONDS, DURATION_SECONDS)),
            (
                (-1, "minimum"),
                (DURATION_SECONDS + 1, "maximum"),
                (10**400, "maximum"),
                ("1.5", "integer"),
                ("PT1H", "type"),
                (True, "type"),
                ([60], "type"),
            ),
        ),
        FieldSample({"minimum": -60, "maximum": 60}, ((-60, -60), (60, 60)), ((-61, "minimum"), (61, "maximum"))),
    )

    type: Literal["duration"] = "duration"
    minimum: Annotated[int, Option(ge=-DURATION_SECONDS, le=DURATION_SECONDS)] = 0
    """The shortest length allowed, in seconds."""
    maximum: Annotated[int, Option(ge=-DURATION_SECONDS, le=DURATION_SECONDS)] = DURATION_SECONDS
    """The longest length allowed, in seconds."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        check_bounds(self.minimum, self.maximum)
        return self

    def column_type(self) -> StoredType:
        """Seconds."""
        return Span()

    def coerce(self, value: JSON) -> timedelta | None:
        """Take whole seconds."""
        try:
            seconds = read_number(value)
        except Invalid:
            raise wrong_type(
                say("整秒数,如 5400 表示一个半小时", "whole seconds, such as 5400 for an hour and a half")
            ) from None
        if seconds is None:
            return None
        check_range(seconds, self.minimum, self.maximum, unit=say(" 秒", " seconds"))
        if seconds != int(seconds):
            raise Invalid("integer", say("时长以整秒计", "A duration is given in whole seconds"))
        return timedelta(seconds=int(seconds))

    def to_json(self, value: Any) -> JSON:
        """Seconds."""
        return value // timedelta(seconds=1)

    def from_text(self, text: str) -> JSON:
        """Read ``49:30``, ``49:30:00`` (hours first), ``1天2小时``, ``1h 30m`` or seconds."""
        bare = text.strip()
        clock = _CLOCK.match(bare)
        if clock:
            seconds = int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4] or 0)
            return -seconds if clock[1] else seconds
        units = _UNITS.match(bare)
        if units and any(units.groups()):
            days, hours, minutes, rest = (int(part or 0) for part in units.groups())
            return ((days * 24 + hours) * 60 + minutes) * 60 + rest
        return bare

    def to_text(self, value: Any) -> str:
        """``49:30:00``."""
        seconds = abs(self.to_json(value))
        sign = "-" if value < timedelta(0) else ""
        return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def formula_type(self) -> Type:
        """A duration."""
        return DURATION

    def value_schema(self) -> dict[str, Any]:
        """Seconds."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
