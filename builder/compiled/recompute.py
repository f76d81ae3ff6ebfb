"""The statement that brings a stored computed field up to date: for some records, or for all of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from builder.compiled.app import CompiledApp
from builder.compiled.computing import Computed
from builder.compiled.gathering import GatheredJoins
from builder.compiled.resolver import Joins
from builder.store.types import Identifier
from formulas.sql import Dialect, has_sql_form, to_stored
from formulas.tree import Tree, walk


def recompute(app: CompiledApp, fields: Sequence[Computed], dialect: Dialect, *, within: bool) -> sa.Update:
    """Return the statement that sets the values that are not what they should be; it returns id and values of these records.

    Args:
        fields: fields of one entity that do not read each other.
        within: only the records whose ids the parameter ``ids`` lists (a JSON array); False = all records.
    """
    table = app.entities[fields[0].entity].table
    columns = [table.c[computed.key] for computed in fields]
    wanted: list[sa.ColumnElement[bool]]
    if all(map(reads_own_record, fields)):
        joins = Joins(app, app.entities[fields[0].entity], table, dialect)
        values = {column: _value(item, joins, column) for item, column in zip(fields, columns, strict=True)}
        wanted = [table.c.id.in_(listed_ids(dialect))] if within else []
    else:
        fresh = _fresh(app, fields, dialect, within=within)
        values = {column: fresh.c[f"v{place}"] for place, column in enumerate(columns)}
        wanted = [table.c.id == fresh.c.id]
    differs = sa.or_(*(column.is_distinct_from(value) for column, value in values.items()))
    return sa.update(table).where(*wanted, differs).values(values).returning(table.c.id, *columns)


def fill(app: CompiledApp, computed: Computed, dialect: Dialect) -> sa.Update:
    """Return the statement that fills a field in all records, whatever stands there; nobody asks which."""
    entity = app.entities[computed.entity]
    table, column = entity.table, entity.table.c[computed.key]
    if reads_own_record(computed):
        return sa.update(table).values({column: _value(computed, Joins(app, entity, table, dialect), column)})
    fresh = _fresh(app, [computed], dialect, within=False)
    changed = (table.c.id == fresh.c.id, column.is_distinct_from(fresh.c.v0))
    return sa.update(table).where(*changed).values({column: fresh.c.v0})


def reads_own_record(computed: Computed) -> bool:
    """Whether nothing but the record itself is read, so that no join and no second look at the table is needed."""
    return not any(dependency.path for dependency in computed.dependencies)


def _fresh(app: CompiledApp, fields: Sequence[Computed], dialect: Dialect, *, within: bool) -> sa.Subquery:
    """Return ids with the values as they should be: computed once each, then compared and set."""
    entity = app.entities[fields[0].entity]
    rows = entity.table.alias("x")
    joins = GatheredJoins(app, entity, rows, dialect, listed_ids(dialect) if within else None)
    values = [
        _value(computed, joins, entity.table.c[computed.key]).label(f"v{place}")
        for place, computed in enumerate(fields)
    ]
    fresh = sa.select(rows.c.id.label("id"), *values).select_from(joins.from_clause())
    if within:
        fresh = fresh.where(_among(rows.c.id, dialect))
    return fresh.subquery("f")


def _among(column: sa.ColumnElement[Any], dialect: Dialect) -> sa.ColumnElement[bool]:
    """Return that an id is listed. PostgreSQL takes a function's rows for a hundred, an array's members for ten: it must not plan
    for hundreds of parents with all their children when there is one.
    """
    listed = listed_ids(dialect)
    if dialect == "sqlite":
        return column.in_(listed)
    return column == sa.any_(sa.func.array(listed.scalar_subquery(), type_=ARRAY(Identifier())))


def _value(computed: Computed, joins: Joins, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    value = to_stored(computed.tree, computed.type, joins, joins.dialect, computed.context)
    return sa.type_coerce(value, column.type)


def listed_ids(dialect: str) -> sa.Select[Any]:
    """Return a select of the ids in the parameter ``ids``, a JSON array as text."""
    listed = sa.bindparam("ids", type_=sa.Text())
    if dialect == "sqlite":
        each = sa.func.json_each(listed).table_valued("value")
        return sa.select(each.c.value)
    each = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON)).table_valued("value")
    return sa.select(sa.cast(each.c.value, Identifier()))


def all_in_sql(tree: Tree) -> bool:
    """Whether both databases can compute a tree."""
    return all(has_sql_form(node, "postgresql") and has_sql_form(node, "sqlite") for node in walk(tree))
