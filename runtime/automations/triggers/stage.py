"""``stage``: see ``builder/definition/triggers/stage.py``."""

from __future__ import annotations

from builder.definition.triggers.stage import StageMoved
from builder.kernel.text import say
from runtime.automations.triggers.base import OwnEntity
from runtime.records.seams import Fact


class StageMovedKind(OwnEntity):
    """A stage was entered, also with the creation of the record, or left."""

    model = StageMoved
    title = say("进入或离开阶段", "Stage entered or left")

    def fits(self, trigger: StageMoved, fact: Fact) -> bool:
        """Whether the write moved the record so."""
        if fact.deed == "deleted" or trigger.field not in fact.changed:
            return False
        was, now = fact.before.get(trigger.field), fact.after.get(trigger.field)
        return was != now and (now in trigger.entered or was in trigger.left)
