"""``rollup``: a sum, count or other aggregate over the records of a children field. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.fields.base import Key, Refers, wrong_option
from builder.fields.parts.computed import ComputedField, FormulaText
from builder.kernel.text import say

_WITHOUT_VALUE = frozenset({"count", "exists"})


class RollupField(ComputedField):
    """An aggregate over related records, with a condition on them."""

    title = say("汇总", "Rollup")

    type: Literal["rollup"] = "rollup"
    relation: Annotated[Key, Refers("field", of=".")]
    """The children field whose records are aggregated."""
    function: Literal["sum", "count", "average", "min", "max", "exists", "count_unique"]
    """How the related records become one value."""
    value: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """The field of the related records, a path from it, or a formula over them; none for count and exists."""
    condition: FormulaText | None = None
    """Which related records count: a formula over the related record; ``this.`` leads back here."""

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        if (self.value is None) != (self.function in _WITHOUT_VALUE):
            takes = ("不带 value", "no value") if self.function in _WITHOUT_VALUE else ("需要 value", "a value")
            raise wrong_option(f"{self.function} {takes[0]}", f"{self.function} takes {takes[1]}")
        return self

    def expression(self) -> str:
        """The rollup as a formula."""
        return "".join(text for _, text in self._pieces()) + ")"

    def origin(self, at: tuple[int, int]) -> tuple[str, int | None]:
        """The member in which the place ends: a type is wrong of `orders.name` because of its last part."""
        begin, member, since = 0, "relation", 0
        for name, text in self._pieces():
            if name and begin < at[1]:
                member, since = name, begin
            begin += len(text)
        return member, at[0] - since if member != "relation" and at[0] >= since else None

    def _pieces(self) -> list[tuple[str, str]]:
        """The formula piece by piece, each with the member it comes from; empty for what none says."""
        name = {"count_unique": "COUNTUNIQUE"}.get(self.function, self.function.upper())
        pieces = [("", f"{name}("), ("relation", self.relation)]
        pieces += [] if self.value is None else [("", "."), ("value", self.value)]
        return pieces if self.condition is None else [*pieces, ("", ", "), ("condition", self.condition)]
