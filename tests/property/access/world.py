"""Random worlds: a schema, roles, people and records, with rules said twice: as formulas, and as plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.query_app import field as field_of
from tests.support.query_app import identifier

JSON = Any
APP = "maze"
ENTITIES = ("root", "stem", "leaf")
LEVELS = ("A", "B", "C")


@dataclass(frozen=True)
class Rule:
    """A row rule: the formula, and what it means."""

    text: str
    holds: Callable[[World, JSON, str], bool]
    """(world, record, person's name)"""


@dataclass
class Grant:
    """One grant of a role, as the oracle knows it."""

    entity: str
    rule: Rule | None
    fields: tuple[str, ...]
    masked: bool


@dataclass
class World:
    """Everything there is. Records are whole; ``team`` says who is in whose department or below."""

    seed: int
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: dict[str, list[Grant]] = field(default_factory=dict)
    people: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> roles."""
    user_ids: dict[str, str] = field(default_factory=dict)
    team: dict[str, set[str]] = field(default_factory=dict)
    """Name -> user ids."""
    records: dict[str, dict[str, JSON]] = field(default_factory=dict)
    """Entity -> id -> record."""

    def above(self, entity: str) -> str | None:
        """The entity that ``up`` of another one points to."""
        place = ENTITIES.index(entity)
        return ENTITIES[place - 1] if place else None

    def definition(self) -> JSON:
        """The app as one JSON value."""
        levels = [{"key": key, "label": key} for key in LEVELS]
        entities = []
        for place, key in enumerate(ENTITIES):
            fields = [
                field_of(each, *_TYPES[each], **_options(each, levels)) for each in self.fields[key] if each in _TYPES
            ]
            if place:
                fields.append(field_of("up", "reference", entity=ENTITIES[place - 1]))
            if place < len(ENTITIES) - 1:
                fields.append(field_of("down", "children", entity=ENTITIES[place + 1], via="up"))
            entities.append({"key": key, "label": key, "fields": fields})
        roles = [
            {"key": key, "label": key, "grants": [self._grant(grant) for grant in grants]}
            for key, grants in self.roles.items()
        ]
        return {"app": {"key": APP, "label": "Maze"}, "entities": entities, "roles": roles}

    def _grant(self, grant: Grant) -> JSON:
        written: JSON = {"entity": grant.entity, "fields": list(grant.fields)}
        if grant.rule is not None:
            written["rows"] = grant.rule.text
        if grant.masked and "phone" in grant.fields:
            written["masks"] = [{"field": "phone", "start": 2, "end": 1}]
        return written


_TYPES: dict[str, tuple[str]] = {
    "name": ("text",),
    "phone": ("text",),
    "level": ("select",),
    "amount": ("integer",),
    "owner": ("user",),
}


def _options(key: str, levels: JSON) -> JSON:
    return {"options": levels} if key == "level" else {}


def make_world(seed: int) -> World:
    """Make a schema with roles and people; records come when the people have ids."""
    chance = random.Random(seed)
    world = World(seed)
    for entity in ENTITIES:
        optional = [key for key in ("phone", "level", "amount") if chance.random() < 0.85]
        world.fields[entity] = ("name", "owner", *optional)
    for number in range(4):
        grants: list[Grant] = []
        for entity in ENTITIES:
            for _ in range(chance.choice((0, 1, 1, 2))):
                known = [*world.fields[entity], *(["up"] if world.above(entity) else [])]
                known += ["down"] if entity != ENTITIES[-1] else []
                shown = tuple(key for key in known if chance.random() < 0.75)
                grants.append(Grant(entity, _rule(world, entity, chance), shown, chance.random() < 0.4))
        world.roles[f"r{number}"] = grants or [Grant("root", None, ("name",), masked=False)]
    for number in range(6):
        world.people[f"p{number}"] = tuple(sorted(chance.sample(sorted(world.roles), chance.choice((1, 1, 2, 3)))))
    return world


def _rule(world: World, entity: str, chance: random.Random) -> Rule | None:
    rules = [
        Rule("owner = CURRENTUSER()", lambda w, r, p: r["owner"] == w.user_ids[p]),
        Rule("INTEAM(owner)", lambda w, r, p: r["owner"] in w.team[p]),
        Rule("ISBLANK(owner)", lambda _w, r, _p: r["owner"] is None),
    ]
    if "level" in world.fields[entity]:
        level = chance.choice(LEVELS)
        rules.append(Rule(f'level = "{level}"', lambda _w, r, _p: r["level"] == level))
    if "amount" in world.fields[entity]:
        bound = chance.randrange(40)
        rules.append(Rule(f"amount >= {bound}", lambda _w, r, _p: r["amount"] is not None and r["amount"] >= bound))
        rules.append(
            Rule(f"NOT(amount >= {bound})", lambda _w, r, _p: not (r["amount"] is not None and r["amount"] >= bound))
        )
    above = world.above(entity)
    if above is not None:
        rules.append(Rule("up.owner = CURRENTUSER()", lambda w, r, p: _up(w, above, r, "owner") == w.user_ids[p]))
    if above is not None and "level" in world.fields[above]:
        rules.append(Rule('up.level = "B"', lambda w, r, _p: _up(w, above, r, "level") == "B"))
    if entity != ENTITIES[-1]:
        below = ENTITIES[ENTITIES.index(entity) + 1]
        rules.append(
            Rule(
                "COUNT(down, owner = CURRENTUSER()) > 0",
                lambda w, r, p: any(
                    k["up"] == r["id"] and k["owner"] == w.user_ids[p] for k in w.records[below].values()
                ),
            )
        )
    if chance.random() < 0.25:
        return None
    one = chance.choice(rules)
    if chance.random() < 0.5:
        return one
    other = chance.choice(rules)
    if chance.random() < 0.5:
        return Rule(f"({one.text}) AND ({other.text})", lambda w, r, p: one.holds(w, r, p) and other.holds(w, r, p))
    return Rule(f"({one.text}) OR ({other.text})", lambda w, r, p: one.holds(w, r, p) or other.holds(w, r, p))


def _up(world: World, above: str, record: JSON, key: str) -> JSON:
    target = world.records[above].get(record["up"] or "")
    return None if target is None else target[key]


def fill(world: World, count: int) -> None:
    """Make records; ids say which."""
    chance = random.Random(world.seed + 1)
    people = [None, *world.user_ids.values()]
    for place, entity in enumerate(ENTITIES):
        world.records[entity] = {}
        for number in range(count):
            record: JSON = {"id": identifier(place * 1000 + number), "name": f"{entity}{chance.randrange(12)}"}
            record["owner"] = chance.choice(people)
            values: JSON = {
                "phone": chance.choice([None, f"13{chance.randrange(10**4):04d}"]),
                "level": chance.choice([None, *LEVELS]),
                "amount": chance.choice([None, *range(0, 60, 5)]),
            }
            record |= {key: values[key] for key in values if key in world.fields[entity]}
            if place:
                record["up"] = chance.choice([None, *world.records[ENTITIES[place - 1]]])
            world.records[entity][record["id"]] = record
