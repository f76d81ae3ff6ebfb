"""``required``: fields that must not be blank."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.guards.base import GuardModel, OwnField
from builder.fields.base import Option


class RequiredGuard(GuardModel):
    """Fields of the record that must not be blank."""

    type: Literal["required"] = "required"
    fields: Annotated[tuple[OwnField, ...], Option(min_length=1, max_length=50)]
