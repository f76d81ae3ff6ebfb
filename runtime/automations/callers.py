"""In whose name actions are done."""

from __future__ import annotations

import sqlalchemy as sa

from builder.definition.automation import Automation
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.identity.actors import SYSTEM, Actor
from runtime.records.caller import Caller
from runtime.records.writer import Writing


def acting_caller(
    w: Writing, ports: Ports, automation: Automation, subject: Subject, caused_by: Caller, run_id: str
) -> Unit[Caller]:
    """Return the caller of an automation's actions: one deeper than what caused it."""
    actor: Actor | None = SYSTEM
    if automation.run_as == "actor":
        actor = caused_by.actor
    elif automation.run_as == "owner" and automation.owner is not None:
        values = yield from ports.expressions.evaluate(w, subject, [automation.owner])
        actor = (yield from find_actor(w, values[0])) if isinstance(values[0], str) else None
    return Caller(actor or SYSTEM, w.caller.request_id, "automation", None, run_id, caused_by.depth + 1)


def find_actor(w: Writing, user_id: str) -> Unit[Actor | None]:
    """Return a person as an actor with all rights of their own; None: nobody active."""
    user = tables.user
    columns = (user.c.username, user.c.name, user.c.role, user.c.department_id)
    statement = w.statements.kept(
        ("automation", "actor"),
        lambda _: sa.select(*columns).where(user.c.id == sa.bindparam("id", type_=Identifier()), user.c.active),
    )
    rows = yield Query(statement, {"id": user_id})
    if not rows:
        return None
    username, name, role, department = rows[0]
    return Actor(user_id, username, name, role, None, None if department is None else str(department))
