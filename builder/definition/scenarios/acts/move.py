"""``move``: somebody takes a record to its next stage."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import FieldKey, Name, PersonalAct, Values
from builder.fields.base import Key, Option, ShortText


class Move(PersonalAct):
    """Carry out a transition."""

    type: Literal["move"] = "move"
    record: Name
    transition: Key
    values: Values = Option(default_factory=dict)
    """Fields that are filled in with it."""
    reason: ShortText | None = None
    missing: tuple[FieldKey, ...] = ()
    """With ``refused``: fields that the to-do list has to name."""
