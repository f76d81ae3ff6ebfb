"""What reminders see of records: moments and conditions, worked out by the database after everything else of the write is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import kept_type, with_variables
from builder.compiled.reminders import CompiledReminder
from builder.compiled.resolver import Joins
from builder.definition.reminder import StreakOccasion
from builder.kernel.canonical import dump_json
from builder.kernel.limits import STREAK_LENGTH
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Rows, Unit
from builder.store.types import Day, Instant, Whole, Words
from formulas.sql import Dialect, to_condition, to_stored
from formulas.tree import Path, Tree
from runtime.expressions.expressions import moment_for
from runtime.expressions.prepared import zone_only
from runtime.records.writer import Writing
from runtime.timers.counting import anchor_instant

#: A run of records in a row is counted no further back.
_RUN = 20 * STREAK_LENGTH


class Sight(NamedTuple):
    """What one reminder sees of one subject."""

    record_id: str
    """The record its actions would be about."""
    anchor: datetime | None
    """The latest of its moments; None: none has a value, or only history knows."""
    holds: bool
    """Whether it is watched."""
    paused: bool


NOTHING = Sight("", None, holds=False, paused=False)


def look(w: Writing, entity: CompiledEntity, ids: Iterable[str]) -> Unit[dict[str, dict[str, Sight]]]:
    """Return what every reminder whose timers belong to records sees of these: record -> reminder -> sight; one statement."""
    rules = record_rules(w.app, entity.key)
    wanted = sorted(ids)
    if not rules or not wanted:
        return {}
    statement = w.statements.kept(
        ("look", entity.key),
        lambda dialect: _select(w.app, entity, rules, "sqlite" if dialect == "sqlite" else "postgresql"),
    )
    rows = yield Query(statement, {**moment_for(w, statement), "ids": dump_json(wanted).decode()})
    return {str(row[0]): dict(_read(w, rules, str(row[0]), row)) for row in rows}


def record_rules(app: CompiledApp, entity: str) -> tuple[CompiledReminder, ...]:
    """Return the reminders of an entity whose timers belong to its records."""
    return tuple(app.reminders.of_records.get(entity, {}).values())


def _select(
    app: CompiledApp, entity: CompiledEntity, rules: Sequence[CompiledReminder], dialect: Dialect
) -> sa.Select[Any]:
    rows = entity.table.alias("x")
    joins = Joins(app, entity, rows, dialect)
    found: list[sa.ColumnElement[Any]] = [rows.c.id]
    for rule in rules:
        found += [_moment(app, joins, tree, dialect) for tree in rule.anchors]
        found += [_flag(app, joins, tree, dialect) for tree in (rule.condition, rule.pause) if tree is not None]
    labelled = [column.label(f"c{place}") for place, column in enumerate(found)]
    listed = sa.bindparam("ids", type_=sa.Text())
    if dialect == "sqlite":
        each = sa.func.json_each(listed).table_valued("value")
        inside = sa.select(each.c.value)
    else:
        texts = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON)).table_valued("value")
        inside = sa.select(sa.cast(texts.c.value, rows.c.id.type))
    return sa.select(*labelled).select_from(joins.from_clause()).where(rows.c.id.in_(inside))


def _moment(app: CompiledApp, joins: Joins, tree: Tree, dialect: Dialect) -> sa.ColumnElement[Any]:
    if isinstance(tree, Path):
        return joins.at(tree.steps)
    value = to_stored(with_variables(tree), kept_type(tree.type), joins, dialect, zone_only(app))
    return sa.type_coerce(value, Day() if tree.type.kind == "date" else Instant())


def _flag(app: CompiledApp, joins: Joins, tree: Tree, dialect: Dialect) -> sa.ColumnElement[Any]:
    return sa.case((to_condition(with_variables(tree), joins, dialect, zone_only(app)), 1), else_=0)


def _read(
    w: Writing, rules: Sequence[CompiledReminder], record_id: str, row: Sequence[Any]
) -> Iterable[tuple[str, Sight]]:
    place = 1
    for rule in rules:
        anchors = []
        for tree in rule.anchors:
            if row[place] is not None:
                anchors.append(
                    anchor_instant(rule.document, _read_moment(tree, row[place], w.statements.dialect), w.app.zone)
                )
            place += 1
        holds, paused = True, False
        if rule.condition is not None:
            holds, place = bool(row[place]), place + 1
        if rule.pause is not None:
            paused, place = bool(row[place]), place + 1
        yield rule.key, Sight(record_id, max(anchors, default=None), holds, paused)


def _read_moment(tree: Tree, value: Any, dialect: str) -> date:
    kind = Day() if tree.type.kind == "date" else Instant()
    found: date = kind.read_postgresql(value) if dialect == POSTGRESQL else kind.read_sqlite(value)
    return found


def _instant(w: Writing, value: Any) -> datetime:
    found: datetime = (
        Instant().read_postgresql(value) if w.statements.dialect == POSTGRESQL else Instant().read_sqlite(value)
    )
    return found


# -- timers that belong to a person or another record -----------------------------------------------------------------------


def look_by(w: Writing, rule: CompiledReminder, subject: str) -> Unit[Sight]:
    """Return what a reminder with ``by`` sees of a subject: its latest record, or the end of a streak."""
    streak = isinstance(rule.document.when, StreakOccasion)
    statement = w.statements.kept(
        ("look_by", rule.key),
        lambda dialect: _select_by(w.app, rule, "sqlite" if dialect == "sqlite" else "postgresql"),
    )
    values = {**moment_for(w, statement), "subject": subject, "limit": _RUN if streak else 1}
    rows = yield Query(statement, values)
    return _run_of(w, rule, rows) if streak else _latest_of(w, rows)


def _select_by(app: CompiledApp, rule: CompiledReminder, dialect: Dialect) -> sa.Select[Any]:
    entity, when = app.entities[rule.entity], rule.document.when
    rows = entity.table.alias("x")
    joins = Joins(app, entity, rows, dialect)
    assert rule.by is not None
    owner = joins.at((rule.by,))
    order = joins.at((when.order,)) if isinstance(when, StreakOccasion) and when.order else rows.c.created_at
    flag = sa.literal_column("1") if rule.streak is None else _flag(app, joins, rule.streak, dialect)
    pause = sa.literal_column("0") if rule.pause is None else _flag(app, joins, rule.pause, dialect)
    chosen = sa.select(rows.c.id, rows.c.created_at, flag.label("f"), pause.label("p")).select_from(joins.from_clause())
    if rule.condition is not None:
        chosen = chosen.where(to_condition(with_variables(rule.condition), joins, dialect, zone_only(app)))
    subject = sa.bindparam("subject", type_=rows.c[rule.by].type)
    chosen = chosen.where(owner == subject).order_by(
        order.desc().nulls_last(), rows.c.created_at.desc(), rows.c.id.desc()
    )
    return chosen.limit(sa.bindparam("limit", type_=Whole()))


def _latest_of(w: Writing, rows: Rows) -> Sight:
    if not rows:
        return NOTHING
    at = _instant(w, rows[0][1])
    return Sight(str(rows[0][0]), at, holds=True, paused=bool(rows[0][3]))


def _run_of(w: Writing, rule: CompiledReminder, rows: Rows) -> Sight:
    """A streak is complete with its last record, and again with every further ``length`` of them."""
    when = rule.document.when
    assert isinstance(when, StreakOccasion)
    run = 0
    while run < len(rows) and rows[run][2]:
        run += 1
    if run < when.length:
        return NOTHING
    complete = rows[run % when.length]  # the record with which the streak was last complete
    at = _instant(w, complete[1])
    return Sight(str(complete[0]), at, holds=True, paused=bool(rows[0][3]))


# -- what only history knows ------------------------------------------------------------------------------------------------

#: Doors through which the platform itself writes: that is no sign of life of a person.
OWN_DOORS = ("timer", "automation")


def last_changed(w: Writing, rule: CompiledReminder, record_id: str) -> Unit[datetime | None]:
    """Return when the tracked fields (or, of the whole record, anything) were last changed, from the record's events."""
    event = tables.event
    if rule.tracked:
        mine = sa.or_(*(event.c.changes.like(f'%"{key}":%') for key in sorted(rule.tracked)), event.c.kind == "created")
    else:
        mine = sa.and_(*(event.c.door != sa.literal_column(f"'{door}'") for door in OWN_DOORS)) | (
            event.c.kind == sa.literal_column("'created'")
        )
    statement = w.statements.kept(
        ("last_changed", rule.key),
        lambda _: (
            sa.select(event.c.at)
            .where(event.c.record_id == sa.bindparam("id", type_=event.c.record_id.type))
            .where(event.c.app == sa.bindparam("app", type_=Words()), mine)
            .order_by(event.c.id.desc())
            .limit(1)
        ),
    )
    rows = yield Query(statement, {"id": record_id, "app": w.app.key})
    return _instant(w, rows[0][0]) if rows else None
