"""The statement that brings a stored computed field up to date: for some records, or for all of a table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.computing import Computed
from builder.compiled.resolver import Joins
from builder.store.types import Identifier
from formulas.sql import Dialect, has_sql_form, to_stored
from formulas.tree import Tree, walk


def recompute(app: CompiledApp, computed: Computed, dialect: Dialect, *, within: bool) -> sa.Update:
    """Return the statement that sets the values that are not what they should be, and returns the ids of these records.

    Args:
        within: only the records whose ids the parameter ``ids`` lists (a JSON array); False = all records.
    """
    entity = app.entities[computed.entity]
    table, column = entity.table, entity.table.c[computed.key]
    if reads_own_record(computed):
        value = _value(computed, Joins(app, entity, table, dialect), column)
        wanted = [table.c.id.in_(listed_ids(dialect))] if within else []
        update = sa.update(table).where(*wanted, column.is_distinct_from(value)).values({column: value})
        return update.returning(table.c.id)
    fresh = _fresh(app, computed, dialect, within=within)
    changed = (table.c.id == fresh.c.id, column.is_distinct_from(fresh.c.value))
    return sa.update(table).where(*changed).values({column: fresh.c.value}).returning(table.c.id)


def fill(app: CompiledApp, computed: Computed, dialect: Dialect) -> sa.Update:
    """Return the statement that fills a field in all records, whatever stands there; nobody asks which."""
    entity = app.entities[computed.entity]
    table, column = entity.table, entity.table.c[computed.key]
    if reads_own_record(computed):
        return sa.update(table).values({column: _value(computed, Joins(app, entity, table, dialect), column)})
    fresh = _fresh(app, computed, dialect, within=False)
    changed = (table.c.id == fresh.c.id, column.is_distinct_from(fresh.c.value))
    return sa.update(table).where(*changed).values({column: fresh.c.value})


def reads_own_record(computed: Computed) -> bool:
    """Whether nothing but the record itself is read, so that no join and no second look at the table is needed."""
    return not any(dependency.path for dependency in computed.dependencies)


def _fresh(app: CompiledApp, computed: Computed, dialect: Dialect, *, within: bool) -> sa.Subquery:
    """Return ids with the values as they should be: computed once each, then compared and set."""
    entity = app.entities[computed.entity]
    rows = entity.table.alias("x")
    joins = Joins(app, entity, rows, dialect)
    value = _value(computed, joins, entity.table.c[computed.key])
    fresh = sa.select(rows.c.id.label("id"), value.label("value")).select_from(joins.from_clause())
    if within:
        fresh = fresh.where(rows.c.id.in_(listed_ids(dialect)))
    return fresh.subquery("f")


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
