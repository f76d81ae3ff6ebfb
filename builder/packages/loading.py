"""In which order sample records can be loaded: targets of references before the records that point to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from builder.definition.entity import Entity
from builder.definition.kinds import Definition
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.reference import ReferenceField
from builder.kernel.text import say
from builder.packages.csv_text import Faults
from builder.packages.package import refuse_package

JSON = Any


@dataclass(frozen=True)
class LoadPlan:
    """Entities in loading order, and the pairs (from, to) of entities whose optional references wait until the end."""

    entities: tuple[Entity, ...]
    circular: frozenset[tuple[str, str]]

    def deferred(self, entity: Entity) -> tuple[str, ...]:
        """Return the reference fields of an entity that are set after everything is loaded."""
        return tuple(
            field.key
            for field in references_of(entity)
            if not field.required and ((entity.key, field.entity) in self.circular or _links_own(entity, field))
        )


def references_of(entity: Entity) -> list[ReferenceField | MultiReferenceField]:
    """Return the fields of an entity that hold ids of records."""
    return [field for field in entity.fields if isinstance(field, ReferenceField | MultiReferenceField)]


def _links_own(entity: Entity, field: ReferenceField | MultiReferenceField) -> bool:
    """Whether records are linked to others of their own kind: when all are there."""
    return isinstance(field, MultiReferenceField) and field.entity == entity.key


def plan_loading(definition: Definition) -> LoadPlan:
    """Order the entities of an app. Where entities point to each other in a circle, only required references count.

    Raises:
        Problem: ``package.invalid``, the circle consists of required references alone: no first record could exist.
    """
    targets = {entity.key: {field.entity for field in references_of(entity)} for entity in definition.entities}
    reach = {key: _reachable(key, targets) for key in targets}
    circular = frozenset((a, b) for a in targets for b in targets[a] if a != b and a in reach.get(b, ()))
    before = {
        entity.key: sorted(
            {
                field.entity
                for field in references_of(entity)
                if field.entity != entity.key and (field.required or (entity.key, field.entity) not in circular)
            }
            & set(targets)
        )
        for entity in definition.entities
    }
    return LoadPlan(tuple(_entity(definition, key) for key in _sorted(before)), circular)


def _reachable(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in targets.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def _entity(definition: Definition, key: str) -> Entity:
    return next(entity for entity in definition.entities if entity.key == key)


def _sorted(before: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise refuse_package(
            "cycle",
            f"必填的关联字段成环,无法写入第一条记录:{circle}",
            f"Required references form a circle, so no first record can exist: {circle}",
        ) from None


def rows_in_order(
    entity: Entity, rows: Sequence[dict[str, JSON]], file: str, faults: Faults
) -> tuple[dict[str, JSON], ...]:
    """Order the rows of an entity that refers to itself: parents first, otherwise as in the file."""
    own = [f.key for f in references_of(entity) if isinstance(f, ReferenceField) and f.entity == entity.key]
    if not own:
        return tuple(rows)
    by_id = {row["id"]: row for row in rows}
    before = {row["id"]: [row[key] for key in own if row.get(key) in by_id] for row in rows}
    try:
        return tuple(by_id[identity] for identity in TopologicalSorter(before).static_order())
    except CycleError:
        message = say("记录互相指向,成环", "Records point to each other in a circle")
        faults.add("cycle", message, file, None, ", ".join(own))
        return tuple(rows)
