"""Lengths of time as documents write them: ``24 h``, ``3 working days``, ``30 min``."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import StringConstraints

from builder.kernel.text import Text, say

SPAN_PATTERN = r"^(0|[1-9][0-9]{0,5}) ?(working )?(min|minutes?|h|hours?|d|days?|w|weeks?)$"
SpanText = Annotated[str, StringConstraints(pattern=SPAN_PATTERN)]
"""A whole number and a unit; with ``working`` in front of the unit it is counted in the working calendar."""

_SPAN = re.compile(SPAN_PATTERN)
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_ZH = {"m": "分钟", "h": "小时", "d": "天", "w": "周"}
_EN = {"m": "minute", "h": "hour", "d": "day", "w": "week"}


class Span(NamedTuple):
    """A length of time."""

    amount: int
    unit: Literal["m", "h", "d", "w"]
    working: bool

    @property
    def length(self) -> timedelta:
        """The length by the clock; of working days and weeks it means nothing."""
        return timedelta(seconds=self.amount * _SECONDS[self.unit])

    @property
    def in_days(self) -> bool:
        """Whether days are counted rather than time."""
        return self.unit in ("d", "w")

    @property
    def days(self) -> int:
        """Days; a working week has five of them."""
        return self.amount * (1 if self.unit == "d" else 5 if self.working else 7)

    def words(self) -> Text:
        """Say it, in the largest unit that it fills."""
        if self.unit == "m" and not self.working and self.amount and self.amount % 60 == 0:
            hours = self.amount // 60
            whole = hours % 24 == 0
            return Span(hours // 24 if whole else hours, "d" if whole else "h", working=False).words()
        zh = "日" if self.working and self.unit == "d" else _ZH[self.unit]
        en = f"{self.amount} {'working ' if self.working else ''}{_EN[self.unit]}{'' if self.amount == 1 else 's'}"
        return say(f"{self.amount} {'个工作' if self.working else ''}{zh}", en)


@lru_cache(maxsize=1_024)  # a reminder reads its own with every timer
def read_span(text: str) -> Span:
    """Read a length of time.

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.match(text)
    if found is None:
        raise ValueError(text)
    unit: Literal["m", "h", "d", "w"] = found[3][0]  # type: ignore[assignment] # the pattern allows no other
    return Span(int(found[1]), unit, found[2] is not None)
