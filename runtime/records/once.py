"""Writes that happen once: the answer to an ``Idempotency-Key`` is kept in the transaction of the write it belongs to.

A key belongs to one person: nobody else's key meets it. The claim is the first row a keyed write makes, so of two that are sent at
the same time the second waits for the first and then answers as it did. A refused write keeps nothing: it may be sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import IDEMPOTENCY_HOURS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import delivery_tables, writing_tables
from builder.store.behind import put_behind
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Instant, Whole, Words
from runtime.records.caller import Caller, Once, Reply
from runtime.records.rights import acting_sight
from runtime.records.seeing import whole_fields
from runtime.records.writer import Writing, lock_app

T = TypeVar("T")
_LIFETIME = timedelta(hours=IDEMPOTENCY_HOURS)


class AnsweredBefore(Exception):
    """The write was carried out before: this is what it was answered."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(reply.status)


class Rehearsed(Exception):
    """A write that was only tried: everything was done, and is undone."""

    def __init__(self, result: Any, events: tuple[Any, ...], started: tuple[Any, ...] = ()) -> None:
        """``started``: what it would set off, as ``Course.started`` has it."""
        self.result = result
        self.events = events
        self.started = started
        super().__init__(len(events))


_POST = frozenset((delivery_tables.inbox.name, delivery_tables.outbox.name))
"""What leaves the house once the write is committed."""


def carry_once(w: Writing, make: Callable[[], Unit[T]]) -> Unit[T]:
    """Run a write under the pinned app: once for its key, and only to be undone if it is only tried.

    Raises:
        StaleApp, StaleIdentity, AnsweredBefore, Rehearsed, and whatever the write raises.
    """
    once = w.caller.once
    yield from lock_app(w)
    if once is not None:
        yield from claim(w, once)
    result = yield from put_behind(make(), _POST)
    if w.caller.dry_run:
        raise Rehearsed(result, *(yield from _seen_effects(w)))
    if once is not None:
        yield from keep_answer(w, once, result)
    return result


_Facts = tuple[Mapping[str, Any], ...]


def _seen_effects(w: Writing) -> Unit[tuple[_Facts, _Facts]]:
    """Return what would happen to records that the caller sees, and what it would set off about them; a deletion that takes a hidden one
    along is refused before."""
    if acting_sight(w) is None:
        return tuple(w.course.told), tuple(w.course.started)
    ids: dict[str, set[str]] = {}
    for event in (*w.course.told, *w.course.started):
        if event["record_id"] is not None:
            ids.setdefault(event["entity"], set()).add(event["record_id"])
    seen: set[tuple[str, str]] = set()
    for key in sorted(ids.keys() & w.seen.app.entities.keys()):
        shown = yield from whole_fields(w, w.app.entities[key], ids[key])
        seen |= {(key, record_id) for record_id in shown}
    gone = {(e["entity"], e["record_id"]) for e in w.course.told if e["kind"] == "deleted"}
    places = {place for place in seen | gone if place[0] in w.seen.app.entities}
    told = tuple(event for event in w.course.told if (event["entity"], event["record_id"]) in places)
    return told, tuple(run for run in w.course.started if (run["entity"], run["record_id"]) in places)


def claim(w: Writing, once: Once) -> Unit[None]:
    """Take the key for this write; waits for another that has it and is not finished.

    Raises:
        AnsweredBefore: there is an answer.
        Problem: ``request.key_reused`` if the key came with another request.
    """
    own = {"own_actor": w.caller.actor_id, "own_key": once.key}
    yield Query(w.statements.kept(("once expired",), _expired), {**own, "before": w.now - _LIFETIME})
    made = _claimed(w.caller.actor_id, once, w.app.key, w.now)
    rows = yield Query(w.statements.kept(("once claim",), _claim), made)
    if not rows:
        rows = yield Query(w.statements.kept(("once find",), _find), own)
        _answer(once, rows[0])


