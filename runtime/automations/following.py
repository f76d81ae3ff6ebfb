"""What follows a move, an approval or a reminder: in its transaction, or after it from a stored run. See docs/decisions/0020."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from builder.definition.actions import Actions
from builder.definition.actions.base import ActionModel
from builder.definition.kinds import dump_document
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import AUTOMATION_DEPTH
from builder.kernel.text import Text, say
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Instant
from runtime.automations.actions.base import ActionFailed, Occasion, Outcome
from runtime.automations.carrying import carry_out
from runtime.automations.ports import Letter, Ports
from runtime.automations.running import too_deep
from runtime.automations.runs import Run, run_table, write_runs
from runtime.records.writer import Writing

JSON = Any
_ACTIONS: TypeAdapter[tuple[ActionModel, ...]] = TypeAdapter(Actions)


def follow(o: Occasion, actions: Sequence[ActionModel], source: str, name: str) -> Unit[tuple[Outcome, ...]]:
    """Carry out what follows from something; what is to run after the commit is put down as a waiting run, with those behind it.

    Args:
        source: ``move``, ``approval`` or ``reminder``.
        name: which of them: ``flow.win``.

    Raises:
        ActionFailed, Problem: nothing of what was written may stay.
    """
    depth = o.w.caller.depth + 1
    if depth > AUTOMATION_DEPTH:
        raise ActionFailed(too_deep())
    o.w = o.w.acting_as(replace(o.w.caller, depth=depth))
    carried = yield from carry_out(o, actions)
    if carried.waiting_from is None:
        return carried.outcomes
    run = Run(
        o.w.ids.record_id(),
        f"{source}:{name}",
        o.entity.key,
        o.subject.record_id,
        source,
        "waiting",
        say("在提交之后继续", "Goes on after the commit"),
        outcomes=list(carried.outcomes),
        cause=o.key,
        depth=depth,
        next_action=carried.waiting_from,
        due_at=o.w.now,
        actions=dump_json([dump_document(action) for action in actions]).decode(),
    )
    yield from write_runs(o.w, [run])
    later = Outcome("waiting", say("其余动作在提交之后执行", "The other actions run after the commit"))
    return (*carried.outcomes, later)


def read_actions(text: str) -> tuple[ActionModel, ...]:
    """Return the actions that a run carries along."""
    return _ACTIONS.validate_python(parse_json(text), strict=False)


def tell_failure(w: Writing, ports: Ports, name: str, entity: str, record_id: str, reason: Text) -> Unit[None]:
    """Tell those who build the app, once a day, that what should have followed did not."""
    if ports.outward is None:
        return
    people: list[str] = []
    for role in ("admin", "builder"):
        people += yield from ports.people.with_role(w, role)
    if not people:
        return
    subject = say(f"“{name}”之后的动作失败", f'What follows "{name}" failed')
    key = f"after:{w.app.key}:{name}:{w.now.date().isoformat()}"
    letter = Letter(key, tuple(dict.fromkeys(people)), None, subject, reason, w.app.key, entity, record_id)
    yield from ports.outward.post_letter(w, letter)


def try_again(w: Writing, run_id: str) -> Unit[None]:
    """Let a failed run that carries its actions along go on from where it was."""
    changed = w.statements.kept(
        ("automation", "try again"),
        lambda _: (
            sa.update(run_table)
            .where(run_table.c.id == sa.bindparam("id", type_=Identifier()))
            .values(state="waiting", attempts=0, due_at=sa.bindparam("v_now", type_=Instant()))
        ),
    )
    yield Query(changed, {"id": run_id, "v_now": w.now})
