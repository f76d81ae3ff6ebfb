"""``created``: see ``builder/definition/triggers/created.py``."""

from __future__ import annotations

from builder.definition.triggers.created import Created
from builder.kernel.text import say
from runtime.automations.triggers.base import OwnEntity
from runtime.records.seams import Fact


class CreatedKind(OwnEntity):
    """Any creation."""

    model = Created
    title = say("新建记录", "Created")

    def fits(self, trigger: Created, fact: Fact) -> bool:
        """Whether it was a creation."""
        return fact.deed == "created" and fact.caller.door != "restore"
