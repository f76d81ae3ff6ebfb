"""What a kind of guard is: which formulas and counts it needs, and what is missing by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.compiled.resolver import Joins
from builder.definition.guards.base import GuardModel
from builder.fields.geo_point import GeoPointField
from builder.fields.parts.datums import CONVERSIONS
from builder.kernel.text import Text
from builder.store.statement import Unit
from formulas.checker import check_condition
from formulas.filters import parse_filter
from formulas.sql import Dialect, to_condition
from runtime.expressions.prepared import end_of, zone_only
from runtime.pipelines.todo import Todo, sentence
from runtime.records.writer import Writing

JSON = Any
G = TypeVar("G", bound=GuardModel)
Texts = tuple[str | Mapping[str, JSON], ...]


@dataclass(frozen=True)
class Standing:
    """The record that a guard is asked about, as it is (or will be)."""

    w: Writing
    entity: CompiledEntity
    record_id: str
    shown: Mapping[str, JSON]


class Asking(NamedTuple):
    """What a guard makes its counts of."""

    app: CompiledApp
    dialect: Dialect
    prefix: str
    """Begins the names of its parameters."""

    def param(self, name: str, kind: Any) -> sa.BindParameter[Any]:
        """Return a parameter; ``GuardKind.values`` gives its value."""
        return sa.bindparam(self.prefix + name, type_=kind)

    def holds(self, entity: CompiledEntity, joins: Joins, condition: str | Mapping[str, JSON]) -> sa.ColumnElement[Any]:
        """Return a condition over records of an entity."""
        if isinstance(condition, str):
            tree = check_condition(condition, self.app, entity.key)
        else:
            tree = parse_filter(dict(condition), self.app, entity.key)
        return to_condition(with_variables(tree), joins, self.dialect, zone_only(self.app))


class Found(NamedTuple):
    """What was asked for a guard: the values of its formulas and its counts, each in their order."""

    values: Sequence[Any]
    counts: Sequence[Any]


class GuardKind(Protocol[G]):
    """One kind of guard. It has no state of its own."""

    model: type[G]
    columns: int
    """How many counts it needs."""

    def formulas(self, guard: G) -> Texts:
        """Formulas over the record that it needs."""
        ...

    def counts(self, guard: G, asking: Asking) -> Sequence[sa.ColumnElement[Any]]:
        """Subqueries that it needs; all guards of a move are asked by one statement."""
        ...

    def values(self, guard: G, s: Standing, values: Sequence[Any]) -> Mapping[str, Any]:
        """Values of the parameters of its counts, from those of its formulas."""
        ...

    def unmet(self, guard: G, s: Standing, found: Found) -> Unit[list[Todo]]:
        """Say what is missing; nothing if the guard is met."""
        ...


class Plain:
    """A kind that needs nothing asked."""

    columns = 0

    def formulas(self, guard: Any) -> Texts:
        """None."""
        return ()

    def counts(self, guard: Any, asking: Asking) -> Sequence[sa.ColumnElement[Any]]:
        """None."""
        return ()

    def values(self, guard: Any, s: Standing, values: Sequence[Any]) -> Mapping[str, Any]:
        """None."""
        return {}


def words(guard: GuardModel, made: Text) -> Text:
    """Return the guard's own message, or what was made of it."""
    return made if guard.message is None else sentence(guard.message)


def in_wgs84(s: Standing, path: str, point: tuple[Any, Any]) -> tuple[float, float]:
    """Return a position of the record, given in its field's datum, in degrees of WGS-84."""
    lat, lng = float(point[0]), float(point[1])
    field = end_of(s.w.app, s.entity, tuple(path.split(".")))
    datum = field.datum if isinstance(field, GeoPointField) else "WGS84"
    convert = CONVERSIONS.get((datum, "WGS84"))
    return (lat, lng) if convert is None else convert(lat, lng)
