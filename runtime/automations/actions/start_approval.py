"""``start_approval``: see ``builder/definition/actions/start_approval.py``."""

from __future__ import annotations

from builder.definition.actions.start_approval import StartApproval
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, missing_port


class StartApprovalKind:
    """Asks for an approval."""

    model = StartApproval

    def carry_out(self, o: Occasion, action: StartApproval, key: str) -> Unit[Outcome]:
        """Begin it."""
        if o.ports.approvals is None:
            raise missing_port("审批", "approvals")
        yield from o.ports.approvals.start(o.w, o.subject, action.approval)
        return Outcome("done", say(f"已发起审批“{action.approval}”", f'Asked for the approval "{action.approval}"'))
