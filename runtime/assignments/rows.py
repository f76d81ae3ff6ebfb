"""What assignments keep: the head that orders decisions, turns, decisions, the pool."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.definition.assignment import Assignment
from builder.kernel.canonical import dump_json
from builder.kernel.text import Text
from builder.store import process_tables
from builder.store.statement import SQLITE, Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.records.writer import Writing

JSON = Any
_NEVER = object()
head, turn, decision, pool = (
    process_tables.assignment_head,
    process_tables.assignment_turn,
    process_tables.assignment_decision,
    process_tables.assignment_pool,
)


def take_head(w: Writing, entity: str) -> Unit[int]:
    """Hold the row that orders all decisions about an entity and return the next sequence: what is counted after this stays so until the end."""

    def make(dialect: str) -> Any:
        values = {name: sa.bindparam(name, type_=Words()) for name in ("app", "entity")}
        added = _insert(dialect, head).values({**values, "sequence": 1})
        return added.on_conflict_do_update(
            index_elements=["app", "entity"], set_={"sequence": head.c.sequence + 1}
        ).returning(head.c.sequence)

    rows = yield Query(w.statements.kept(("assignment", "head"), make), {"app": w.app.key, "entity": entity})
    return int(rows[0][0])


def keep_turn(w: Writing, rule: str, user_id: str, sequence: int) -> Unit[None]:
    """Note that somebody has had their turn."""

    def make(dialect: str) -> Any:
        values = {c.name: sa.bindparam(c.name, type_=c.type) for c in turn.c}
        added = _insert(dialect, turn).values(values)
        return added.on_conflict_do_update(
            index_elements=["app", "rule", "user_id"], set_={"sequence": values["sequence"], "at": values["at"]}
        )

    values = {"app": w.app.key, "rule": rule, "user_id": user_id, "sequence": sequence, "at": w.now}
    yield Query(w.statements.kept(("assignment", "turn"), make), values)


def keep_decision(w: Writing, values: dict[str, Any], detail: JSON) -> Unit[None]:
    """Keep a decision with all that was looked at; ``values``: rule, entity, record_id, kind, user_id, former_id, sequence."""
    statement = w.statements.kept(
        ("assignment", "decision"),
        lambda _: sa.insert(decision).values({c.name: sa.bindparam(c.name, type_=c.type) for c in decision.c}).inline(),
    )
    row = {
        "id": w.ids.record_id(),
        "app": w.app.key,
        "at": w.now,
        "actor": w.caller.actor_id,
        "version": w.app.version,
        "detail": dump_json(detail).decode(),
    }
    yield Query(statement, {**row, **values})


def decision_row(
    rule: Assignment, record_id: str, kind: str, user_id: str | None, former: str | None, sequence: int
) -> dict[str, Any]:
    """Return what ``keep_decision`` takes. Kinds: assigned, pooled, left, claimed, given (out of the pool, by hand), released, reclaimed, kept."""
    return {
        "rule": rule.key,
        "entity": rule.entity,
        "record_id": record_id,
        "kind": kind,
        "user_id": user_id,
        "former_id": former,
        "sequence": sequence,
    }


def words_only(text: Text) -> dict[str, JSON]:
    """Return the detail of a decision for which no candidates were looked at."""
    return {"text": {"zh": text.zh, "en": text.en}, "steps": []}


def note_pool_write(w: Writing, record_id: str, user_id: str | None) -> None:
    """The pool itself sets the person of a record, and keeps its own row."""
    w.course.remembered["pool", record_id] = user_id


def pool_wrote(w: Writing, record_id: str, user_id: str | None) -> bool:
    """Whether the person of a record is who the pool has set in this write."""
    return bool(w.course.remembered.get(("pool", record_id), _NEVER) == user_id)


def keep_pool(
    w: Writing, rule: str, entity: str, record_id: str, user_id: str | None, due_at: datetime | None
) -> Unit[None]:
    """Put a record into the pool (``user_id`` None), or note who has it and may lose it."""

    def make(dialect: str) -> Any:
        values = {c.name: sa.bindparam(c.name, type_=c.type) for c in pool.c}
        added = _insert(dialect, pool).values(values)
        changed = {name: values[name] for name in ("rule", "user_id", "since", "due_at")}
        return added.on_conflict_do_update(index_elements=["app", "entity", "record_id"], set_=changed)

    values = {
        "app": w.app.key,
        "entity": entity,
        "record_id": record_id,
        "rule": rule,
        "user_id": user_id,
        "since": w.now,
        "due_at": due_at,
    }
    yield Query(w.statements.kept(("assignment", "pool"), make), values)


def leave_pool(w: Writing, entity: str, record_id: str) -> Unit[None]:
    """The pool has nothing to do with a record any more."""
    statement = w.statements.kept(("assignment", "leave_pool"), lambda _: sa.delete(pool).where(*_here()))
    yield Query(statement, {"app": w.app.key, "entity": entity, "record": record_id})


def pooled(w: Writing, entity: str, record_id: str) -> Unit[tuple[str, str | None] | None]:
    """Return the rule and the holder of a record the pool knows."""
    statement = w.statements.kept(
        ("assignment", "pooled"), lambda _: sa.select(pool.c.rule, pool.c.user_id).where(*_here())
    )
    rows = yield Query(statement, {"app": w.app.key, "entity": entity, "record": record_id})
    return (rows[0][0], None if rows[0][1] is None else str(rows[0][1])) if rows else None


def count_claims(w: Writing, rule: str, user_id: str, since: datetime) -> Unit[int]:
    """Return how many records somebody has claimed since then."""
    d = decision.c
    statement = w.statements.kept(
        ("assignment", "claims"),
        lambda _: (
            sa.select(sa.func.count())
            .select_from(decision)
            .where(
                d.app == sa.bindparam("app", type_=Words()),
                d.rule == sa.bindparam("rule", type_=Words()),
                d.user_id == sa.bindparam("user", type_=Identifier()),
                d.kind == "claimed",
                d.at >= sa.bindparam("since", type_=Instant()),
            )
        ),
    )
    rows = yield Query(statement, {"app": w.app.key, "rule": rule, "user": user_id, "since": since})
    return int(rows[0][0])


def lost_since(w: Writing, entity: str, record_id: str, user_id: str, since: datetime) -> Unit[bool]:
    """Whether somebody has released or lost this record since then."""
    d = decision.c
    statement = w.statements.kept(
        ("assignment", "lost"),
        lambda _: (
            sa.select(d.id)
            .where(
                d.app == sa.bindparam("app", type_=Words()),
                d.entity == sa.bindparam("entity", type_=Words()),
                d.record_id == sa.bindparam("record", type_=Identifier()),
                d.former_id == sa.bindparam("user", type_=Identifier()),
                sa.or_(d.kind == "released", d.kind == "reclaimed"),
                d.at > sa.bindparam("since", type_=Instant()),
            )
            .limit(1)
        ),
    )
    here = {"app": w.app.key, "entity": entity, "record": record_id}
    return bool((yield Query(statement, {**here, "user": user_id, "since": since})))


def _here() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        pool.c.app == sa.bindparam("app", type_=Words()),
        pool.c.entity == sa.bindparam("entity", type_=Words()),
        pool.c.record_id == sa.bindparam("record", type_=Identifier()),
    )


def _insert(dialect: str, table: sa.Table) -> Any:
    from sqlalchemy.dialects import postgresql, sqlite

    return (sqlite if dialect == SQLITE else postgresql).insert(table)
