"""What triggers share."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import model_validator

from builder.definition.actions.base import Pointer
from builder.fields.base import Key, Model, Option, Refers, wrong_option
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

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.at is None) == (self.value is None):
            raise wrong_option("请给出 at 或 value 其中之一", "Give either at or value")
        return self


class MessageTest(Model):
    """A part of a message that has to be one of these values."""

    at: Pointer
    among: Annotated[tuple[Any, ...], Option(min_length=1, max_length=100)]
    """Values as they stand in the message; null stands for what is not there, too."""


MessageTests = Annotated[tuple[MessageTest, ...], Option(max_length=20)]
FromMessages = Annotated[tuple[FromMessage, ...], Option(max_length=SETTINGS_PER_ACTION)]
