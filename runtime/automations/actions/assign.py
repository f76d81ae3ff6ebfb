"""``assign``: see ``builder/definition/actions/assign.py``."""

from __future__ import annotations

from builder.definition.actions.assign import Assign
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, missing_port
from runtime.records.holding import hold_record


class AssignKind:
    """Lets an assignment rule choose."""

    model = Assign

    def carry_out(self, o: Occasion, action: Assign, key: str) -> Unit[Outcome]:
        """Choose, write and keep the decision."""
        if o.ports.assigner is None:
            raise missing_port("分配规则", "assignment rules")
        chosen = yield from o.ports.assigner.assign(o.w, o.subject, action.rule)
        o.saw((yield from hold_record(o.w, o.entity, o.subject.record_id)).shown)
        return Outcome("done", chosen.text, ((o.entity.key, o.subject.record_id),) if chosen.user_id else ())
