"""Approvals as people see them: what waits for them, what they asked for, how one stands. Reads the rows of ``rows`` and dougong_user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa

from builder.kernel.canonical import parse_json
from builder.kernel.clock import instant_text
from builder.kernel.limits import PAGE_RECORDS
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Words
from runtime.access.gate import apps_of
from runtime.approvals.rows import RUNNING, instant
from runtime.identity.actors import Actor
from runtime.query.statements import StatementCache
from runtime.records.caller import Caller, StaleIdentity

JSON = Any
Folder = Literal["open", "done", "asked"]
FOLDERS: tuple[Folder, ...] = ("open", "done", "asked")
_DONE = ("approved", "rejected", "returned", "delegated")
_approval, _task, _act, _user = tables.approval, tables.approval_task, tables.approval_act, tables.user

_HEAD = (
    "id", "app", "entity", "record_id", "approval", "version", "body", "state", "void_at", "step", "asked_by", "asked_at", "decided_at",
)  # fmt: skip


def list_mine(
    cache: StatementCache, caller: Caller, folder: Folder, app: str | None, before: str | None, limit: int
) -> Unit[list[dict[str, JSON]]]:
    """Return what waits for a person, what he has answered, or what he asked for; the latest first.

    Raises:
        StaleIdentity.
    """
    statement = cache.get(("approvals", folder, app is None, before is None), lambda: _mine(folder, app, before))
    actor = caller.actor
    values = {"user": actor.user_id if actor else None, "app": app, "before": before, "limit": min(limit, PAGE_RECORDS)}
    rows = yield Query(statement, values)
    _check_epoch(caller, rows)
    found = []
    for _, *row in rows:
        if row[0] is not None and _may_see_app(actor, row[1]):
            head = _head(row[: len(_HEAD)], row[len(_HEAD)])
            names = ("task_id", "source", "task_state", "opened_at", "due_at", "comment")
            extra = dict(zip(names, row[len(_HEAD) + 1 :], strict=False))
            found.append(head | {name: _shown(name, value) for name, value in extra.items()})
    return found


def _check_epoch(caller: Caller, rows: Sequence[Sequence[Any]]) -> None:
    if caller.epoch is not None and rows and int(rows[0][0]) != caller.epoch:
        raise StaleIdentity


def _may_see_app(actor: Actor | None, app: str) -> bool:
    apps = None if actor is None else apps_of(actor)
    return apps is None or app in apps


def _mine(folder: Folder, app: str | None, before: str | None) -> sa.Select[Any]:
    user = sa.bindparam("user", type_=Identifier())
    head = [_approval.c[name] for name in _HEAD]
    asker = sa.select(_user.c.name).where(sa.cast(_user.c.id, sa.Text) == _approval.c.asked_by).scalar_subquery()
    task = [_task.c.id, _task.c.source, _task.c.state, _task.c.opened_at, _task.c.due_at, _task.c.comment]
    order: sa.ColumnElement[Any]
    if folder == "asked":
        condition = _approval.c.asked_by == sa.bindparam("user", type_=Words())
        chosen, order = sa.select(*head, asker).where(condition), _approval.c.id
    else:
        source = _task.join(_approval, _approval.c.id == _task.c.approval_id)
        state = _task.c.state == "open" if folder == "open" else sa.or_(*(_task.c.state == done for done in _DONE))
        condition = (_task.c.user_id == user) & state
        if folder == "open":
            condition &= _approval.c.state == RUNNING
        chosen, order = sa.select(*head, asker, *task).select_from(source).where(condition), _task.c.id
    if app is not None:
        chosen = chosen.where(_approval.c.app == sa.bindparam("app", type_=Words()))
    if before is not None:
        chosen = chosen.where(order < sa.bindparam("before", type_=Identifier()))
    page = chosen.order_by(order.desc()).limit(sa.bindparam("limit", type_=sa.Integer())).subquery("m")
    columns = [column.label(f"c{place}") for place, column in enumerate(page.c)]
    again = columns[0] if folder == "asked" else columns[len(_HEAD) + 1]
    epoch = tables.identity
    return sa.select(epoch.c.epoch, *columns).select_from(epoch.outerjoin(page, sa.true())).order_by(again.desc())


def list_of_record(cache: StatementCache, app: str, entity: str, record_id: str) -> Unit[list[dict[str, JSON]]]:
    """Return all approvals of a record with their tasks and acts, the latest first."""
    head = [_approval.c[name] for name in _HEAD]
    asker = sa.select(_user.c.name).where(sa.cast(_user.c.id, sa.Text) == _approval.c.asked_by).scalar_subquery()
    statement = cache.get(
        ("approvals", "of record"),
        lambda: (
            sa.select(*head, asker)
            .where(
                _approval.c.app == sa.bindparam("app", type_=Words()),
                _approval.c.entity == sa.bindparam("entity", type_=Words()),
                _approval.c.record_id == sa.bindparam("record_id", type_=Identifier()),
            )
            .order_by(_approval.c.id.desc())
            .limit(PAGE_RECORDS)
        ),
    )
    found = []
    for row in (yield Query(statement, {"app": app, "entity": entity, "record_id": record_id})):
        found.append((yield from _whole(cache, row)))
    return found


def find_one(cache: StatementCache, app: str, approval_id: str) -> Unit[dict[str, JSON] | None]:
    """Return an approval with its tasks and acts."""
    head = [_approval.c[name] for name in _HEAD]
    asker = sa.select(_user.c.name).where(sa.cast(_user.c.id, sa.Text) == _approval.c.asked_by).scalar_subquery()
    statement = cache.get(
        ("approvals", "one"),
        lambda: sa.select(*head, asker).where(
            _approval.c.app == sa.bindparam("app", type_=Words()),
            _approval.c.id == sa.bindparam("id", type_=Identifier()),
        ),
    )
    rows = yield Query(statement, {"app": app, "id": approval_id})
    return (yield from _whole(cache, rows[0])) if rows else None


def _whole(cache: StatementCache, row: Sequence[Any]) -> Unit[dict[str, JSON]]:
    shown = _head(row[: len(_HEAD)], row[len(_HEAD)])
    names = (
        "id",
        "step",
        "place",
        "user_id",
        "source",
        "state",
        "opened_at",
        "due_at",
        "escalated_at",
        "decided_at",
        "comment",
    )
    tasks = cache.get(
        ("approvals", "tasks"),
        lambda: (
            sa.select(*(_task.c[name] for name in names), _user.c.name)
            .select_from(_task.outerjoin(_user, _user.c.id == _task.c.user_id))
            .where(_task.c.approval_id == sa.bindparam("id", type_=Identifier()))
            .order_by(_task.c.step, _task.c.place, _task.c.id)
        ),
    )
    found = yield Query(tasks, {"id": shown["id"]})
    shown["tasks"] = [
        {name: _shown(name, value) for name, value in zip((*names, "user_name"), task, strict=True)} for task in found
    ]
    acts = cache.get(
        ("approvals", "acts"),
        lambda: (
            sa.select(_act.c.at, _act.c.actor, _user.c.name, _act.c.act, _act.c.user_id, _act.c.comment)
            .select_from(_act.outerjoin(_user, sa.cast(_user.c.id, sa.Text) == _act.c.actor))
            .where(_act.c.approval_id == sa.bindparam("id", type_=Identifier()))
            .order_by(_act.c.id)
        ),
    )
    found = yield Query(acts, {"id": shown["id"]})
    members = ("at", "actor", "actor_name", "act", "user_id", "comment")
    shown["acts"] = [{name: _shown(name, value) for name, value in zip(members, act, strict=True)} for act in found]
    return shown


def _head(row: Sequence[Any], asker: str | None) -> dict[str, JSON]:
    values: dict[str, Any] = dict(zip(_HEAD, row, strict=True))
    body = parse_json(values.pop("body"))
    shown = {name: _shown(name, value) for name, value in values.items()}
    labels = {step["key"]: _label(step["label"]) for step in body["document"]["steps"]}
    steps = [{"key": step["key"], "label": labels[step["key"]], "mode": step["mode"]} for step in body["steps"]]
    return shown | {
        "label": _label(body["document"]["label"]),
        "title": body.get("title"),
        "asked_by_name": asker,
        "steps": steps,
    }


def _label(label: str | Mapping[str, str]) -> Text:
    return say(label, label) if isinstance(label, str) else say(label["zh"], label["en"])


def _shown(name: str, value: Any) -> JSON:
    if value is None:
        return None
    if name.endswith("_at") or name == "at":
        return instant_text(instant(value))
    return str(value) if name in ("id", "record_id", "task_id", "user_id") else value
