"""``created``: a record was created."""

from __future__ import annotations

from typing import Literal

from builder.definition.triggers.base import TriggerModel


class Created(TriggerModel):
    """A record was created, through whatever door."""

    type: Literal["created"] = "created"
