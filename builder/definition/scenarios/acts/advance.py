"""``advance``: time passes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from builder.definition.scenarios.base import Act, LocalMoment
from builder.definition.spans import SpanText, read_span
from builder.fields.base import wrong_option


class Advance(Act):
    """Let time pass: everything that is due on the way happens at its moment."""

    type: Literal["advance"] = "advance"
    by: SpanText | None = None
    """``49 h``; working time is not an amount of time that can pass."""
    until: LocalMoment | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.by is None) == (self.until is None):
            raise wrong_option("请给出 by 或 until 其中之一", "Give either by or until")
        if self.by is not None and read_span(self.by).working:
            raise wrong_option("时间按钟表流逝,不能用工作时间", "Time passes by the clock, not in working time")
        return self
