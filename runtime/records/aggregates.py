"""Aggregates: groups, totals and labels read in one unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.resolver import Joins
from builder.fields.base import Field, label_text
from builder.fields.parts.choices import ChoiceField
from builder.fields.reference import ReferenceField
from builder.kernel.text import Text, say
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier
from formulas.sqlforms.binds import list_type
from runtime.access.gate import FieldMap
from runtime.query.aggregate_request import AggregateRequest
from runtime.query.aggregate_rows import AggregateReader
from runtime.query.aggregate_shape import AggregatePlan, plan_aggregate
from runtime.query.aggregate_statement import aggregate_statement
from runtime.query.pending import Pending, pending_jobs, read_pending
from runtime.query.statements import StatementCache, sql_dialect
from runtime.query.variables import variables, viewer
from runtime.records.caller import Caller
from runtime.records.pins import check_guard

JSON = Any


@dataclass(frozen=True, slots=True)
class Groups:
    """The answer to an aggregate."""

    groups: list[dict[str, JSON]]
    has_more: bool
    totals: dict[str, JSON] | None = None
    labels: dict[str, dict[str, Text]] = field(default_factory=dict)
    """Of the keys of groups that are options or references."""
    pending: Pending = ()
    """Jobs that still compute fields which were read for it."""


class _Titles(NamedTuple):
    """Where the names of what a group key points to are."""

    table: sa.Table
    column: str
    entity: CompiledEntity | None = None


def note_labels(app: CompiledApp, plan: AggregatePlan, field_map: FieldMap) -> None:
    """Note what labels show of the records that groups point to."""
    for shown in plan.fields[: len(plan.shape.groups)]:
        if isinstance(shown, ReferenceField) and (title := app.entities[shown.entity].title_key):
            field_map.add(shown.entity, title, "select")


def plan_groups(
    app: CompiledApp, caller: Caller, entity: CompiledEntity, request: AggregateRequest, now: datetime
) -> tuple[AggregatePlan, FieldMap]:
    """Plan an aggregate, with every path it touches."""
    field_map = FieldMap()
    plan = plan_aggregate(app, entity, request, asker=viewer(app, caller.actor, now), field_map=field_map)
    if request.labels:
        note_labels(app, plan, field_map)
    plan.values.update(variables(app, caller.actor, now))
    return plan, field_map


def read_groups(
    published: PublishedApp,
    caller: Caller,
    plan: AggregatePlan,
    request: AggregateRequest,
    touched: FieldMap,
    cache: StatementCache,
) -> Unit[Groups]:
    """Return groups with their measures, the totals over all records if the plan has them, and labels of keys."""
    app, shape, limit = published.app, plan.shape, request.limit
    statement = cache.get((published.key, "aggregate", shape), lambda: aggregate_statement(app, shape, cache.dialect))
    rows = yield Query(statement, {**plan.values, "app": app.key})
    check_guard(published, caller, rows[0][0], rows[0][1])
    reader = AggregateReader(shape, plan.names, plan.fields, cache.dialect)
    groups = [reader.read(row) for row in rows[:limit] if row[2] is not None]
    totals: dict[str, JSON] | None = None
    if plan.totals is not None:
        whole, count = plan.totals, len(shape.groups)
        summed = cache.get((published.key, "aggregate", whole), lambda: aggregate_statement(app, whole, cache.dialect))
        found = yield Query(summed, {**plan.values, "app": app.key, "limit": 1})
        totals = AggregateReader(whole, plan.names[count:], plan.fields[count:], cache.dialect).read(found[0])
    named: dict[str, dict[str, Text]] = {}
    if request.labels:
        named = yield from _labels(published, plan, groups, cache)
    pending = yield from _pending(app, touched, cache)
    return Groups(groups, len(rows) > limit and limit > 0, totals, named, pending)


def _pending(app: CompiledApp, touched: FieldMap, cache: StatementCache) -> Unit[Pending]:
    """Ask only where computed fields that are kept have been read."""
    among = {(entity, path) for entity, path, _ in touched.uses if (entity, path) in app.computed}
    columns = pending_jobs([app.entities[key] for key in sorted({entity for entity, _ in among})], cache.dialect)
    if not columns:
        return ()
    rows = yield Query(cache.get((app.key, "pending", str(columns[0])), lambda: sa.select(*columns)), {"app": app.key})
    return read_pending(app, rows[0], among)


def _labels(
    published: PublishedApp, plan: AggregatePlan, groups: list[dict[str, JSON]], cache: StatementCache
) -> Unit[dict[str, dict[str, Text]]]:
    named: dict[str, dict[str, Text]] = {}
    for name, shown in zip(plan.names, plan.fields[: len(plan.shape.groups)], strict=False):
        used = sorted({group[name] for group in groups if isinstance(group[name], str)})
        if isinstance(shown, ChoiceField):
            labels = {option.key: label_text(option.label) for option in shown.options}
            named[name] = {key: labels[key] for key in used if key in labels}
        elif (titles := _titles(published.app, shown)) is not None and used:
            statement = cache.get(
                (published.key, "titles", titles.table.name, titles.column),
                lambda titles=titles: _titles_statement(published.app, titles, cache.dialect),  # type: ignore[misc] # bound now, called now
            )
            rows = yield Query(statement, {**plan.values, "ids": used})
            named[name] = {str(row[0]): say(str(row[1]), str(row[1])) for row in _present(rows)}
    return named


def _present(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if row[1] is not None]


def _titles(app: CompiledApp, shown: Field | None) -> _Titles | None:
    if isinstance(shown, ReferenceField):
        target = app.entities[shown.entity]
        return _Titles(target.table, target.title_key, target) if target.title_key else None
    if shown is not None and shown.refers_to:
        return _Titles(tables.metadata.tables[tables.PREFIX + shown.refers_to], "name")
    return None


def _titles_statement(app: CompiledApp, titles: _Titles, dialect: str) -> sa.Select[Any]:
    ids = sa.bindparam("ids", type_=list_type(Identifier(), dialect))
    wanted: Any
    if dialect == "postgresql":
        wanted = titles.table.c.id == sa.any_(ids)
    else:
        values = sa.func.json_each(ids).table_valued("value")
        wanted = titles.table.c.id.in_(sa.select(values.c.value).correlate(None))
    if titles.entity is None:
        return sa.select(titles.table.c.id, titles.table.c[titles.column]).where(wanted)
    joins = Joins(app, titles.entity, titles.table, sql_dialect(dialect))
    title, visible = joins.at((titles.column,)), joins.visible()
    chosen = sa.select(titles.table.c.id, title).select_from(joins.from_clause()).where(wanted)
    return chosen if visible is None else chosen.where(visible)
