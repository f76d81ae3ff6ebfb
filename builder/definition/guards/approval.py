"""``approval``: the record has been approved."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.guards.base import GuardModel
from builder.fields.base import Key, Refers


class ApprovalGuard(GuardModel):
    """The latest approval of this kind was given, and nothing it covers has changed since."""

    type: Literal["approval"] = "approval"
    approval: Annotated[Key, Refers("approvals")]
