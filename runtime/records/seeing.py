"""Which fields of records their reader sees as they are: what is told beside a record tells of no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import viewer_values
from builder.fields.children import ChildrenField
from builder.fields.reference import ReferenceField
from builder.store.statement import Query, Unit
from builder.store.types import Identifier
from formulas.dependencies import Dependency
from formulas.tree import Call, Path, Rollup, Tree, children, with_children
from runtime.access.grants import leads_to
from runtime.access.sight import RoleSight, any_of, row_joins
from runtime.query.statements import sql_dialect
from runtime.query.variables import viewer
from runtime.records.filtering import conditional_fields, seen_flags
from runtime.records.rights import acting_sight
from runtime.records.writer import Writing


def whole_fields(w: Writing, entity: CompiledEntity, ids: Iterable[str]) -> Unit[Mapping[str, frozenset[str]]]:
    """Return of each record that the caller sees the fields that it is shown as they are, not in part. Cost: one statement, under roles."""
    sight = acting_sight(w)
    if sight is None:
        return dict.fromkeys(ids, frozenset((*entity.fields, *entity.system)))
    seen = w.seen.app.entities.get(entity.key)
    if seen is None:
        return {}
    moment = viewer_values(viewer(w.app, w.caller.actor, w.now))
    flags = yield from seen_flags(w.seen, sight, seen, sorted(set(ids)), w.statements.cache, moment)
    conditional = conditional_fields(sight, seen)
    plain = frozenset((*seen.fields, *seen.system)) - set(conditional)
    return {
        record_id: plain | {key for place, key in enumerate(conditional) if found[2 * place]}
        for record_id, found in flags.items()
    }


def showing(w: Writing, entity: CompiledEntity, ids: Iterable[str], fields: Iterable[str]) -> Unit[set[str]]:
    """Return which of some records are shown to the caller with all of some fields as they are."""
    wanted = frozenset(fields)
    known = yield from whole_fields(w, entity, ids)
    return {record_id for record_id, shown in known.items() if wanted <= shown}


def seen_reads(
    w: Writing, entity: CompiledEntity, record_id: str, reads: Iterable[Dependency]
) -> Unit[frozenset[Dependency]]:
    """Return which of the fields that something about a record reads are shown to the caller as they are.

    Over a reference the record it leads to has to be seen, and the field of that record; over a relation to many, every record there is, or
    every one that could ever point here.
    Cost: under roles two statements for each reference that is followed.
    """
    sight, wanted = acting_sight(w), frozenset(reads)
    if sight is None:
        return wanted
    own = (yield from whole_fields(w, entity, [record_id])).get(record_id, frozenset())
    found = {read for read in wanted if not read.path and read.field in own}
    for path in sorted({read.path for read in wanted if read.path}):
        known = yield from _fields_behind(w, sight, entity, record_id, path, own)
        found |= {read for read in wanted if read.path == path and (known is None or read.field in known)}
    return frozenset(found)


def _fields_behind(
    w: Writing, sight: RoleSight, entity: CompiledEntity, record_id: str, path: tuple[str, ...], own: frozenset[str]
) -> Unit[frozenset[str] | None]:
    """Return the fields that are shown at the end of a path; None: it leads nowhere, so nothing is behind it."""
    here: str | None = record_id
    fields = own
    for step in path:
        field = entity.fields.get(step)
        target = w.seen.app.entities.get(str(leads_to(field)))
        if step not in fields or target is None:
            return frozenset()
        if here is not None and isinstance(field, ReferenceField):
            here = yield from _led_to(w, entity, here, step)
            if here is None:
                return None
            fields = (yield from whole_fields(w, target, [here])).get(here, frozenset())
        elif sight.sees_all(target.key):
            here = None
            fields = frozenset((*(key for key in target.fields if sight.is_plain(target.key, key)), *target.system))
        elif here is not None and isinstance(field, ChildrenField):
            fields = yield from _fields_of_children(w, sight, entity, here, field)
            here = None
        else:
            return frozenset()
        entity = target
    return fields


def _fields_of_children(
    w: Writing, sight: RoleSight, entity: CompiledEntity, record_id: str, field: ChildrenField
) -> Unit[frozenset[str]]:
    """Return the fields that are shown of whatever child a record may have: of grants whose rows the parent alone decides.

    ``lead.owner = CURRENTUSER()`` shows every communication of a lead of one's own. That some of the children there are happen to be seen
    would not do: what is not told would tell that there are others.
    """
    open_to = [
        (over, grant)
        for grant in sight.grants.get(field.entity, ())
        if grant.may("read") and grant.rows is not None
        for part in _alternatives(grant.rows)
        if (over := _over_parent(part, field.via)) is not None
    ]
    if not open_to:
        return frozenset()
    kept = w.statements.cache.get(
        (w.seen.key, "open to", entity.key, field.key),
        lambda: _holding(w, sight, entity, tuple(tree for tree, _ in open_to)),
    )
    moment = viewer_values(viewer(w.app, w.caller.actor, w.now))
    rows = yield Query(kept, {**moment, "id": record_id})
    held = [grant.plain for (_, grant), holds in zip(open_to, rows[0], strict=True) if holds] if rows else []
    target = w.seen.app.entities[field.entity]
    return frozenset((*frozenset().union(*held), *target.system)) if held else frozenset()


def _alternatives(tree: Tree) -> Iterator[Tree]:
    if isinstance(tree, Call) and tree.function == "or":
        for part in tree.args:
            yield from _alternatives(part)
    else:
        yield tree


def _over_parent(tree: Tree, via: str) -> Tree | None:
    """Return a condition of a child as one of its parent; None if it reads anything of the child itself."""
    if isinstance(tree, Path):
        return Path(tree.steps[1:], tree.type) if tree.steps[0] == via and len(tree.steps) > 1 else None
    if isinstance(tree, Rollup):
        return None
    parts = [_over_parent(part, via) for part in children(tree)]
    known = tuple(part for part in parts if part is not None)
    if len(known) < len(parts):
        return None
    return with_children(tree, known) if known else tree


def _holding(w: Writing, sight: RoleSight, entity: CompiledEntity, trees: tuple[Tree, ...]) -> sa.Select[Any]:
    joins = row_joins(w.seen.app, entity.key, entity.table, sql_dialect(w.statements.dialect))
    conditions = [any_of((tree,), joins, joins.dialect, sight.context) for tree in trees]
    flags = [sa.case((condition, sa.literal_column("1")), else_=sa.literal_column("0")) for condition in conditions]
    chosen = sa.select(*flags).select_from(joins.from_clause())
    return chosen.where(entity.table.c.id == sa.bindparam("id", type_=Identifier()))


def _led_to(w: Writing, entity: CompiledEntity, record_id: str, step: str) -> Unit[str | None]:
    table = w.app.entities[entity.key].table
    statement = w.statements.kept(
        ("led to", entity.key, step),
        lambda _: sa.select(table.c[step]).where(table.c.id == sa.bindparam("id", type_=Identifier())),
    )
    rows = yield Query(statement, {"id": record_id})
    return str(rows[0][0]) if rows and rows[0][0] is not None else None
