"""Which fields of records their reader sees as they are: what is told beside a record tells of no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import viewer_values
from builder.store.statement import Unit
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
