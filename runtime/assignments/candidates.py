"""People a step of a rule may choose from, with what is known of each: load, last turn, absence, score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import with_variables
from builder.compiled.resolver import Joins
from builder.definition.assignment import Assignment, Measure, Score
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.text import Text, say
from builder.store import process_tables, tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Instant, Words
from formulas.checker import check_condition
from formulas.errors import CellError
from formulas.sql import to_condition
from formulas.values import display
from runtime.automations.runs import shown_at
from runtime.expressions.expressions import Expressions, context_of, moment
from runtime.expressions.prepared import Subject, zone_only
from runtime.records.writer import Writing

_REST_HOURS = 240


@dataclass
class Candidate:
    """A person who might get the record."""

    user_id: str
    name: str
    department_id: str | None
    areas: tuple[str, ...]
    open: int = 0
    turn: int = 0
    """Sequence of the last decision for them; 0 = never."""
    turn_at: datetime | None = None
    passed_over: Text | None = None
    score: int | None = None
    measures: dict[str, int] = field(default_factory=dict)


def known_people(w: Writing, user_ids: Sequence[str]) -> Unit[list[Candidate]]:
    """Return candidates in the order given."""
    u = tables.user.c
    statement = w.statements.kept(
        ("assignment", "people"),
        lambda _: sa.select(u.id, u.name, u.department_id, u.areas).where(u.id.in_(w.statements.listed())),
    )
    rows = yield Query(statement, {"ids": _listed(user_ids)})
    found = {
        str(row[0]): Candidate(str(row[0]), row[1], None if row[2] is None else str(row[2]), tuple(parse_json(row[3])))
        for row in rows
    }
    return [found[user_id] for user_id in user_ids if user_id in found]


def count_open(w: Writing, rule: Assignment, candidates: Sequence[Candidate], besides: str) -> Unit[None]:
    """Note how many open records each has, not counting the record itself."""
    entity = w.app.entities[rule.entity]
    counts = yield from _counts(w, entity, rule.person, rule.open_if, candidates, besides)
    for candidate in candidates:
        candidate.open = counts.get(candidate.user_id, 0)


def _counts(
    w: Writing, entity: CompiledEntity, person: str, where: str | None, candidates: Sequence[Candidate], besides: str
) -> Unit[dict[str, int]]:
    def make(dialect: str) -> sa.Select[Any]:
        kind: Any = "sqlite" if dialect == "sqlite" else "postgresql"
        joins = Joins(w.app, entity, entity.table, kind)
        column = entity.table.c[person]
        conditions = [
            column.in_(w.statements.listed()),
            entity.table.c.id != sa.bindparam("besides", type_=Identifier()),
        ]
        if where is not None:
            tree = with_variables(check_condition(where, w.app, entity.key))
            conditions.append(to_condition(tree, joins, kind, zone_only(w.app)))
        chosen = sa.select(column, sa.func.count()).select_from(joins.from_clause())
        return chosen.where(*conditions).group_by(column)

    statement = w.statements.kept(("assignment", "counts", entity.key, person, where), make)
    ids = _listed([c.user_id for c in candidates])
    rows = yield Query(statement, {**moment(context_of(w)), "ids": ids, "besides": besides})
    return {str(row[0]): int(row[1]) for row in rows}


def read_turns(w: Writing, rule: Assignment, candidates: Sequence[Candidate]) -> Unit[None]:
    """Note when each had their last turn by this rule."""
    t = process_tables.assignment_turn.c
    statement = w.statements.kept(
        ("assignment", "turns"),
        lambda _: sa.select(t.user_id, t.sequence, t.at).where(
            t.app == sa.bindparam("app", type_=Words()), t.rule == sa.bindparam("rule", type_=Words())
        ),
    )
    rows = yield Query(statement, {"app": w.app.key, "rule": rule.key})
    turns = {str(row[0]): (int(row[1]), datetime.fromisoformat(shown_at(row[2]))) for row in rows}
    for candidate in candidates:
        candidate.turn, candidate.turn_at = turns.get(candidate.user_id, (0, None))


def pass_over_away(w: Writing, candidates: Sequence[Candidate]) -> Unit[None]:
    """Pass over who is on leave or travelling now."""
    a = process_tables.absence.c
    now = sa.bindparam("now", type_=Instant())
    statement = w.statements.kept(
        ("assignment", "absences"),
        lambda _: sa.select(a.user_id, a.kind, a.ends_at).where(
            a.user_id.in_(w.statements.listed()), a.begins_at <= now, a.ends_at > now
        ),
    )
    rows = yield Query(statement, {"ids": _listed([c.user_id for c in candidates]), "now": w.now})
    away = {str(row[0]): (row[1], datetime.fromisoformat(shown_at(row[2]))) for row in rows}
    for candidate in candidates:
        if candidate.user_id in away and candidate.passed_over is None:
            kind, until = away[candidate.user_id]
            shown = until.astimezone(w.app.zone).strftime("%m-%d %H:%M")
            label = ABSENCES.get(kind, ABSENCES["other"])
            candidate.passed_over = say(f"{label.zh}至 {shown}", f"{label.en} until {shown}")


ABSENCES: Mapping[str, Text] = {
    "leave": say("休假", "on leave"),
    "travel": say("出差", "travelling"),
    "training": say("培训", "in training"),
    "other": say("不在岗", "away"),
}


def score_all(
    w: Writing, expressions: Expressions, subject: Subject, rule: Assignment, picker: Score, free: Sequence[Candidate]
) -> Unit[None]:
    """Give each a score: the weighted sum of the measures."""
    for candidate in free:
        candidate.score = 0
    for place, measure in enumerate(picker.measures):
        values = yield from _measure(w, expressions, subject, measure, free)
        for candidate in free:
            value = values(candidate)
            candidate.measures[f"{place}:{measure.of}"] = value
            candidate.score = (candidate.score or 0) + measure.weight * value


def _measure(
    w: Writing, expressions: Expressions, subject: Subject, measure: Measure, free: Sequence[Candidate]
) -> Unit[Callable[[Candidate], int]]:
    if measure.of == "open":
        return lambda candidate: candidate.open
    if measure.of == "rest_hours":
        return lambda candidate: _rest_hours(w.now, candidate.turn_at)
    if measure.of == "records":
        assert measure.entity is not None
        assert measure.person is not None
        entity = w.app.entities[measure.entity]
        counts = yield from _counts(w, entity, measure.person, measure.where, free, subject.record_id)
        return lambda candidate: counts.get(candidate.user_id, 0)
    values = yield from expressions.evaluate(w, subject, [measure.field or "id"])
    value = None if isinstance(values[0], CellError) else values[0]
    if measure.of == "area":
        shown = display(value) if value is not None else ""
        return lambda candidate: int(bool(shown) and shown in candidate.areas)
    return lambda candidate: int(value is not None and candidate.department_id == value)


def _rest_hours(now: datetime, since: datetime | None) -> int:
    if since is None:
        return _REST_HOURS
    return min(_REST_HOURS, int((now - since) / timedelta(hours=1)))


def _listed(ids: Sequence[str]) -> str:
    return dump_json(list(ids)).decode()
