"""Events as their reader may see them: records that are seen, and of what changed only fields that are.

What a reader may see is asked of the record as it is now. Of a record that is gone only somebody who sees every record of its entity
learns, and only of fields that are shown of every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.recompute import listed_ids
from builder.compiled.resolver import Joins
from builder.kernel.canonical import dump_json, parse_json
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Words
from formulas.tree import Tree
from runtime.access.sight import RoleSight, any_of, mask_text, row_joins, sight_of
from runtime.query.statements import StatementCache, as_text, sql_dialect
from runtime.records.events import Event
from runtime.records.linking import named_targets, without_hidden

JSON = Any


def visible_events(
    published: PublishedApp, events: Sequence[Event], cache: StatementCache, moment: Mapping[str, Any]
) -> Unit[list[Event]]:
    """Return the events that the app's sight lets see, their changes narrowed; for the feed, timelines and streams alike.

    Args:
        published: the app as its reader sees it (``Records.seen_by``).
        moment: ``runtime.query.variables.variables`` of the reader.
    """
    app = published.app
    sight = sight_of(app)
    if sight is None:
        return list(events)
    ids: dict[str, set[str]] = {}
    for event in events:
        if event.entity in app.entities:
            ids.setdefault(event.entity, set()).add(event.record_id)
    shown: dict[str, dict[str, tuple[bool, ...]]] = {}
    for key in sorted(ids):
        shown[key] = yield from seen_flags(published, sight, app.entities[key], sorted(ids[key]), cache, moment)
    found: list[tuple[Event, dict[str, JSON], CompiledEntity]] = []
    for event in events:
        entity = app.entities.get(event.entity)
        if entity is None:
            continue
        flags = shown[entity.key].get(event.record_id)
        if flags is not None or sight.sees_all(entity.key):
            body = parse_json(event.body)
            body["changes"] = _changes(sight, entity, body["changes"], flags)
            if body.get("detail") and not _tells_seen(app, sight, entity, body["detail"], flags):
                del body["detail"]
            found.append((event, body, entity))
    return (yield from _without_hidden(published, sight, found, cache, moment))


def _without_hidden(
    published: PublishedApp,
    sight: RoleSight,
    told: Sequence[tuple[Event, dict[str, JSON], CompiledEntity]],
    cache: StatementCache,
    moment: Mapping[str, Any],
) -> Unit[list[Event]]:
    """Return events without links to records that are not seen."""
    named: dict[str, set[str]] = {}
    for _, body, entity in told:
        for target, ids in named_targets(body["changes"], entity).items():
            if not sight.sees_all(target):
                named.setdefault(target, set()).update(ids)
    seen: dict[str, set[str]] = {}
    for target, ids in sorted(named.items()):
        flags = yield from seen_flags(published, sight, published.app.entities[target], sorted(ids), cache, moment)
        seen[target] = set(flags)
    found = []
    for event, body, entity in told:
        body["changes"] = without_hidden(body["changes"], entity, seen)
        found.append(event._replace(body=dump_json(body)))
    return found


def conditional_fields(sight: RoleSight, entity: CompiledEntity) -> list[str]:
    """Return the fields that are not shown as they are of every record that is seen, in the order of ``seen_flags``."""
    return [key for key in entity.fields if not sight.is_plain(entity.key, key)]


def seen_flags(
    published: PublishedApp,
    sight: RoleSight,
    entity: CompiledEntity,
    ids: list[str],
    cache: StatementCache,
    moment: Mapping[str, Any],
) -> Unit[dict[str, tuple[bool, ...]]]:
    """Return of each record that is seen, for each conditional field: whether it is shown whole, and whether in part."""
    statement = cache.get(
        (published.key, "events", entity.key), lambda: _statement(published.app, sight, entity, cache.dialect)
    )
    rows = yield Query(statement, {**moment, "ids": dump_json(ids).decode()})
    return {str(row[0]): tuple(bool(value) for value in row[1:]) for row in rows}


def _statement(app: CompiledApp, sight: RoleSight, entity: CompiledEntity, dialect: str) -> sa.Select[Any]:
    joins = row_joins(app, entity.key, entity.table, sql_dialect(dialect))
    flags: list[sa.ColumnElement[Any]] = []
    for key in conditional_fields(sight, entity):
        found = sight.fields[entity.key, key]
        for trees in (found.whole, found.masked):
            condition = any_of(trees, joins, joins.dialect, sight.context)
            flags.append(sa.case((condition, sa.literal_column("1")), else_=sa.literal_column("0")))
    rows: tuple[Tree | None, ...] = sight.rows_for(entity.key, "read")
    seen = any_of(rows, joins, joins.dialect, sight.context)
    chosen = sa.select(entity.table.c.id, *flags).select_from(joins.from_clause())
    return chosen.where(entity.table.c.id.in_(listed_ids(dialect).correlate(None)), seen)


def _changes(
    sight: RoleSight, entity: CompiledEntity, changes: Mapping[str, list[JSON]], flags: tuple[bool, ...] | None
) -> dict[str, list[JSON]]:
    kept: dict[str, list[JSON]] = {key: pair for key, pair in changes.items() if key in entity.fields}
    for place, key in enumerate(conditional_fields(sight, entity)):
        if key not in kept:
            continue
        if flags is not None and flags[2 * place]:
            continue
        mask = sight.fields[entity.key, key].mask
        if flags is not None and flags[2 * place + 1] and mask is not None:
            kept[key] = [mask_text(value, mask) if isinstance(value, str) else None for value in kept[key]]
        else:
            del kept[key]
    return kept


def _tells_seen(
    app: CompiledApp,
    sight: RoleSight,
    entity: CompiledEntity,
    detail: Mapping[str, JSON],
    flags: tuple[bool, ...] | None,
) -> bool:
    """Whether what an event tells besides is not of a stage that is hidden."""
    found = (p for p in app.whole.pipelines.get(entity.key, ()) if p.key == detail.get("pipeline"))
    field = next((pipeline.definition.field for pipeline in found), None)
    if field is None:
        return "pipeline" not in detail  # of one that is gone nobody can say
    conditional = conditional_fields(sight, entity)
    if field not in conditional:
        return field in entity.fields
    return flags is not None and flags[2 * conditional.index(field)]


def seen_files(
    published: PublishedApp, file_ids: Iterable[str], cache: StatementCache, moment: Mapping[str, Any]
) -> Unit[set[str]]:
    """Return the files among ``file_ids`` that a record which is seen holds in a field that is shown; all where nothing is hidden."""
    app, wanted = published.app, set(file_ids)
    if app.sight is None or not wanted:
        return wanted
    holders = cache.get(("holders of files",), lambda: _holders(cache.dialect))
    held = yield Query(holders, {"app": app.key, "ids": dump_json(sorted(wanted)).decode()})
    by_entity: dict[str, set[str]] = {}
    for entity_key, record_id in held:
        if entity_key in app.entities:
            by_entity.setdefault(entity_key, set()).add(str(record_id))
    found: set[str] = set()
    for key, ids in sorted(by_entity.items()):
        owner = app.entities[key]
        fields = [field.key for field in owner.listing if field.lists == "file"]
        if not fields:
            continue
        make = partial(_sets, app, owner, fields, cache.dialect)
        statement = cache.get((published.key, "file fields", key), make)
        rows = yield Query(statement, {**moment, "ids": dump_json(sorted(ids)).decode()})
        for row in rows:
            for value in row[1:]:
                found |= wanted & set(parse_json(value) if isinstance(value, str | bytes) else value or ())
    return found


def _sets(app: CompiledApp, entity: CompiledEntity, fields: list[str], dialect: str) -> sa.Select[Any]:
    joins = Joins(app, entity, entity.table, sql_dialect(dialect))
    columns = [as_text(sa.type_coerce(joins.at((key,)), sa.Text()), dialect) for key in fields]
    visible = joins.visible()
    chosen = sa.select(entity.table.c.id, *columns).select_from(joins.from_clause())
    chosen = chosen.where(entity.table.c.id.in_(listed_ids(dialect).correlate(None)))
    return chosen if visible is None else chosen.where(visible)


def _holders(dialect: str) -> sa.Select[Any]:
    use = tables.file_use
    own = use.c.app == sa.bindparam("app", type_=Words())
    return sa.select(use.c.entity, use.c.record_id).where(own, use.c.file_id.in_(listed_ids(dialect)))
