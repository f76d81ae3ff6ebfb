"""Looking at all records of a reminder again, a chunk a transaction: after a publish, and when a calendar's days change.

Reads and writes: dougong_timer_rearm, dougong_timer.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.limits import TIMER_BATCH
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, Whole, Words
from runtime.records.writer import Writing
from runtime.timers.arming import arm, arm_by

_row = tables.timer_rearm


class Chunk(NamedTuple):
    """What one transaction did."""

    looked_at: int
    changed: int
    finished: bool


def rearm_chunk(w: Writing, rule_key: str) -> Unit[Chunk]:
    """Look at the next records of a reminder; nothing if somebody else is at it."""

    def make(dialect: str) -> sa.Select[None]:
        chosen = sa.select(_row.c.after).where(_row.c.app == _words("app"), _row.c.rule == _words("rule"))
        return chosen.with_for_update(skip_locked=True) if dialect == POSTGRESQL else chosen

    here = {"app": w.app.key, "rule": rule_key}
    found = yield Query(w.statements.kept(("hold_rearm",), make), here)
    if not found:
        return Chunk(0, 0, True)
    rule = w.app.reminders.by_key.get(rule_key)
    after = None if found[0][0] is None else str(found[0][0])
    ids: list[str] = []
    changed = 0
    if rule is not None:
        entity = w.app.entities[rule.entity]
        if rule.by is None:
            ids = yield from _next_ids(w, entity, "id", after)
            changed = yield from arm(w, entity, ids, recount=True)
        else:
            ids = yield from _next_ids(w, entity, rule.by, after)
            changed = yield from arm_by(w, rule, ids, recount=True)
    if len(ids) < TIMER_BATCH:
        yield Query(w.statements.kept(("end_rearm",), lambda _: sa.delete(_row).where(*_here())), here)
        return Chunk(len(ids), changed, True)
    move = w.statements.kept(
        ("move_rearm",),
        lambda _: sa.update(_row).where(*_here()).values(after=sa.bindparam("last", type_=Identifier())),
    )
    yield Query(move, {**here, "last": ids[-1]})
    return Chunk(len(ids), changed, False)


def _here() -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _row.c.app == _words("app"), _row.c.rule == _words("rule")


def _next_ids(w: Writing, entity: CompiledEntity, column: str, after: str | None) -> Unit[list[str]]:
    """Return the next values of a column of ids, in order."""

    def make(_: str) -> sa.Select[None]:
        chosen = entity.table.c[column]
        page = sa.select(chosen).where(chosen.is_not(None)).distinct().order_by(chosen)
        if after is not None:
            page = page.where(chosen > sa.bindparam("after", type_=chosen.type))
        return page.limit(sa.bindparam("limit", type_=Whole()))

    statement = w.statements.kept(("rearm_ids", entity.key, column, after is None), make)
    rows = yield Query(statement, {"after": after, "limit": TIMER_BATCH})
    return [str(row[0]) for row in rows]


def _words(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=Words())
