"""What a frozen copy may tell of the records it points to: their titles, if whoever reads the copy may read titles there."""

from __future__ import annotations

from collections.abc import Iterator

from builder.definition.entity import Entity
from builder.definition.kinds import ROLES, Definition
from builder.definition.role import Grant, Role
from builder.fields.parts.computed import ComputedField


def roles_without_titles(definition: Definition, entity: Entity, field: str, target: Entity, title: str) -> list[Role]:
    """Return the roles that read a field of an entity and not the title field of another: a copy in that field keeps its titles to itself.

    Which records a role reads makes no difference: to put one down in a copy is to hand it on.
    """
    return [
        role
        for role in definition.of(ROLES)
        if any(_shows(grant, entity, field) for grant in role.grants)
        and not any(_shows(grant, target, title, whole=True) for grant in role.grants)
    ]


def _shows(grant: Grant, entity: Entity, field: str, *, whole: bool = False) -> bool:
    if grant.entity != entity.key or "read" not in grant.may:
        return False
    if whole and any(mask.field == field for mask in grant.masks):
        return False
    return field in grant.fields if grant.fields is not None else field in set(_shown(grant, entity))


def _shown(grant: Grant, entity: Entity) -> Iterator[str]:
    """The fields that a grant shows which names none; a computed one only if it says so, as it may tell of others."""
    for field in entity.fields:
        if field.key not in grant.hidden and (not isinstance(field, ComputedField) or field.key in grant.also):
            yield field.key
