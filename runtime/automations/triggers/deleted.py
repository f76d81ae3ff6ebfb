"""``deleted``: see ``builder/definition/triggers/deleted.py``."""

from __future__ import annotations

from builder.definition.triggers.deleted import Deleted
from builder.kernel.text import say
from runtime.automations.triggers.base import OwnEntity
from runtime.records.seams import Fact


class DeletedKind(OwnEntity):
    """Any deletion."""

    model = Deleted
    title = say("删除记录", "Deleted")

    def fits(self, trigger: Deleted, fact: Fact) -> bool:
        """Whether it was a deletion."""
        return fact.deed == "deleted"
