"""Records that match values and meet a condition, found inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.compiled.resolver import Joins
from builder.store.statement import Query, Unit
from formulas.checker import check_condition
from formulas.sql import Dialect, to_condition
from runtime.expressions.expressions import context_of, moment
from runtime.expressions.prepared import zone_only
from runtime.records.writer import Writing


def find_ids(
    w: Writing, entity: CompiledEntity, equal: Mapping[str, Any], where: str | None, limit: int
) -> Unit[list[str]]:
    """Return the ids of records whose fields have these canonical values and which meet a condition, the oldest first.

    Args:
        equal: field -> value; None = blank.
        where: a formula over the entity.
    """
    keys = tuple(equal)
    blank = frozenset(key for key in keys if equal[key] is None)
    statement = w.statements.kept(
        ("find_ids", entity.key, keys, blank, where),
        lambda dialect: _select(w.app, entity, keys, blank, where, "sqlite" if dialect == "sqlite" else "postgresql"),
    )
    values = {f"m_{place}": equal[key] for place, key in enumerate(keys) if key not in blank}
    rows = yield Query(statement, {**moment(context_of(w)), **values, "limit": limit})
    return [str(row[0]) for row in rows]


def _select(
    app: CompiledApp,
    entity: CompiledEntity,
    keys: tuple[str, ...],
    blank: frozenset[str],
    where: str | None,
    dialect: Dialect,
) -> sa.Select[Any]:
    joins = Joins(app, entity, entity.table, dialect)
    table = entity.table
    conditions: list[sa.ColumnElement[bool]] = [
        table.c[key].is_(None) if key in blank else table.c[key] == sa.bindparam(f"m_{place}", type_=table.c[key].type)
        for place, key in enumerate(keys)
    ]
    if where is not None:
        tree = with_variables(check_condition(where, app, entity.key))
        conditions.append(to_condition(tree, joins, dialect, zone_only(app)))
    chosen = sa.select(table.c.id).select_from(joins.from_clause()).where(*conditions)
    return chosen.order_by(table.c.created_at, table.c.id).limit(sa.bindparam("limit", type_=sa.Integer()))
