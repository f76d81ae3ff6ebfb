"""Ownership protection: what somebody who enters the values of a hidden record is told of it ("this customer belongs to 王五")."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.recompute import listed_ids
from builder.fields.base import Field, label_text
from builder.fields.parts.choices import ChoiceField
from builder.kernel.canonical import dump_json
from builder.store import tables
from builder.store.statement import Query, Unit
from runtime.records.rights import acting_sight
from runtime.records.seeing import showing
from runtime.records.writer import Writing


def tell_of_hidden(
    w: Writing, entity: CompiledEntity, ids: set[str], met: tuple[str, ...]
) -> Unit[dict[str, dict[str, str]]]:
    """Return for each record of which the caller does not see the values that were met what their grants of new records let be told, as texts by field.

    A record that is seen with a masked phone is one of them: that it is this record whose phone was entered would take the mask off.
    """
    sight = acting_sight(w)
    if sight is None or not ids:
        return {}
    hidden = ids - (yield from showing(w, entity, ids, met))
    granted = sight.grants.get(entity.key, ())
    keys = tuple(
        key
        for key, field in entity.fields.items()
        if field.stored and any(key in g.grant.tells and (g.may("create") or g.may("update")) for g in granted)
    )
    found: dict[str, dict[str, str]] = {record_id: {} for record_id in hidden}
    if not hidden or not keys:
        return found
    statement = w.statements.kept(("tell", entity.key, keys), lambda dialect: _select(entity, keys, dialect))
    rows = yield Query(statement, {"ids": dump_json(sorted(hidden)).decode()})
    for row in rows:
        texts = {key: _text(entity.fields[key], value) for key, value in zip(keys, row[1:], strict=True)}
        found[str(row[0])] = {key: text for key, text in texts.items() if text is not None}
    return found


def _select(entity: CompiledEntity, keys: tuple[str, ...], dialect: str) -> sa.Select[Any]:
    source: sa.FromClause = entity.table
    columns: list[sa.ColumnElement[Any]] = []
    for key in keys:
        platform = entity.fields[key].refers_to
        if platform is None:
            columns.append(entity.table.c[key])
            continue
        target = tables.metadata.tables[tables.PREFIX + platform].alias()
        source = source.outerjoin(target, target.c.id == entity.table.c[key])
        columns.append(target.c.name)
    chosen = sa.select(entity.table.c.id, *columns).select_from(source)
    return chosen.where(entity.table.c.id.in_(listed_ids(dialect).correlate(None)))


def _text(field: Field, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(field, ChoiceField):
        return next((label_text(option.label).zh for option in field.options if option.key == value), str(value))
    return str(value)
