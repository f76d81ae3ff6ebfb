"""``deleted``: a record was deleted."""

from __future__ import annotations

from typing import Literal

from builder.definition.triggers.base import TriggerModel


class Deleted(TriggerModel):
    """A record was deleted; formulas see it as it was, without its relations."""

    type: Literal["deleted"] = "deleted"
