"""``changed``: a record was changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from builder.definition.triggers.base import OwnField, TriggerModel
from builder.fields.base import Model, Option


class FieldChange(Model):
    """A change of one field."""

    field: OwnField
    was: Annotated[tuple[Any, ...], Option(max_length=100)] | None = None
    """Values as the API shows them, null for blank; any if left out."""
    becomes: Annotated[tuple[Any, ...], Option(max_length=100)] | None = None
    """Values as the API shows them, null for blank; any if left out."""


class Changed(TriggerModel):
    """A record was changed: in any of these ways, or in any way at all. Formulas may ask ``ISCHANGED`` and ``PRIORVALUE``."""

    type: Literal["changed"] = "changed"
    changes: Annotated[tuple[FieldChange, ...], Option(max_length=50)] = ()
