"""``changed``: see ``builder/definition/triggers/changed.py``."""

from __future__ import annotations

from typing import Any

from builder.definition.triggers.changed import Changed, FieldChange
from builder.kernel.text import say
from runtime.automations.triggers.base import OwnEntity
from runtime.records.seams import Fact
from runtime.records.values import same_json

JSON = Any


class ChangedKind(OwnEntity):
    """A change of one of the fields named, from and to the values named."""

    model = Changed
    title = say("修改记录", "Changed")

    def fits(self, trigger: Changed, fact: Fact) -> bool:
        """Whether it was such a change."""
        if fact.deed != "updated" or not fact.changed:
            return False
        return not trigger.changes or any(_is_change(change, fact) for change in trigger.changes)


def _is_change(change: FieldChange, fact: Fact) -> bool:
    key = change.field
    return (
        key in fact.changed
        and _is_among(fact.before.get(key), change.was)
        and _is_among(fact.after.get(key), change.becomes)
    )


def _is_among(value: JSON, allowed: tuple[JSON, ...] | None) -> bool:
    return allowed is None or any(same_json(value, item) for item in allowed)
