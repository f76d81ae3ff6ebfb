"""Carrying actions out, one after the other: for automations, reminders, stages and approvals alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from builder.definition.actions.base import ActionModel, RecordAction
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions import BY_MODEL
from runtime.automations.actions.base import Occasion, Outcome
from runtime.records.seams import look_after

JSON = Any


class Carried(NamedTuple):
    """What became of a list of actions."""

    outcomes: tuple[Outcome, ...]
    waiting_from: int | None
    """The first action that is to be carried out after the commit; those behind it wait with it."""


def carry_out(o: Occasion, actions: Sequence[ActionModel], *, start: int = 0, committed: bool = False) -> Unit[Carried]:
    """Carry actions out in their order, in the transaction of ``o``.

    Args:
        start: the first to be carried out.
        committed: what occasioned them is committed, so those that ask for it have their turn.

    Raises:
        ActionFailed, Problem: nothing of what was written may stay (``runtime.automations.attempts``).
    """
    outcomes: list[Outcome] = []
    waiting_from: int | None = None
    for place in range(start, len(actions)):
        action = actions[place]
        if isinstance(action, RecordAction) and action.run == "after" and not committed:
            waiting_from = place
            break
        if not (yield from o.ports.expressions.holds(o.w, o.subject, action.condition)):
            outcomes.append(Outcome("passed", say("不满足条件", "Its condition is not met")))
            continue
        kind = BY_MODEL[type(action)]
        outcomes.append((yield from kind.carry_out(o, action, f"{o.key}:{place}")))
    if o.w.caller.own_rights:  # what follows next is done in another name
        yield from look_after(o.w)
    return Carried(tuple(outcomes), waiting_from)
