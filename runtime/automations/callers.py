"""In whose name actions are done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from builder.definition.automation import Automation
from builder.kernel.clock import Clock
from builder.kernel.ids import find_uuid
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.access.grants import roles_of
from runtime.automations.actions.base import ActionFailed
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.identity.actors import SYSTEM, Actor
from runtime.records.caller import Caller
from runtime.records.narrowing import Narrowing, narrows
from runtime.records.writer import Writing


class PlatformNames:
    """People as the platform knows them, with what they see of an app."""

    def __init__(self, find_actor: Callable[[str], Unit[Actor | None]], clock: Clock) -> None:
        self._find_actor = find_actor
        self._narrowing = Narrowing(clock)

    def find_actor(self, user_id: str) -> Unit[Actor | None]:
        """Return an active person with roles and place."""
        return self._find_actor(user_id)

    def acting(self, w: Writing, caller: Caller) -> Writing:
        """Return the write as a caller does it who has no more than their own rights.

        Raises:
            ActionFailed: they have no role in the app.
        """
        actor = caller.actor
        if actor is None or actor.role == "admin":
            return w.acting_as(caller, w.published)
        if narrows(w.published, actor) and not roles_of(w.app, actor):
            zh, en = f"{actor.name} 在此应用中没有角色", f"{actor.name} has no role in this app"
            raise ActionFailed(say(zh, en))
        return w.acting_as(caller, self._narrowing.seen_at_once(w.published, actor))


def acting(
    w: Writing, ports: Ports, automation: Automation, subject: Subject, caused_by: Caller, run_id: str
) -> Unit[Writing]:
    """Return the write as an automation's actions carry it on: in the name it says, with the rights of that name, one deeper than what
    caused it.

    Raises:
        ActionFailed: the person has left, or has no role in the app.
    """
    actor: Actor | None = None
    if automation.run_as == "actor":
        actor = caused_by.actor
    elif automation.run_as == "owner" and automation.owner is not None:
        values = yield from ports.expressions.evaluate(w, subject, [automation.owner])
        actor = (yield from get_actor(ports, values[0])) if isinstance(values[0], str) else None
    depth = caused_by.depth + 1
    if actor is None or actor.user_id is None or ports.names is None:
        return w.acting_as(_following(w, SYSTEM, run_id, depth))
    return ports.names.acting(w, replace(_following(w, actor, run_id, depth), own_rights=True))


def _following(w: Writing, actor: Actor, run_id: str, depth: int) -> Caller:
    """Return who acts in a run: if what caused it is only tried, so is what follows."""
    return Caller(actor, w.caller.request_id, "automation", None, run_id, depth, dry_run=w.caller.dry_run)


def get_actor(ports: Ports, user_id: str | None) -> Unit[Actor | None]:
    """Return a person whose name something is done in; None: the system.

    Raises:
        ActionFailed: they have left.
    """
    known = find_uuid(user_id or "")
    if known is None or ports.names is None:
        return None
    actor = yield from ports.names.find_actor(known)
    if actor is None:
        gone = say("以其名义执行的人已离职或停用", "The person in whose name this is done has left or is switched off")
        raise ActionFailed(gone)
    return actor
