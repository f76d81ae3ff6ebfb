"""Which related fields one statement brings up to date, and which changes a write has to note for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from builder.compiled.computing import Computed, FieldId
from formulas.dependencies import Dependency
from formulas.schema import Schema
from formulas.tree import Rollup, walk

Paths = frozenset[tuple[str, ...]]


class Round(NamedTuple):
    """Related fields of one entity that read along the same paths and do not read each other."""

    entity: str
    fields: tuple[Computed, ...]

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """What they read, each once."""
        return tuple(dict.fromkeys(d for computed in self.fields for d in computed.dependencies))


def rounds_of(computed: Mapping[FieldId, Computed]) -> tuple[Round, ...]:
    """Return the related fields in rounds, each after those that it reads.

    Args:
        computed: all computed fields of an app, each after those it reads.
    """
    made: list[tuple[tuple[str, Paths], list[Computed]]] = []
    place_of: dict[FieldId, int] = {}
    for field in computed.values():
        if field.place != "related":
            continue
        first = 1 + max((place_of.get((d.entity, d.field), -1) for d in field.dependencies), default=-1)
        kind = field.entity, _relations(field)
        fitting = (place for place in range(first, len(made)) if made[place][0] == kind)
        place = next(fitting, len(made))
        if place == len(made):
            made.append((kind, []))
        made[place][1].append(field)
        place_of[field.id] = place
    return tuple(Round(entity, tuple(fields)) for (entity, _), fields in made)


def _relations(field: Computed) -> Paths:
    """Return the relations that a field reads over; counting records reads none of their fields."""
    counted = {node.relation for node in walk(field.tree) if isinstance(node, Rollup)}
    return frozenset(counted | {d.path for d in field.dependencies if d.path})


def direct_relations(rounds: Iterable[Round]) -> frozenset[tuple[str, str]]:
    """Return the to-many relations (entity, key) that are read by records that have them themselves."""
    return frozenset((r.entity, d.path[0]) for r in rounds for d in r.dependencies if len(d.path) == 1)


def read_over(rounds: Iterable[Round], schema: Schema) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return every path of to-one relations over which values are read, from wherever it begins: (entity, steps)."""
    found: set[tuple[str, tuple[str, ...]]] = set()
    for each in rounds:
        for dependency in each.dependencies:
            found |= _to_one_parts(each.entity, dependency.path, schema)
    longest = (part for part in found if not any(_begins(other, part) for other in found if other != part))
    return tuple(sorted(longest))


def _to_one_parts(entity: str, path: tuple[str, ...], schema: Schema) -> set[tuple[str, tuple[str, ...]]]:
    found: set[tuple[str, tuple[str, ...]]] = set()
    owners: list[tuple[str, int]] = []
    for place, step in enumerate(path):
        info = schema.find_field(entity, step)
        if info is None or info.leads_to is None:
            return found
        owners = [] if info.many else [*owners, (entity, place)]
        found |= {(owner, path[start : place + 1]) for owner, start in owners}
        entity = info.leads_to
    return found


def _begins(longer: tuple[str, tuple[str, ...]], part: tuple[str, tuple[str, ...]]) -> bool:
    return longer[0] == part[0] and longer[1][: len(part[1])] == part[1]
