"""Following keys through renames, so that going back to a former version renames back instead of setting data aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder.definition.entity import Entity
from builder.definition.kinds import Definition, assemble
from builder.fields.base import Field


def with_renames(former: Definition, later: Sequence[Definition]) -> Definition:
    """Return ``former`` with ``renamed_from`` set to the keys its entities and fields have in the last of ``later``."""
    entities = [_follow_entity(entity, later) for entity in former.entities]
    return assemble([former.app, *entities])


def _follow_entity(entity: Entity, later: Sequence[Definition]) -> Entity:
    key = entity.key
    fields = {field.key: field.key for field in entity.fields}
    for definition in later:
        found = _successor(key, definition.entities)
        if found is None:
            continue  # set aside for a while; it comes back under the key it had
        key = found.key
        fields = {first: _next_field(now, found.fields) for first, now in fields.items()}
    return _renamed(entity, key if key != entity.key else None, fields)


def _successor(key: str, entities: Sequence[Entity]) -> Entity | None:
    same = next((entity for entity in entities if entity.key == key), None)
    return same or next((entity for entity in entities if entity.renamed_from == key), None)


def _next_field(key: str, fields: Iterable[Field]) -> str:
    listed = list(fields)
    if any(field.key == key for field in listed):
        return key
    return next((field.key for field in listed if field.renamed_from == key), key)


def _renamed(entity: Entity, renamed_from: str | None, fields: dict[str, str]) -> Entity:
    followed = tuple(
        field.model_copy(
            update={"renamed_from": fields.get(field.key) if fields.get(field.key, field.key) != field.key else None}
        )
        for field in entity.fields
    )
    return entity.model_copy(update={"renamed_from": renamed_from, "fields": followed})
