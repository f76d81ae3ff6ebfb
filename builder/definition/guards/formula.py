"""``formula``: a condition over the record and what it is related to."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.guards.base import Condition, GuardModel, OwnField, Sentence
from builder.fields.base import Option


class FormulaGuard(GuardModel):
    """The record as it will be meets a condition."""

    type: Literal["formula"] = "formula"
    formula: Condition
    message: Sentence
    """What is missing and how to mend it; a formula cannot say that by itself."""
    fields: Annotated[tuple[OwnField, ...], Option(max_length=20)] = ()
    """The fields by which it is mended; those of the record that the formula reads, if left out."""
