"""Links as records: the entity that is derived from each ``multi_reference``. See docs/decisions/0023."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builder.definition.entity import Entity
from builder.fields.base import Field, Label
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.many import LINK_DOT, SOURCE, TARGET, link_key
from builder.fields.reference import ReferenceField


def with_links(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return entities whose fields know the links that they lead over."""
    listed = tuple(entities)
    linking = {
        (entity.key, field.key)
        for entity in listed
        for field in entity.fields
        if isinstance(field, MultiReferenceField)
    }
    return tuple(_with_links(entity, linking) for entity in listed) if linking else listed


def _with_links(entity: Entity, linking: set[tuple[str, str]]) -> Entity:
    fields = tuple(_linked(entity, field, linking) for field in entity.fields)
    return entity.model_copy(update={"fields": fields})


def _linked(entity: Entity, field: Any, linking: set[tuple[str, str]]) -> Any:
    if isinstance(field, MultiReferenceField):
        return field.linked(link_key(entity.key, field.key))
    if isinstance(field, ChildrenField) and (field.entity, field.via) in linking:
        return field.linked(link_key(field.entity, field.via))
    return field


def link_entities(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return the entities of links, in the order of those that they start from."""
    return tuple(
        link_entity(entity.key, field)
        for entity in entities
        for field in entity.fields
        if isinstance(field, MultiReferenceField)
    )


def link_entity(owner: str, field: MultiReferenceField) -> Entity:
    """Return the entity of a field's links: two ends, unique together, and the attributes."""
    # a target that goes takes its links along: what a restricted deletion refuses is looked at before
    ends: tuple[Any, ...] = (
        _end(SOURCE, owner, "cascade", field.label),
        _end(TARGET, field.entity, _of_target(field), field.label),
    )
    return Entity.model_construct(
        key=link_key(owner, field.key),
        label=field.label,
        fields=ends + field.attributes,
        unique=((SOURCE, TARGET),),
    )


def _of_target(field: MultiReferenceField) -> str:
    return "restrict" if field.on_delete == "restrict" else "cascade"


def _end(key: str, entity: str, on_delete: str, label: Label) -> Field:
    made = ReferenceField.of(key="end", entity=entity, label=label, on_delete=on_delete)
    return made.model_copy(update={"key": key})  # a key that no document can have


def is_link(entity: str) -> bool:
    """Whether an entity's key is that of a field's links."""
    return LINK_DOT in entity


def dump_link(entity: Entity) -> dict[str, Any]:
    """Write what ``read_link`` reads: enough of a link's entity to find its table again."""
    target = entity.fields[1]
    assert isinstance(target, ReferenceField)
    owner, _, key = entity.key.partition(LINK_DOT)
    attributes = [field.model_dump(mode="json", exclude_none=True) for field in entity.fields[2:]]
    label = entity.label if isinstance(entity.label, str) else entity.label.model_dump()
    document = {"key": key, "type": "multi_reference", "label": label, "entity": target.entity}
    return {"owner": owner, "field": {**document, "attributes": attributes}}


def read_link(written: Mapping[str, Any]) -> Entity:
    """Return a link's entity as it was when it was set aside."""
    return link_entity(written["owner"], MultiReferenceField.model_validate(written["field"], strict=False))
