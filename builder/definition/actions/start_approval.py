"""``start_approval``: ask for an approval."""

from __future__ import annotations

from typing import Literal

from builder.definition.actions.base import RecordAction
from builder.fields.base import Key


class StartApproval(RecordAction):
    """Ask for an approval of the record."""

    type: Literal["start_approval"] = "start_approval"
    approval: Key
