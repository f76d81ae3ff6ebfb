"""Locks in the one write path: after so many days, in a closed period, or under a condition, records stand still for everybody.

Who holds one of a lock's override roles (or is an admin) may write with a reason, which is a security event of the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.calendars.working import WorkingCalendar
from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import viewer_values
from builder.definition.kinds import LOCKS
from builder.definition.lock import Lock
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json
from builder.kernel.clock import in_zone
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Words
from formulas.schema import Context
from runtime.access.grants import read_rows, roles_of
from runtime.identity.audit import Origin
from runtime.identity.audit_unit import note_unit
from runtime.query.variables import viewer
from runtime.records.rights import conditions_statement
from runtime.records.seams import Intent

if TYPE_CHECKING:
    from runtime.records.writer import Writing

_SAMPLE = 20


class Locks:
    """The rule of the write path that judges by locks."""

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Entities that have locks."""
        return any(lock.entity == entity.key for lock in app.whole.definition.of(LOCKS))

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        """Return a violation for each lock that a write meets, unless it is overridden.

        Raises:
            Problem: ``access.denied`` for an override by somebody who may not.
        """
        if w.caller.for_app or w.caller.door in ("install", "import"):
            return []
        entity = intents[0].entity
        met: list[tuple[Lock, Intent, Text]] = []
        for lock in w.app.definition.of(LOCKS):
            if lock.entity == entity.key:
                met += yield from self._met(w, lock, entity, intents)
        if met and w.caller.override:
            for lock, _, _ in met:
                _require_override(w, lock)
            w.course.after.append(partial(_note_override, met=tuple(met)))
            return []
        return [
            Violation("locked", intent.pointer, text, {"lock": lock.key, "override": _may_override(w, lock)})
            for lock, intent, text in met
        ]

    def _met(
        self, w: Writing, lock: Lock, entity: CompiledEntity, intents: Sequence[Intent]
    ) -> Unit[list[tuple[Lock, Intent, Text]]]:
        touched = [intent for intent in intents if _touches(lock, intent)]
        if lock.when is not None and touched:
            old = [intent for intent in touched if intent.deed != "created"]
            held = yield from _true_of(w, lock, entity, [intent.record_id for intent in old])
            touched = [intent for intent in old if intent.record_id in held]
        if lock.period is not None and touched:
            until = yield from _closed_until(w, lock)
            touched = [intent for intent in touched if until is not None and _in_period(w, lock, intent, until)]
        if lock.after is not None:
            touched = [intent for intent in touched if _is_over(w, lock, intent)]
        return [(lock, intent, _text(lock)) for intent in touched]


def _touches(lock: Lock, intent: Intent) -> bool:
    if intent.deed == "deleted":
        return not lock.fields
    if intent.deed == "created":
        return lock.period is not None
    return bool(intent.changed & set(lock.fields)) if lock.fields else bool(intent.changed)


def _true_of(w: Writing, lock: Lock, entity: CompiledEntity, ids: Sequence[str]) -> Unit[set[str]]:
    if not ids:
        return set()

    def make(dialect: str) -> sa.Select[Any]:
        rows = read_rows(w.app, entity, lock.when, frozenset())
        return conditions_statement(w.app, Context(now=w.now, zone=w.app.zone), entity, ((rows,),), dialect)

    statement = w.statements.kept(("lock", lock.key), make)
    values = viewer_values(viewer(w.app, w.caller.actor, w.now))
    rows = yield Query(statement, {**values, "ids": dump_json(sorted(set(ids))).decode()})
    return {str(row[0]) for row in rows if row[1]}


def _closed_until(w: Writing, lock: Lock) -> Unit[date | None]:
    table = tables.closed_period

    def make(_dialect: str) -> sa.Select[Any]:
        here = (table.c.app == sa.bindparam("app", type_=Words())) & (
            table.c.lock == sa.bindparam("lock", type_=Words())
        )
        return sa.select(table.c.closed_until).where(here)

    rows = yield Query(w.statements.kept(("closed period",), make), {"app": w.app.key, "lock": lock.key})
    return _day(rows[0][0], w) if rows else None


def _in_period(w: Writing, lock: Lock, intent: Intent, until: date) -> bool:
    """Whether the record lies in the closed period, or is to be moved into it."""
    assert lock.period is not None
    days = [_day(values.get(lock.period.field), w) for values in (intent.before, intent.after)]
    return any(day is not None and day <= until for day in days)


def _is_over(w: Writing, lock: Lock, intent: Intent) -> bool:
    assert lock.after is not None
    start = _day(intent.before.get(lock.after.field), w)
    if start is None:
        return False
    last = last_free_day(w.published.calendar if lock.after.count == "working_days" else None, start, lock.after.days)
    return w.now.astimezone(w.app.zone).date() > last


def last_free_day(calendar: WorkingCalendar | None, start: date, days: int) -> date:
    """Return the last day on which a record of a day may still be changed; without a calendar every day counts."""
    try:
        if calendar is None:
            return start + timedelta(days=days)
        day, left = start, days
        while left:
            day += timedelta(days=1)
            left -= calendar.is_worked(day)
        return day
    except OverflowError:  # there is none after the last day of the year 9999
        return date.max


def _day(value: Any, w: Writing) -> date | None:
    if isinstance(value, str):
        if len(value) <= 10:
            return date.fromisoformat(value)
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return in_zone(value, w.app.zone).date()
    return value if isinstance(value, date) else None


def _text(lock: Lock) -> Text:
    label, help_ = label_text(lock.label), label_text(lock.help) if lock.help is not None else say("", "")
    return say(
        f"已锁定:{label.zh}{'。' + help_.zh if help_.zh else ''}",
        f"Locked: {label.en}{'. ' + help_.en if help_.en else ''}",
    )


def _may_override(w: Writing, lock: Lock) -> bool:
    actor = w.caller.actor
    return actor is not None and (actor.role == "admin" or bool(roles_of(w.app, actor) & set(lock.override)))


def _require_override(w: Writing, lock: Lock) -> None:
    if not _may_override(w, lock):
        label = label_text(lock.label)
        raise Problem(
            "access.denied", say(f"您不能越过锁定“{label.zh}”", f'You may not override the lock "{label.en}"')
        )


def _note_override(w: Writing, *, met: tuple[tuple[Lock, Intent, Text], ...]) -> Unit[None]:
    detail: Mapping[str, Any] = {
        "app": w.app.key,
        "entity": met[0][1].entity.key,
        "records": sorted({intent.record_id for _, intent, _ in met})[:_SAMPLE],
        "locks": sorted({lock.key for lock, _, _ in met}),
        "reason": w.caller.override,
    }
    origin = Origin(w.caller.actor_id, "", w.caller.request_id)
    yield from note_unit(w.statements.cache.dialect, w.now, "override", origin, met[0][1].record_id, detail)
