"""Asking all guards of a move at once: formulas together, counts in one statement; if it can be foreseen, in that which reads the record."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.guards import AnyGuard
from builder.store.statement import Query, Row, Statement, Unit
from runtime.expressions.expressions import Expressions, moment_for
from runtime.expressions.prepared import Subject
from runtime.pipelines.guards import BY_MODEL
from runtime.pipelines.guards.base import Asking, Found, Standing
from runtime.pipelines.todo import Todo, without_hidden_labels
from runtime.query.statements import sql_dialect
from runtime.records.ahead import Along

_THE_RECORD = "id"
"""The formula that every record answers before it is read."""


class _Asked(NamedTuple):
    """A guard that applies to the record."""

    place: int
    guard: AnyGuard
    values: Sequence[Any]


@dataclass
class Beside:
    """A row that is asked for together with what guards count, so that it costs no trip of its own."""

    select: Callable[[], sa.Select[Any]]
    """Of one row or none."""
    values: Mapping[str, Any]
    row: Row | None = None
    """What was found, all blank where there is no such row; None: it was not asked for yet."""
    foreseen: _Foreseen | None = None
    """What was counted when the record was read."""


class _Foreseen(NamedTuple):
    """Counts with the row beside, and what they were asked for."""

    guards: list[AnyGuard]
    statement: Statement
    """As it counts without the record."""
    row: Row


def unmet(
    expressions: Expressions, s: Standing, guards: Sequence[AnyGuard], key: Hashable, beside: Beside | None = None
) -> Unit[list[Todo]]:
    """Return what is missing. Cost: one statement for formulas over related records, one for counts, whatever the number of guards.

    Args:
        key: names this list of guards within the published version; their statement is kept by it.
    """
    asked = yield from _applying(expressions, s, guards)
    counts = yield from _count(s, asked, key, beside)
    lines: list[Todo] = []
    for item, counted in zip(asked, counts, strict=True):
        found = yield from BY_MODEL[type(item.guard)].unmet(item.guard, s, Found(item.values, counted))
        lines += found if item.guard.message is not None else without_hidden_labels(s.w, s.entity, found)
    return lines


def foresee(s: Standing, guards: Sequence[AnyGuard], key: Hashable, beside: Beside) -> None:
    """Let a record that is about to be read ahead bring along what guards count, if that depends on nothing but its id.

    Args:
        s: nothing is shown of the record yet.
        guards: what it will be asked, as far as that is known.
    """
    ahead = s.w.course.ahead
    asked = [_Asked(n, guard, (s.record_id,)) for n, guard in enumerate(guards) if BY_MODEL[type(guard)].columns]
    if ahead is None or not all(_is_foreseeable(item.guard) for item in asked):
        return
    counting = _counting(s, asked, key, beside)
    select, looked = counting.make, s.w.statements.held_select

    def make(dialect: str) -> sa.Select[Any]:
        record, counts = looked(s.entity).subquery("record"), select(dialect).subquery("along")
        return sa.select(*record.c, *counts.c).select_from(record.outerjoin(counts, sa.true()))

    statement = s.w.statements.kept(("foreseen", s.entity.key, *counting.name), make)

    def take(row: Row) -> None:
        beside.foreseen = _Foreseen([item.guard for item in asked], counting.statement, row)

    ahead.along[s.entity.key, s.record_id] = Along(Query(statement, {**counting.values, "id": s.record_id}), take)


def _is_foreseeable(guard: AnyGuard) -> bool:
    return guard.when is None and all(text == _THE_RECORD for text in BY_MODEL[type(guard)].formulas(guard))


def _applying(expressions: Expressions, s: Standing, guards: Sequence[AnyGuard]) -> Unit[list[_Asked]]:
    """Evaluate all formulas at once; leave out guards whose ``when`` is not met."""
    texts = [BY_MODEL[type(guard)].formulas(guard) for guard in guards]
    whens = [() if guard.when is None else (guard.when,) for guard in guards]
    wanted = [text for when, listed in zip(whens, texts, strict=True) for text in (*when, *listed)]
    values: Iterator[Any] = iter(())
    if wanted:
        values = iter((yield from expressions.evaluate(s.w, Subject(s.entity, s.record_id, s.shown), wanted)))
    asked: list[_Asked] = []
    for place, (guard, when, listed) in enumerate(zip(guards, whens, texts, strict=True)):
        applies = not when or next(values) is True
        own = [next(values) for _ in listed]
        if applies:
            asked.append(_Asked(place, guard, own))
    return asked


def _count(s: Standing, asked: Sequence[_Asked], key: Hashable, beside: Beside | None) -> Unit[list[Sequence[Any]]]:
    """Return the counts of each guard, in their order."""
    counting = [item for item in asked if BY_MODEL[type(item.guard)].columns]
    if not counting and beside is None:
        return [() for _ in asked]
    row = _known(s, counting, beside)
    if row is None:
        question = _counting(s, counting, key, beside)
        row = (yield Query(question.statement, question.values))[0]
    found = iter(row)
    counts: list[Sequence[Any]] = [[next(found) for _ in range(BY_MODEL[type(item.guard)].columns)] for item in asked]
    if beside is not None:
        beside.row = tuple(found)
    return counts


def _known(s: Standing, counting: Sequence[_Asked], beside: Beside | None) -> Row | None:
    """Return what was counted when the record was read, unless something else is asked, or what is counted is to be written."""
    ahead, foreseen = s.w.course.ahead, beside.foreseen if beside is not None else None
    if ahead is None or foreseen is None or foreseen.guards != [item.guard for item in counting]:
        return None
    reads = foreseen.statement.reads
    return foreseen.row if reads is not None and reads.isdisjoint(ahead.written()) else None


class _Counting(NamedTuple):
    """The question what guards count, and the row beside."""

    name: tuple[Hashable, ...]
    make: Callable[[str], sa.Select[Any]]
    statement: Statement
    values: Mapping[str, Any]


def _counting(s: Standing, counting: Sequence[_Asked], key: Hashable, beside: Beside | None) -> _Counting:
    def make(dialect: str) -> sa.Select[Any]:
        columns: list[sa.ColumnElement[Any]] = []
        for item in counting:
            asking = Asking(s.w.app, sql_dialect(dialect), f"g{item.place}_")
            columns += BY_MODEL[type(item.guard)].counts(item.guard, asking)
        labelled = [column.label(f"c{place}") for place, column in enumerate(columns)]
        if beside is None:
            return sa.select(*labelled)
        one, row = sa.select(sa.literal_column("1").label("one")).subquery("one"), beside.select().subquery("beside")
        return sa.select(*labelled, *row.c).select_from(one.outerjoin(row, sa.true()))

    name = ("guards", key, tuple(item.place for item in counting), beside is not None)
    statement = s.w.statements.kept(name, make)
    values = moment_for(s.w, statement) | dict(beside.values if beside is not None else {})
    for item in counting:
        for of, value in BY_MODEL[type(item.guard)].values(item.guard, s, item.values).items():
            values[f"g{item.place}_{of}"] = value
    return _Counting(name, make, statement, values)
