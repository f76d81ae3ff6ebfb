"""What a request is about: the entity, the record, and every use of it."""

from __future__ import annotations

from builder.compiled.app import CompiledEntity
from builder.kernel.ids import find_uuid
from builder.registry.registry import PublishedApp
from runtime.access.gate import FieldMap, Use
from runtime.access.sight import sight_of
from runtime.records.holding import not_found
from runtime.records.pins import get_entity


def target_entity(published: PublishedApp, key: str) -> CompiledEntity:
    """Return the whole entity that is to be written.

    Raises:
        Problem: ``entity.not_found`` also for one that no role of the caller names.
    """
    sight = sight_of(published.app)
    if sight is None or key not in sight.grants:
        return get_entity(published, key)
    return published.app.whole.entities[key]


def needs_reading(owner: CompiledEntity) -> bool:
    """Whether the database or the moment of reading gives a part of what is shown."""
    return bool(owner.links) or owner.asks_others


def known_id(owner: CompiledEntity, record_id: str) -> str:
    """Return a canonical id; text that is no id names no record."""
    found = find_uuid(record_id)
    if found is None:
        raise not_found(owner, record_id[:100])
    return found


def uses_of(owner: CompiledEntity, use: Use) -> FieldMap:
    """Return a use of a whole record."""
    return FieldMap({(owner.key, "", use)} | {(owner.key, key, use) for key in owner.fields})
