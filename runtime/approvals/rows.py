"""The rows of approvals. Reads and writes: dougong_approval, dougong_approval_task, dougong_approval_act; reads dougong_user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.records.writer import Writing

JSON = Any
_approval, _task, _act = tables.approval, tables.approval_task, tables.approval_act

RUNNING = "running"
JUST_DECIDED = "approval decided"
"""Begins the warrant of an approval that was decided in this write: what follows from it does not make it void."""
APPROVED, REJECTED, RETURNED, WITHDRAWN = "approved", "rejected", "returned", "withdrawn"


@dataclass(frozen=True)
class Running:
    """An approval as its row says, held until the end of the transaction."""

    id: str
    app: str
    entity: str
    record_id: str
    approval: str
    body: Mapping[str, JSON]
    state: str
    step: int
    asked_by: str | None

    @property
    def steps(self) -> Sequence[Mapping[str, JSON]]:
        """Its steps, with the people who are asked."""
        steps: Sequence[Mapping[str, JSON]] = self.body["steps"]
        return steps

    @property
    def document(self) -> Mapping[str, JSON]:
        """Its document as it was when it began."""
        document: Mapping[str, JSON] = self.body["document"]
        return document


@dataclass(frozen=True)
class Task:
    """What one person is asked."""

    id: str
    step: int
    place: int
    user_id: str
    source: str
    state: str
    due_at: datetime | None = None
    escalated_at: datetime | None = None


def hold_approval(w: Writing, approval_id: str) -> Unit[Running | None]:
    """Read an approval and hold it."""
    columns = [_approval.c[name] for name in _HELD]

    def make(dialect: str) -> sa.Select[Any]:
        chosen = sa.select(*columns).where(
            _approval.c.id == _id(), _approval.c.app == sa.bindparam("app", type_=Words())
        )
        return chosen.with_for_update(of=_approval) if dialect == POSTGRESQL else chosen

    rows = yield Query(w.statements.kept(("approval", "hold"), make), {"id": approval_id, "app": w.app.key})
    return _running(rows[0]) if rows else None


_HELD = ("id", "app", "entity", "record_id", "approval", "body", "state", "step", "asked_by")


def _running(row: Sequence[Any]) -> Running:
    values = dict(zip(_HELD, row, strict=True))
    ids = {"id": str(values["id"]), "record_id": str(values["record_id"])}
    return Running(**{**values, **ids, "body": parse_json(values["body"])})


def of_records(w: Writing, ids: Sequence[str], state: str) -> Unit[list[Running]]:
    """Return the approvals of records in a state that are not void."""
    columns = [_approval.c[name] for name in _HELD]
    statement = w.statements.kept(
        ("approval", "of records"),
        lambda _: sa.select(*columns).where(
            _approval.c.record_id.in_(w.statements.listed()),
            _approval.c.state == sa.bindparam("state", type_=Words()),
            _approval.c.void_at.is_(None),
        ),
    )
    rows = yield Query(statement, {"ids": dump_json(sorted(ids)).decode(), "state": state})
    return [_running(row) for row in rows]


def tasks_of(w: Writing, approval_id: str) -> Unit[list[Task]]:
    """Return all tasks of an approval, in the order of steps and places."""
    names = ("id", "step", "place", "user_id", "source", "state", "due_at", "escalated_at")
    columns = [_task.c[name] for name in names]
    statement = w.statements.kept(
        ("approval", "tasks"),
        lambda _: (
            sa.select(*columns).where(_task.c.approval_id == _id()).order_by(_task.c.step, _task.c.place, _task.c.id)
        ),
    )
    found = []
    for row in (yield Query(statement, {"id": approval_id})):
        values = dict(zip(names, row, strict=True))
        for name in ("due_at", "escalated_at"):
            values[name] = None if values[name] is None else instant(values[name])
        found.append(Task(**{**values, "id": str(values["id"]), "user_id": str(values["user_id"])}))
    return found


def insert_approval(w: Writing, values: Mapping[str, Any]) -> Unit[None]:
    """Write a new approval."""
    yield Query(w.statements.kept(("approval", "insert"), lambda _: _insert(_approval)), _whole(_approval, values))


def insert_tasks(w: Writing, rows: Sequence[Mapping[str, Any]]) -> Unit[None]:
    """Write new tasks."""
    if rows:
        whole = [_whole(_task, row) for row in rows]
        statement = w.statements.kept(("approval", "insert task"), lambda _: _insert(_task))
        yield Query(statement, whole if len(whole) > 1 else whole[0])


def insert_act(
    w: Writing, approval_id: str, act: str, *, user_id: str | None = None, comment: str | None = None
) -> Unit[None]:
    """Write down who did what."""
    values = {
        "id": w.ids.record_id(),
        "approval_id": approval_id,
        "at": w.now,
        "actor": w.caller.actor_id,
        "act": act,
        "user_id": user_id,
        "comment": comment,
    }
    yield Query(w.statements.kept(("approval", "insert act"), lambda _: _insert(_act)), values)


def was_told(w: Writing, approval_id: str, act: str, user_id: str) -> Unit[bool]:
    """Whether an act about a person is written down of an approval."""
    c = _act.c
    statement = w.statements.kept(
        ("approval", "was told"),
        lambda _: (
            sa.select(c.id)
            .where(
                c.approval_id == sa.bindparam("approval", type_=c.approval_id.type),
                c.act == sa.bindparam("act", type_=c.act.type),
                c.user_id == sa.bindparam("user", type_=c.user_id.type),
            )
            .limit(1)
        ),
    )
    return bool((yield Query(statement, {"approval": approval_id, "act": act, "user": user_id})))


def change_approval(w: Writing, approval_id: str, **values: Any) -> Unit[None]:
    """Change columns of an approval."""
    yield from _change(w, _approval, approval_id, values)


def change_task(w: Writing, task_id: str, **values: Any) -> Unit[None]:
    """Change columns of a task."""
    yield from _change(w, _task, task_id, values)


def _change(w: Writing, table: sa.Table, row_id: str, values: Mapping[str, Any]) -> Unit[None]:
    names = tuple(sorted(values))
    statement = w.statements.kept(
        ("approval", "change", table.name, names),
        lambda _: (
            sa.update(table)
            .where(table.c.id == _id())
            .values({name: sa.bindparam(f"v_{name}", type_=table.c[name].type) for name in names})
        ),
    )
    yield Query(statement, {"id": row_id, **{f"v_{name}": value for name, value in values.items()}})


def close_tasks(w: Writing, approval_id: str) -> Unit[None]:
    """Close what is still open or waiting."""
    statement = w.statements.kept(
        ("approval", "close"),
        lambda _: (
            sa.update(_task)
            .where(_task.c.approval_id == _id(), (_task.c.state == "open") | (_task.c.state == "waiting"))
            .values(state="closed", decided_at=sa.bindparam("v_now", type_=Instant()))
        ),
    )
    yield Query(statement, {"id": approval_id, "v_now": w.now})


def instant(value: Any) -> datetime:
    """Read an instant as a driver gives it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.c}).inline()


def _whole(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    return {column.name: values.get(column.name) for column in table.c}


def _id() -> sa.BindParameter[str]:
    return sa.bindparam("id", type_=Identifier())
