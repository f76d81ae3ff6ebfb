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
    """Return ``UPDATE … FROM (SELECT id, expression …) WHERE value IS DISTINCT FROM expression RETURNING id``.

    Args:
        within: only the records whose ids the parameter ``ids`` lists (a JSON array); False = all records.
    """
    entity = app.entities[computed.entity]
    rows = entity.table.alias("x")
    joins = Joins(app, entity, rows, dialect)
    value = to_stored(computed.tree, computed.type, joins, dialect, computed.context)
    column = entity.table.c[computed.key]
    fresh = sa.select(rows.c.id.label("id"), sa.type_coerce(value, column.type).label("value"))
    fresh = fresh.select_from(joins.from_clause())
    if within:
        fresh = fresh.where(rows.c.id.in_(listed_ids(dialect)))
    computed_rows = fresh.subquery("f")
    return (
        sa.update(entity.table)
        .where(entity.table.c.id == computed_rows.c.id, column.is_distinct_from(computed_rows.c.value))
        .values({column: computed_rows.c.value})
        .returning(entity.table.c.id)
    )


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
