"""Of which entity each part of a scenario speaks: what it names by ``@name`` was made before, of an entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from builder.definition.kinds import AUTOMATIONS, Definition
from builder.definition.scenarios import Scenario


class Part(NamedTuple):
    """A record that is given, an act or an expectation that speaks of records of an entity."""

    pointer: str
    """Within the scenario."""
    entity: str
    model: Any


def parts_of(definition: Definition, scenario: Scenario) -> Iterator[Part]:
    """Yield the parts in the order in which they happen; those that speak of no entity are left out."""
    names: dict[str, str] = {}
    for place, given in enumerate(scenario.given.records):
        names[given.name] = given.entity
        yield Part(f"/given/records/{place}", given.entity, given)
    for place, chapter in enumerate(scenario.story):
        steps = [(f"/story/{place}/when/{n}", act) for n, act in enumerate(chapter.when)]
        for pointer, step in (*steps, *((f"/story/{place}/then/{n}", then) for n, then in enumerate(chapter.then))):
            record = getattr(step, "record", None)
            entity = getattr(step, "entity", None) if record is None else names.get(record)
            if entity:
                yield Part(pointer, entity, step)
            made = getattr(step, "name", None)
            if made is not None:
                names[made] = made_entity(definition, step)


def made_entity(definition: Definition, step: Any) -> str:
    """Return the entity of what a step makes or finds and gives a name; empty if it makes no record."""
    if step.type in ("create", "records"):
        return str(step.entity)
    if step.type == "request":
        parts = step.path.split("/")
        return parts[1] if parts[0] == "records" and len(parts) > 1 else ""
    if step.type in ("message", "app_event"):
        found = definition.find(AUTOMATIONS, step.automation)
        return "" if found is None else found.entity
    return ""
