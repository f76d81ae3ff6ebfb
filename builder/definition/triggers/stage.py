"""``stage``: a record entered or left a stage."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from builder.definition.triggers.base import OwnField, TriggerModel
from builder.fields.base import Option, wrong_option
from builder.fields.parts.choices import OptionKey

_Stages = Annotated[tuple[OptionKey, ...], Option(max_length=50)]


class StageMoved(TriggerModel):
    """A record entered one of these stages (also by being created in it), or left one."""

    type: Literal["stage"] = "stage"
    field: OwnField
    """The select field that holds the stage (or the node inside it)."""
    entered: _Stages = ()
    left: _Stages = ()

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.entered and not self.left:
            raise wrong_option("请给出 entered 或 left", "Give entered or left")
        return self
