"""``button``: somebody asked for it."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.triggers.base import TriggerModel
from builder.fields.base import BothLanguages, Key, Label, Option, ShortText


class Button(TriggerModel):
    """A button on the record. The automation's condition says for which records it can be pressed."""

    type: Literal["button"] = "button"
    label: Label
    roles: Annotated[tuple[Key, ...], Option(max_length=50)] = ()
    """Who may press it; everybody who may change the record if left out."""
    confirm: ShortText | BothLanguages | None = None
    """What is asked before."""
