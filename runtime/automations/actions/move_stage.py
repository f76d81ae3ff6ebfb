"""``move_stage``: see ``builder/definition/actions/move_stage.py``."""

from __future__ import annotations

from builder.definition.actions.move_stage import MoveStage
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, missing_port
from runtime.records.holding import hold_record


class MoveStageKind:
    """Carries out a transition, guards and all."""

    model = MoveStage

    def carry_out(self, o: Occasion, action: MoveStage, key: str) -> Unit[Outcome]:
        """Move the record."""
        if o.ports.stages is None:
            raise missing_port("流程阶段", "pipelines")
        reason = o.because if action.reason is None else (yield from o.render(action.reason))
        yield from o.ports.stages.move(o.w, o.subject, action.transition, reason)
        o.saw((yield from hold_record(o.w, o.entity, o.subject.record_id)).shown)
        text = say(f"已执行流转“{action.transition}”", f'Carried out the transition "{action.transition}"')
        return Outcome("done", text, ((o.entity.key, o.subject.record_id),))
