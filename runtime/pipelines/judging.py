"""Asking all guards of a move at once: formulas together, counts in one statement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.guards import AnyGuard
from builder.store.statement import Query, Unit
from runtime.expressions.expressions import Expressions, moment_for
from runtime.expressions.prepared import Subject
from runtime.pipelines.guards import BY_MODEL
from runtime.pipelines.guards.base import Asking, Found, Standing
from runtime.pipelines.todo import Todo, without_hidden_labels
from runtime.query.statements import sql_dialect


class _Asked(NamedTuple):
    """A guard that applies to the record."""

    place: int
    guard: AnyGuard
    values: list[Any]


class Beside(NamedTuple):
    """A row that is asked for by the statement that counts, so that it costs no trip of its own."""

    select: Callable[[], sa.Select[Any]]
    """Of one row or none."""
    values: Mapping[str, Any]


def unmet(
    expressions: Expressions,
    s: Standing,
    guards: Sequence[AnyGuard],
    key: Hashable,
    beside: Beside | None = None,
    take: Callable[[Sequence[Any]], None] = lambda _: None,
) -> Unit[list[Todo]]:
    """Return what is missing. Cost: one statement for formulas over related records, one for counts, whatever the number of guards.

    Args:
        key: names this list of guards within the published version; their statement is kept by it.
        take: is given the row beside, all blank where there is none.
    """
    asked = yield from _applying(expressions, s, guards)
    counts = yield from _count(s, asked, key, beside, take)
    lines: list[Todo] = []
    for item, counted in zip(asked, counts, strict=True):
        found = yield from BY_MODEL[type(item.guard)].unmet(item.guard, s, Found(item.values, counted))
        lines += found if item.guard.message is not None else without_hidden_labels(s.w, s.entity, found)
    return lines


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


def _count(
    s: Standing,
    asked: Sequence[_Asked],
    key: Hashable,
    beside: Beside | None,
    take: Callable[[Sequence[Any]], None],
) -> Unit[list[Sequence[Any]]]:
    """Return the counts of each guard, in their order."""
    counting = [item for item in asked if BY_MODEL[type(item.guard)].columns]
    if not counting and beside is None:
        return [() for _ in asked]

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

    places = tuple(item.place for item in counting)
    statement = s.w.statements.kept(("guards", key, places, beside is not None), make)
    given = moment_for(s.w, statement) | dict(beside.values if beside is not None else {})
    for item in counting:
        for name, value in BY_MODEL[type(item.guard)].values(item.guard, s, item.values).items():
            given[f"g{item.place}_{name}"] = value
    row = iter((yield Query(statement, given))[0])
    counts: list[Sequence[Any]] = [[next(row) for _ in range(BY_MODEL[type(item.guard)].columns)] for item in asked]
    if beside is not None:
        take(tuple(row))
    return counts
