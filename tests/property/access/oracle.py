"""The oracle: what a person may see, found out by looking at every record in plain Python. Slow, and obviously right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from tests.property.access.world import ENTITIES, Grant, World

JSON = Any


class Unknown(Exception):
    """A name that the person must not know."""


class Oracle:
    """One person's view of a world."""

    def __init__(self, world: World, person: str) -> None:
        self.world = world
        self.person = person
        self.grants: list[Grant] = [grant for role in world.people[person] for grant in world.roles[role]]
        self.entities = [key for key in ENTITIES if any(grant.entity == key for grant in self.grants)]

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Entity -> fields that are known, in the order of the definition."""
        found: dict[str, list[str]] = {}
        for entity in self.entities:
            keys = [*self.world.fields[entity], "up", "down"]
            shown = {key for grant in self.grants if grant.entity == entity for key in grant.fields}
            found[entity] = [key for key in keys if key in shown and self._leads(entity, key)]
        for entity, keys in found.items():
            if "down" in keys and "up" not in found[ENTITIES[ENTITIES.index(entity) + 1]]:
                keys.remove("down")
        return found

    def _leads(self, entity: str, key: str) -> bool:
        step = {"up": -1, "down": 1}.get(key, 0)
        return step == 0 or ENTITIES[ENTITIES.index(entity) + step] in self.entities

    @cached_property
    def seen(self) -> dict[str, dict[str, JSON]]:
        """Entity -> id -> record as it is seen: hidden fields are blank, masked ones masked."""
        return {
            entity: {
                record["id"]: view
                for record in self.world.records[entity].values()
                if (view := self._view(entity, record)) is not None
            }
            for entity in self.entities
        }

    def _view(self, entity: str, record: JSON) -> JSON:
        fits = [
            grant
            for grant in self.grants
            if grant.entity == entity and (grant.rule is None or grant.rule.holds(self.world, record, self.person))
        ]
        if not fits:
            return None
        view = {"id": record["id"]}
        for key in self.names[entity]:
            if key == "down":
                continue
            showing = [grant for grant in fits if key in grant.fields]
            value = record[key] if showing else None
            if showing and key == "phone" and all(grant.masked for grant in showing) and value is not None:
                value = value[:2] + "****" + value[-1:] if len(value) > 3 else "****"
            view[key] = value
        return view

    # -- questions -----------------------------------------------------------------------------------------------------

    def value(self, entity: str, view: JSON, path: tuple[str, ...]) -> JSON:
        """The value at the end of a path as it is seen."""
        head, *rest = path
        if head not in self.names[entity]:
            raise Unknown(head)
        if not rest:
            return view[head]
        above = self.world.above(entity)
        assert above is not None
        if rest[0] not in self.names[above]:
            raise Unknown(rest[0])
        target = self.seen[above].get(view[head] or "")
        return None if target is None else self.value(above, target, tuple(rest))

    def check(self, entity: str, paths: Iterable[tuple[str, ...]]) -> None:
        """Refuse names that must not be known."""
        if entity not in self.entities:
            raise Unknown(entity)
        for path in paths:
            owner = entity
            for step in path:
                if step not in self.names[owner]:
                    raise Unknown(step)
                owner = self.world.above(owner) or owner

    def rows(self, entity: str, holds: Callable[[JSON], bool]) -> list[JSON]:
        """The records that are seen and fit, by id."""
        return [view for _, view in sorted(self.seen[entity].items()) if holds(view)]


def sort_key(value: JSON) -> tuple[bool, JSON]:
    """Blanks are the smallest."""
    return (value is not None, value if value is not None else 0)


def ordered(rows: list[JSON], value: Callable[[JSON], JSON], *, descending: bool) -> list[JSON]:
    """Rows in the order of a value, then of ids in the same direction."""
    return sorted(rows, key=lambda row: (sort_key(value(row)), row["id"]), reverse=descending)
