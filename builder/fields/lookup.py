"""``lookup``: a field of a related record, shown here. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from builder.fields.parts.computed import ComputedField
from builder.kernel.text import say


class LookupField(ComputedField):
    """The value at the end of a path over to-one relations, such as ``customer.level``."""

    title = say("引用字段", "Lookup")

    type: Literal["lookup"] = "lookup"
    path: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){1,4}$")]
    """Reference fields and, last, the field to show, joined by dots."""

    def expression(self) -> str:
        """The path is a formula already."""
        return self.path

    def origin(self, at: tuple[int, int]) -> tuple[str, int | None]:
        """The path is all there is."""
        return "path", at[0]
