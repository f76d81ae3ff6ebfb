"""``records``: related records there must be, or must not be, also within a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from builder.definition.guards.base import FieldPath, FormulaText, GuardModel, OwnPath
from builder.fields.base import Formula, Key, Option, Refers, wrong_option


class RecordsGuard(GuardModel):
    """Count the records of an entity that belong to this one, or share something with it; the record itself is never counted."""

    type: Literal["records"] = "records"
    entity: Annotated[Key, Refers("entity")]
    theirs: Annotated[Key, Refers("field", of="entity")]
    """Their field that has to be equal to …"""
    ours: OwnPath = "id"
    """… this path of the record: ``id`` for its children, ``customer`` for those of the same customer. Blank: there are none."""
    condition: Annotated[
        FormulaText | dict[str, Any] | None, Formula(of="entity", gives="boolean", in_database=True)
    ] = None
    """Which of them count."""
    within_hours: Annotated[int, Option(ge=1, le=87_600)] | None = None
    """Only those whose ``at`` is no longer ago than this."""
    at: Annotated[FieldPath, Refers("path", of="entity")] = "created_at"
    """Their field of time for ``within_hours``."""
    minimum: Annotated[int, Option(ge=0, le=10_000)] = 1
    maximum: Annotated[int, Option(ge=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise wrong_option(
                "maximum 不能小于 minimum(要求没有时请写 minimum: 0)",
                "maximum is below minimum; for none at all say minimum: 0",
            )
        return self
