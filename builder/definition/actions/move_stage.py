"""``move_stage``: carry out a transition of a pipeline."""

from __future__ import annotations

from typing import Literal

from builder.definition.actions.base import RecordAction, Wording
from builder.fields.base import Key


class MoveStage(RecordAction):
    """Carry out a transition of the record's pipeline; its guards are asked as always."""

    type: Literal["move_stage"] = "move_stage"
    transition: Key
    reason: Wording | None = None
    """What occasions it if left out: the comment of an answer, the name of the automation, reminder or transition."""
