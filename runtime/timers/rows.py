"""Rows of ``dougong_timer`` and ``dougong_timer_firing``: their shape and the statements that read and write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from builder.compiled.app import CompiledApp
from builder.kernel.canonical import dump_json
from builder.store import tables
from builder.store.sheets import insert_sheet, update_sheet
from builder.store.statement import OWN_ROW, POSTGRESQL, SQLITE, Query, Sheet, Unit
from builder.store.types import Identifier, Instant, StoredType, Whole, Words
from runtime.records.statements import RecordStatements

timer, firing, rearm = tables.timer, tables.timer_firing, tables.timer_rearm


class Timer(NamedTuple):
    """One timer. ``due_at`` None: nothing is to come, or it stands still."""

    generation: str
    app: str
    rule: str
    subject: str
    entity: str
    record_id: str
    step: int
    anchor_at: datetime
    due_at: datetime | None
    calendar: str | None
    provisional: bool
    paused_at: datetime | None = None
    paused_seconds: int = 0
    snoozed_until: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


_COLUMNS = Timer._fields
_Reader = Callable[[Any], Any]


def _readers(table: sa.Table, names: Iterable[str], dialect: str) -> tuple[_Reader | None, ...]:
    """Return what reads each column of the driver's rows; None: the value is what it is."""
    found: list[_Reader | None] = []
    for name in names:
        kind = table.c[name].type
        assert isinstance(kind, StoredType)
        way = "read_postgresql" if dialect == POSTGRESQL else "read_sqlite"
        plain = getattr(type(kind), way) is getattr(StoredType, way)
        found.append(None if plain else getattr(kind, way))
    return tuple(found)


_TIMER_READERS = {dialect: _readers(timer, _COLUMNS, dialect) for dialect in (SQLITE, POSTGRESQL)}
_FIRING_READERS = {dialect: _readers(firing, firing.c.keys(), dialect) for dialect in (SQLITE, POSTGRESQL)}


def read_row(row: Sequence[Any], dialect: str) -> Timer:
    """Turn a row of the driver into a timer."""
    return Timer._make(_read(row, _TIMER_READERS[dialect]))


def _read(row: Sequence[Any], readers: Sequence[_Reader | None]) -> Iterator[Any]:
    for value, read in zip(row, readers, strict=True):
        yield value if read is None or value is None else read(value)


def columns() -> list[sa.Column[Any]]:
    """Return the columns in the order of ``Timer``."""
    return [timer.c[name] for name in _COLUMNS]


def timers_of(statements: RecordStatements, app: CompiledApp, entity: str, ids: Iterable[str]) -> Unit[list[Timer]]:
    """Return the timers whose actions are about these records."""
    found = yield from own_timers(statements, app, entity, ids)
    if not _has_others(app, entity):
        return found
    statement = statements.kept(
        ("others_timers",), lambda _: sa.select(*columns()).where(*_of_others(statements.listed()))
    )
    rows = yield Query(statement, {"app": app.key, "entity": entity, "ids": _listed(ids)})
    return [*found, *(read_row(row, statements.dialect) for row in rows)]


def own_timers(statements: RecordStatements, app: CompiledApp, entity: str, ids: Iterable[str]) -> Unit[list[Timer]]:
    """Return the timers that belong to these records themselves."""
    if not app.reminders.of_entity(entity):
        return []
    statement = statements.kept(
        ("own_timers", entity), lambda _: sa.select(*columns()).where(*_own(app, entity, statements.listed()))
    )
    rows = yield Query(statement, {"app": app.key, "ids": _listed(ids)})
    return [read_row(row, statements.dialect) for row in rows]


def _own(app: CompiledApp, entity: str, ids: sa.Select[Any]) -> list[sa.ColumnElement[bool]]:
    """Name the timers that belong to records by their key: there is no index by record for them."""
    rules = [sa.literal_column(f"'{rule.key}'", Words()) for rule in app.reminders.of_entity(entity)]
    mine = timer.c.record_id == timer.c.subject
    return [timer.c.app == _words("app"), timer.c.rule.in_(rules), timer.c.subject.in_(ids), mine]


def _of_others(ids: sa.Select[Any]) -> list[sa.ColumnElement[bool]]:
    """Name the timers about records that belong to a person or another record."""
    here = [timer.c.app == _words("app"), timer.c.entity == _words("entity"), timer.c.record_id.in_(ids)]
    return [*here, timer.c.record_id != timer.c.subject]


def _has_others(app: CompiledApp, entity: str) -> bool:
    return any(rule.by is not None for rule in app.reminders.of_entity(entity))


