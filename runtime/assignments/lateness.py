"""Who comes too late for a record of the pool is told so, though by then it may be hidden from them.

Nothing is told but that: not who has it, and nothing at all to whom could not have seen it where it lay.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.definition.assignment import Pool
from builder.definition.kinds import ASSIGNMENTS
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.assignments.rows import decision
from runtime.automations.actions.base import Occasion, audience
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.records.rights import acting_sight, would_be_seen
from runtime.records.rights_at_hand import would_hold
from runtime.records.writer import Writing

_LATE = timedelta(days=1)
"""So long after it is gone somebody may have it on their screen; who comes later is told what everybody is."""
_IN = ("pooled", "released", "reclaimed")
_OUT = ("claimed", "given")


class _Decided(NamedTuple):
    """A decision about a record."""

    rule: str
    kind: str
    is_recent: bool


def taken() -> Problem:
    """Somebody else has claimed it, or was given it."""
    text = say(
        "有人比您先一步,这条记录已不在公海中;请刷新公海列表,另选一条",
        "Somebody else was faster: this record is no longer in the pool. Look at the pool again and choose another one",
    )
    return Problem("pool.taken", text)


def may_claim(w: Writing, ports: Ports, subject: Subject, pool: Pool, user_id: str) -> Unit[bool]:
    """Whether somebody is among those who may claim."""
    if pool.claimers is None:
        return True
    return user_id in (yield from audience(Occasion(w, ports, subject, ""), pool.claimers))


def came_late(w: Writing, ports: Ports, entity: CompiledEntity, record_id: str) -> Unit[bool]:
    """Whether a record has lately left the pool for somebody else, who asks may claim there, and would see it if it still lay in it."""
    user_id = None if w.caller.actor is None else w.caller.actor.user_id
    decided = yield from _latest_two(w, entity.key, record_id)
    if user_id is None or not _has_left(decided) or not decided[0].is_recent:
        return False
    rule = w.app.definition.find(ASSIGNMENTS, decided[0].rule)
    rows = yield Query(w.statements.look(entity), {"id": record_id})
    if rule is None or rule.pool is None or not rows:
        return False
    shown = parse_json(rows[0][1])
    if shown.get(rule.person) in (None, user_id):
        return False
    lying = Subject(entity, record_id, {**shown, rule.person: None})
    if not (yield from would_be_seen(w, entity, lying.shown)):
        return False
    if rule.pool.claimers is None:
        return (yield from _might_change(w, entity, {**shown, rule.person: user_id}))
    return (yield from may_claim(w, ports, lying, rule.pool, user_id))


def _might_change(w: Writing, entity: CompiledEntity, shown: Mapping[str, Any]) -> Unit[bool]:
    """Whether the caller might change a record if it was like this: who claims one has it in mind."""
    sight = acting_sight(w)
    return sight is None or (yield from would_hold(w, entity, sight.rows_for(entity.key, "update"), shown))


def _has_left(decided: list[_Decided]) -> bool:
    kinds = [each.kind for each in decided]
    return bool(kinds) and (kinds[0] in _OUT or (kinds[0] == "assigned" and kinds[1:] != [] and kinds[1] in _IN))


def _latest_two(w: Writing, entity: str, record_id: str) -> Unit[list[_Decided]]:
    d = decision.c
    statement = w.statements.kept(
        ("assignment", "latest two"),
        lambda _: (
            sa.select(d.rule, d.kind, sa.case((d.at > sa.bindparam("since", type_=Instant()), 1), else_=0))
            .where(
                d.app == sa.bindparam("app", type_=Words()),
                d.entity == sa.bindparam("entity", type_=Words()),
                d.record_id == sa.bindparam("record", type_=Identifier()),
            )
            .order_by(d.sequence.desc())
            .limit(2)
        ),
    )
    rows = yield Query(statement, {"app": w.app.key, "entity": entity, "record": record_id, "since": w.now - _LATE})
    return [_Decided(rule, kind, bool(is_recent)) for rule, kind, is_recent in rows]
