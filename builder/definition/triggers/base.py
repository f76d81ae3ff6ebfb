"""What triggers share."""

from __future__ import annotations

from typing import Annotated, Any

from builder.definition.actions.base import Pointer
from builder.fields.base import Key, Model, Option, Refers
from builder.kernel.limits import SETTINGS_PER_ACTION

OwnField = Annotated[Key, Refers("field", of="/entity")]


class TriggerModel(Model):
    """What starts an automation."""


class FromMessage(Model):
    """A field and the part of a message that it takes or is compared with."""

    field: OwnField
    at: Pointer | None = None
    """JSON pointer into the message."""
    value: Any = None
    """Or a constant."""


FromMessages = Annotated[tuple[FromMessage, ...], Option(max_length=SETTINGS_PER_ACTION)]
