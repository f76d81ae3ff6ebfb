"""``record``: what a record is like."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from builder.definition.scenarios.base import Expectation, FormulaText, Name, Values
from builder.fields.base import Option, wrong_option


class Record(Expectation):
    """A record has these values, or meets a condition; or it is gone."""

    type: Literal["record"] = "record"
    record: Name
    values: Values = Option(default_factory=dict)
    where: FormulaText | None = None
    """A formula over its entity."""
    gone: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.values and self.where is None and not self.gone:
            raise wrong_option("请给出 values、where 或 gone", "Give values, where or gone")
        return self
