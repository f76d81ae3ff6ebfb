"""How many records a list has in all: not at all, exactly, or cheaply.

The cheap way counts up to a bound. Beyond it PostgreSQL's planner is asked for its estimate; SQLite has none, so the answer is "at least".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from builder.compiled.app import CompiledApp
from builder.kernel.canonical import parse_json
from builder.kernel.limits import COUNTED_RECORDS
from builder.store.statement import POSTGRESQL, Query, Unit
from runtime.query.request import Count
from runtime.query.shape import ListShape
from runtime.query.statements import StatementCache, bounded_statement, count_statement, matching_statement

CountKind = Literal["exact", "estimate", "at_least"]


class Counted(NamedTuple):
    """A number of records, and what it is worth."""

    number: int
    kind: CountKind


def count_records(
    app: CompiledApp, pin: str, shape: ListShape, how: Count, values: Mapping[str, Any], cache: StatementCache
) -> Unit[Counted | None]:
    """Return how many records a list has without limit and cursor."""
    if how == "none":
        return None
    matching = (shape.selection.entity, shape.condition, shape.search)
    if how == "exact":
        statement = cache.get((pin, "count", *matching), lambda: count_statement(app, shape, cache.dialect))
        return Counted(int((yield Query(statement, values))[0][0]), "exact")
    bounded = cache.get((pin, "bounded", *matching), lambda: bounded_statement(app, shape, cache.dialect))
    found = int((yield Query(bounded, values))[0][0])
    if found <= COUNTED_RECORDS:
        return Counted(found, "exact")
    if cache.dialect != POSTGRESQL or app.sight is not None:  # an estimate tells of records that are hidden
        return Counted(COUNTED_RECORDS, "at_least")
    rows = cache.get((pin, "matching", *matching), lambda: matching_statement(app, shape, cache.dialect))
    plan = parse_json((yield Query(rows.explained(), values))[0][0])
    return Counted(max(int(plan[0]["Plan"]["Plan Rows"]), found), "estimate")
