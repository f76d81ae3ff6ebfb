"""Approvals in the write path: what is being approved stays as it is; what was approved and is changed is approved no more."""

from __future__ import annotations

from collections.abc import Sequence

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.kinds import APPROVALS
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.approvals import rows
from runtime.approvals.rows import APPROVED, JUST_DECIDED, RUNNING, Running
from runtime.records.seams import Fact, Intent
from runtime.records.writer import Writing


class _OfApprovals:
    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether records of the entity are approved."""
        return any(approval.entity == entity.key for approval in app.definition.of(APPROVALS))


class LockRule(_OfApprovals):
    """While an approval runs, what it covers cannot be changed, and the record cannot go."""

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        """Refuse changes on every door."""
        asked = {intent.record_id: intent for intent in intents if intent.deed != "created"}
        if not asked:
            return []
        found: list[Violation] = []
        for running in (yield from rows.of_records(w, list(asked), RUNNING)):
            found += _locked(running, asked[running.record_id])
        return found


def _locked(running: Running, intent: Intent) -> list[Violation]:
    message = say(
        "正在审批,不能修改;请先撤回审批", "It is being approved and cannot be changed; withdraw the approval first"
    )
    params = {"approval": running.approval, "approval_id": running.id}
    if intent.deed == "deleted":
        return [Violation("locked", intent.pointer, message, params)]
    covers = running.document.get("covers") or intent.changed
    return [
        Violation("locked", f"{intent.pointer}/{key}", message, params) for key in sorted(intent.changed & set(covers))
    ]


class VoidReaction(_OfApprovals):
    """A change of something that a given approval covers makes it void."""

    rewrites = False

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Look at what changed, but not at what followed from the approval itself."""
        changed: dict[str, set[str]] = {}
        for fact in facts:
            if fact.deed == "updated":
                changed.setdefault(fact.record_id, set()).update(fact.changed)
        if not changed:
            return
        for given in (yield from rows.of_records(w, list(changed), APPROVED)):
            covers = set(given.document.get("covers") or ())
            if covers & changed[given.record_id] and (JUST_DECIDED, given.id) not in w.course.warrants:
                yield from rows.change_approval(w, given.id, void_at=w.now)
                yield from rows.insert_act(w, given.id, "void")