def _claimed(actor: str | None, once: Once, app: str, now: datetime) -> dict[str, Any]:
    return {"actor": actor, "key": once.key, "app": app, "fingerprint": once.fingerprint, "created_at": now}


def _answer(once: Once, row: Any) -> NoReturn:
    fingerprint, status, headers, body = row
    if fingerprint != once.fingerprint:
        detail = say(
            "这个 Idempotency-Key 已用于另一个请求;请换一个新的键",
            "This Idempotency-Key was sent with another request; use a new one",
        )
        raise Problem("request.key_reused", detail)
    given = tuple((str(name), str(value)) for name, value in parse_json(headers))
    raise AnsweredBefore(Reply(status, given, body.encode()))


def keep_answer(w: Writing, once: Once, result: Any) -> Unit[None]:
    """Keep what the write is answered."""
    status, headers, body = once.render(result)
    values = {"own_actor": w.caller.actor_id, "own_key": once.key, "v_status": status, "v_body": body.decode()}
    yield Query(w.statements.kept(("once keep",), _keep), {**values, "v_headers": dump_json(headers).decode()})


class OnceIn:
    """The same for a write that is no unit: inside a transaction of its own, claimed first and kept last."""

    def __init__(self, connection: sa.Connection, caller: Caller, app: str, now: datetime) -> None:
        self._connection = connection
        self._tried = caller.dry_run
        self._once = None if caller.dry_run else caller.once
        self._own = {"own_actor": caller.actor_id, "own_key": caller.once.key if caller.once else ""}
        if self._once is None:
            return
        connection.execute(_expired(""), {**self._own, "before": now - _LIFETIME})
        made = _claimed(caller.actor_id, self._once, app, now)
        if connection.execute(_claim(connection.dialect.name), made).first() is None:
            row = connection.execute(_find(""), self._own).one()
            _answer(self._once, row)

    def keep(self, result: Any) -> None:
        """Keep what the write is answered; the last thing of it.

        Raises:
            Rehearsed: it was only tried; the transaction is undone by this.
        """
        if self._tried:
            raise Rehearsed(result, ())
        if self._once is not None:
            status, headers, body = self._once.render(result)
            values = {"v_status": status, "v_body": body.decode(), "v_headers": dump_json(headers).decode()}
            self._connection.execute(_keep(""), {**self._own, **values})


# -- statements -----------------------------------------------------------------------------------------------------------


def _own() -> sa.ColumnElement[bool]:
    t = writing_tables.idempotency
    own = t.c.actor == sa.bindparam("own_actor", type_=Words())  # a column's own name is taken in an UPDATE
    return own & (t.c.key == sa.bindparam("own_key", type_=Words()))


def _expired(_dialect: str) -> sa.Delete:
    """Delete what has expired of this person's keys."""
    t = writing_tables.idempotency
    mine = t.c.actor == sa.bindparam("own_actor", type_=Words())
    return sa.delete(t).where(mine, t.c.created_at < sa.bindparam("before", type_=Instant()))


def _claim(dialect: str) -> Any:
    t = writing_tables.idempotency
    insert = (postgresql if dialect == POSTGRESQL else sqlite).insert(t)
    names = ("actor", "key", "app", "fingerprint", "created_at")
    values: dict[str, Any] = {name: sa.bindparam(name, type_=t.c[name].type) for name in names}
    return insert.values(values).on_conflict_do_nothing().returning(t.c.key)


def _find(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.idempotency
    return sa.select(t.c.fingerprint, t.c.status, t.c.headers, t.c.body).where(_own())


def _keep(_dialect: str) -> sa.Update:
    values: dict[str, Any] = {
        "status": sa.bindparam("v_status", type_=Whole()),
        "headers": sa.bindparam("v_headers", type_=Words()),
        "body": sa.bindparam("v_body", type_=Words()),
    }
    return sa.update(writing_tables.idempotency).where(_own()).values(values)