def timers_of_subjects(statements: RecordStatements, app: str, rule: str, subjects: Iterable[str]) -> Unit[list[Timer]]:
    """Return the timers of a rule that belong to these subjects."""
    statement = statements.kept(
        ("timers_of_subjects",),
        lambda _: sa.select(*columns()).where(
            timer.c.app == _words("app"), timer.c.rule == _words("rule"), timer.c.subject.in_(statements.listed())
        ),
    )
    rows = yield Query(statement, {"app": app, "rule": rule, "ids": _listed(subjects)})
    return [read_row(row, statements.dialect) for row in rows]


def put_timers(statements: RecordStatements, timers: Sequence[Timer]) -> Unit[None]:
    """Insert timers, or replace those of the same rule and subject; in the order of subjects, so that two writers do not wait for each other."""
    if not timers:
        return
    ordered = sorted(timers, key=lambda found: (found.rule, found.subject))
    rows = [found._asdict() for found in ordered]
    yield Query(statements.kept(("put_timers",), _put), rows if len(rows) > 1 else rows[0])


def add_timers(statements: RecordStatements, timers: Sequence[Timer]) -> Unit[None]:
    """Insert timers of subjects that have none of these rules."""
    if timers:
        rows = [found._asdict() for found in timers]
        yield Query(
            statements.kept(("add_timers",), lambda _: sa.insert(timer).values(_given())),
            rows if len(rows) > 1 else rows[0],
        )


def replace_seen(statements: RecordStatements, seen: Timer, by: Timer) -> Unit[None]:
    """Change a timer that is still as it was seen; a write that is run ahead fails if it is not."""
    values = {f"v_{name}": value for name, value in by._asdict().items()}
    statement = statements.kept(("replace_seen",), lambda _: sa.update(timer).where(*_as_seen()).values(_given("v_")))
    yield Query(statement, {**values, **_state(seen)})


def drop_seen(statements: RecordStatements, seen: Timer) -> Unit[None]:
    """Delete a timer that is still as it was seen; a write that is run ahead fails if it is not."""
    yield Query(statements.kept(("drop_seen",), lambda _: sa.delete(timer).where(*_as_seen())), _state(seen))


_KEY = ("app", "rule", "subject")
_STATE = ("generation", "step", "due_at", "acknowledged_at")
"""One of these differs after whatever else may happen to a timer: it fires, is put off, stopped, counted anew."""


def _as_seen() -> list[sa.ColumnElement[bool]]:
    seen = {name: sa.bindparam(f"s_{name}", type_=timer.c[name].type) for name in (*_KEY, *_STATE)}
    same = [timer.c[name].is_not_distinct_from(seen[name]) for name in ("due_at", "acknowledged_at")]
    return [*(timer.c[name] == seen[name] for name in (*_KEY, "generation", "step")), *same]


def _state(seen: Timer) -> dict[str, Any]:
    return {f"s_{name}": getattr(seen, name) for name in (*_KEY, *_STATE)}


_MOVED = ("step", "due_at", "calendar", "provisional", "snoozed_until")
_OF_A_FIRING = ("app", "fired_at")
"""What all that is written down of one firing shares."""


def move_timers(statements: RecordStatements, timers: Sequence[Timer]) -> Unit[None]:
    """Write down the next step of timers that are held and are what they were besides."""
    if not timers:
        return
    statement = statements.kept(("move_timers",), lambda dialect: update_sheet(timer, _MOVED, dialect))
    rows = [
        {
            "v_app": found.app,
            "v_rule": found.rule,
            "v_subject": found.subject,
            "v_step": found.step,
            "v_due_at": found.due_at,
            "v_calendar": found.calendar,
            "v_provisional": found.provisional,
            "v_snoozed_until": found.snoozed_until,
        }
        for found in timers
    ]
    yield Query(statement, Sheet({}, rows))


def _given(prefix: str = "") -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(prefix + name, type_=timer.c[name].type) for name in _COLUMNS}


def _put(dialect: str) -> sa.ClauseElement:
    made = (postgresql.insert if dialect == POSTGRESQL else sqlite.insert)(timer).values(_given())
    others = {name: made.excluded[name] for name in _COLUMNS if name not in _KEY}
    put = made.on_conflict_do_update(index_elements=list(_KEY), set_=others)
    return put.execution_options(**{OWN_ROW: True})


def drop_timers(statements: RecordStatements, app: str, keys: Iterable[tuple[str, str]]) -> Unit[None]:
    """Delete timers by rule and subject, whatever their generation."""
    rows = [{"app": app, "rule": rule, "subject": subject} for rule, subject in sorted(keys)]
    if not rows:
        return
    statement = statements.kept(
        ("drop_timers",),
        lambda _: sa.delete(timer).where(
            timer.c.app == _words("app"),
            timer.c.rule == _words("rule"),
            timer.c.subject == sa.bindparam("subject", type_=Identifier()),
        ),
    )
    yield Query(statement, rows if len(rows) > 1 else rows[0])


