"""``all_done``: see ``builder/definition/triggers/all_done.py``."""

from __future__ import annotations

from typing import Any

from builder.definition.automation import Automation
from builder.definition.triggers.all_done import AllDone
from builder.fields.children import ChildrenField
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.ports import Ports
from runtime.expressions.finding import find_ids
from runtime.expressions.prepared import Subject
from runtime.records.holding import hold_record
from runtime.records.seams import Fact
from runtime.records.writer import Writing

JSON = Any


class AllDoneKind:
    """The parent is held before its children are counted: of two that finish together the second sees the first."""

    model = AllDone
    title = say("子记录全部完成", "All children done")

    def watches(self, automation: Automation, trigger: AllDone) -> str | None:
        """The children's entity."""
        return trigger.entity

    def find(
        self, w: Writing, ports: Ports, automation: Automation, trigger: AllDone, fact: Fact
    ) -> Unit[Subject | None]:
        """The parent, if this write finished the last child."""
        parent = w.app.entities[automation.entity]
        relation = parent.fields.get(trigger.relation)
        if not isinstance(relation, ChildrenField) or not (yield from _finished(w, ports, trigger, fact)):
            return None
        parent_id = (fact.before if fact.deed == "deleted" else fact.after).get(relation.via)
        if parent_id is None:
            return None
        try:
            held = yield from hold_record(w, parent, str(parent_id))
        except Problem:  # it goes with its children
            return None
        child = w.app.entities[trigger.entity]
        equal = {relation.via: str(parent_id)}
        if (yield from find_ids(w, child, equal, f"NOT(COALESCE({trigger.done}, FALSE))", 1)):
            return None
        if not (yield from find_ids(w, child, equal, None, 1)):
            return None
        return Subject(parent, str(parent_id), held.shown)


def _finished(w: Writing, ports: Ports, trigger: AllDone, fact: Fact) -> Unit[bool]:
    """Whether the write made an open child a done one, or took it away."""
    holds = ports.expressions.holds
    if fact.before and (yield from holds(w, Subject(fact.entity, fact.record_id, fact.before), trigger.done)):
        return False
    if fact.deed == "deleted":
        return True
    return (yield from holds(w, Subject(fact.entity, fact.record_id, fact.after), trigger.done))
