"""``approval``: see ``builder/definition/guards/approval.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from builder.definition.guards.approval import ApprovalGuard
from builder.definition.kinds import APPROVALS
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Unit
from builder.store.types import Identifier
from runtime.pipelines.guards.base import Asking, Found, Plain, Standing, words
from runtime.pipelines.todo import Todo

_VOID = "void"


class ApprovalKind(Plain):
    """Looks at the latest approval of the record."""

    model = ApprovalGuard
    columns = 1

    def counts(self, guard: ApprovalGuard, asking: Asking) -> Sequence[sa.ColumnElement[Any]]:
        """Its state."""
        row = tables.approval.c
        state = sa.case((row.void_at.is_not(None), sa.literal_column(f"'{_VOID}'")), else_=row.state)
        latest = sa.select(state).where(
            row.record_id == asking.param("self", Identifier()), row.approval == sa.literal(guard.approval)
        )
        return (latest.order_by(row.asked_at.desc(), row.id.desc()).limit(1).scalar_subquery(),)

    def values(self, guard: ApprovalGuard, s: Standing, values: Sequence[Any]) -> Mapping[str, Any]:
        """The record."""
        return {"self": s.record_id}

    def unmet(self, guard: ApprovalGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line if it was not given, or does not count any more."""
        yield from ()
        state = found.counts[0]
        if state == "approved":
            return []
        document = s.w.app.definition.find(APPROVALS, guard.approval)
        label = label_text(document.label) if document is not None else say(guard.approval, guard.approval)
        message = words(guard, _message(label, state))
        return [Todo("approval", message, label=label, current=state, needed={"approval": guard.approval})]


def _message(label: Text, state: str | None) -> Text:
    match state:
        case None:
            return say(f"须先提交并通过“{label.zh}”", f"{label.en} has to be asked for and given first")
        case "running":
            return say(f"“{label.zh}”还在审批中", f"{label.en} is still running")
        case "void":
            return say(
                f"“{label.zh}”通过后内容已改动,须重新审批",
                f"What {label.en} covers has changed since it was given; ask for it again",
            )
        case _:
            return say(f"“{label.zh}”未通过,请重新提交", f"{label.en} was not given; ask for it again")