def drop_of_records(statements: RecordStatements, app: CompiledApp, entity: str, ids: Iterable[str]) -> Unit[None]:
    """Delete the timers of records that are gone."""
    values = {"app": app.key, "entity": entity, "ids": _listed(ids)}
    yield Query(
        statements.kept(
            ("drop_own_timers", entity), lambda _: sa.delete(timer).where(*_own(app, entity, statements.listed()))
        ),
        values,
    )
    if _has_others(app, entity):
        yield Query(
            statements.kept(
                ("drop_others_timers",), lambda _: sa.delete(timer).where(*_of_others(statements.listed()))
            ),
            values,
        )


class Named(NamedTuple):
    """One arming of a timer."""

    rule: str
    subject: str
    generation: str


def claim(
    statements: RecordStatements, app: str, now: datetime, limit: int, only: Named | None = None
) -> Unit[list[Timer]]:
    """Hold timers of an app that are due and that nobody else holds, the longest due first.

    Args:
        only: this one alone.
    """

    def make(dialect: str) -> sa.Select[Any]:
        due = timer.c.due_at <= sa.bindparam("now", type_=Instant())
        chosen = sa.select(*columns()).where(timer.c.app == _words("app"), due)
        if only is not None:
            chosen = chosen.where(*(timer.c[n] == sa.bindparam(n, type_=timer.c[n].type) for n in Named._fields))
        chosen = chosen.order_by(timer.c.due_at).limit(sa.bindparam("limit", type_=Whole()))
        return chosen.with_for_update(skip_locked=True) if dialect == POSTGRESQL else chosen

    statement = statements.kept(("claim_timers", only is None), make)
    named = {} if only is None else only._asdict()
    rows = yield Query(statement, {"app": app, "now": now, "limit": limit, **named})
    return [read_row(row, statements.dialect) for row in rows]


def note_firings(statements: RecordStatements, rows: Sequence[Mapping[str, Any]]) -> Unit[None]:
    """Write down what became of steps; no step of a generation twice."""
    if not rows:
        return
    statement = statements.kept(
        ("note_firings",), lambda dialect: insert_sheet(firing, firing.c, _OF_A_FIRING, dialect, {})
    )
    yield Query(statement, Sheet({name: rows[0][name] for name in _OF_A_FIRING}, rows))


def firings_of(
    statements: RecordStatements, app: str, entity: str, record_id: str, limit: int
) -> Unit[list[dict[str, Any]]]:
    """Return what fired for a record, the latest first."""
    statement = statements.kept(
        ("firings_of",),
        lambda _: (
            sa.select(*firing.c)
            .where(
                firing.c.app == _words("app"),
                firing.c.entity == _words("entity"),
                firing.c.record_id == sa.bindparam("record_id", type_=Identifier()),
            )
            .order_by(firing.c.fired_at.desc(), firing.c.step.desc())
            .limit(sa.bindparam("limit", type_=Whole()))
        ),
    )
    rows = yield Query(statement, {"app": app, "entity": entity, "record_id": record_id, "limit": limit})
    readers = _FIRING_READERS[statements.dialect]
    return [dict(zip(firing.c.keys(), _read(row, readers), strict=True)) for row in rows]


def due_apps_statement() -> sa.Select[Any]:
    """Return the select of apps in which something is due, with the moment since when."""
    first = _first_of_app().where(timer.c.due_at <= sa.bindparam("now", type_=Instant())).scalar_subquery()
    each = sa.select(tables.app.c.key, first.label("due_at")).subquery("a")
    return sa.select(each.c.key).where(each.c.due_at.is_not(None)).order_by(each.c.due_at)


def due_of_app_statement() -> sa.Select[Any]:
    """Return the select of what is due in an app (``Named``), without holding it."""
    due = timer.c.due_at <= sa.bindparam("now", type_=Instant())
    chosen = sa.select(*(timer.c[name] for name in Named._fields)).where(timer.c.app == _words("app"), due)
    return chosen.order_by(timer.c.due_at).limit(sa.bindparam("limit", type_=Whole()))


def next_due_statement() -> sa.Select[Any]:
    """Return the select of the earliest moment at which something is due."""
    first = _first_of_app().scalar_subquery()
    each = sa.select(first.label("due_at")).select_from(tables.app).subquery("a")
    return sa.select(sa.func.min(each.c.due_at))


def _first_of_app() -> sa.Select[Any]:
    here = (timer.c.app == tables.app.c.key) & timer.c.due_at.is_not(None)
    return sa.select(sa.func.min(timer.c.due_at)).where(here).correlate(tables.app)


def _words(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=Words())


def _listed(ids: Iterable[str]) -> str:
    return dump_json(list(ids)).decode()
