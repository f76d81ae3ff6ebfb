"""``records``: how many records there are."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.scenarios.base import Expectation, FormulaText, Name
from builder.fields.base import Formula, Key, Option, Refers


class Records(Expectation):
    """So many records of an entity meet a condition."""

    type: Literal["records"] = "records"
    entity: Annotated[Key, Refers("entity")]
    where: Annotated[FormulaText | None, Formula(of="entity", gives="boolean")] = None
    by: Name | None = None
    """As this person sees them; all there are if left out."""
    count: Annotated[int, Option(ge=0, le=100_000)]
    name: Name | None = None
    """With a count of 1: ``@name`` means its id from here on."""
