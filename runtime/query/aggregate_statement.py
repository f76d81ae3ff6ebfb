"""Shapes of aggregates to statements, in steps that are subqueries of each other:

1. rows (only for medians): buckets, values and their ranks within the group;
2. grouped: records by what their columns hold, with the *parts* of every measure (a sum is two integers on SQLite, an average a sum and a count);
3. folded (only with buckets): the few groups of step 2 put into their buckets, parts added up;
4. shared (only for shares): the totals of parts over all groups beside each group;
5. chosen: ``having``, order, limit.

To-one relations are joined, which never multiplies rows; to-many ones are correlated subqueries, so every record counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.resolver import Joins
from builder.fields.base import Field
from builder.store.exact import LOW, PLACES, NumberKey
from builder.store.types import Whole
from formulas.sql import to_condition
from formulas.tree import Path
from formulas.types import BLANK
from runtime.query.aggregate_shape import AggregateShape, MeasureShape, plain_field
from runtime.query.buckets import bucket_key, raw_key
from runtime.query.conditions import field_at
from runtime.query.statements import both, guard, sql_dialect

Element = sa.ColumnElement[Any]
_ZERO, _ONE = sa.literal_column("0", sa.BigInteger()), sa.literal_column("1", sa.BigInteger())
_MANY_ZEROS = sa.literal_column("0." + "0" * 30, sa.Numeric())


class Part(NamedTuple):
    """One column of a measure. ``fold`` adds it up over groups."""

    name: str
    fold: str = "sum"


def parts_of(measure: MeasureShape, dialect: str) -> tuple[Part, ...]:
    """Return the columns that a measure is made of, in the order in which the reader takes them."""
    whole = (Part("high"), Part("low")) if dialect == "sqlite" else (Part("sum"),)
    match measure.function:
        case "count" | "count_distinct":
            return (Part("count"),)
        case "sum":
            return whole
        case "avg" | "median":
            return (*whole, Part("count"))
        case "share":
            return ()
        case function:
            return (Part(function, function),)


def aggregate_statement(app: CompiledApp, shape: AggregateShape, dialect: str) -> sa.Select[Any]:
    """Return the statement: pin, epoch, a mark of a group (null: there is none), groups, parts of measures, totals of shared measures."""
    return _Builder(app, shape, dialect).statement()


class _Builder:
    def __init__(self, app: CompiledApp, shape: AggregateShape, dialect: str) -> None:
        self._app = app
        self._shape = shape
        self._dialect = dialect
        self._entity = app.entities[shape.entity]
        self._joins = Joins(app, self._entity, self._entity.table, sql_dialect(dialect))
        self._kinds = [field_at(app, self._entity, group.path).formula_type().kind for group in shape.groups]
        functions = {measure.function for measure in shape.measures}
        self._ranked = "median" in functions
        self._whole = self._ranked or "count_distinct" in functions
        """Whether groups cannot be added up: then records are put into their buckets one by one."""

    # -- steps ------------------------------------------------------------------------------------------------------------

    def statement(self) -> sa.Select[Any]:
        """Build all steps."""
        source: sa.FromClause = self._grouped()
        if not self._whole and any(group.bucket for group in self._shape.groups):
            source = self._folded(source)
        if self._shape.shares:
            source = self._with_totals(source)
        return self._chosen(source)

    def _keys(self) -> list[Element]:
        keys: list[Element] = []
        for group, kind in zip(self._shape.groups, self._kinds, strict=True):
            key = self._joins.at(group.path)
            if group.bucket is not None:
                key = raw_key(key, kind, self._app.zone, self._dialect)
                if self._whole:
                    key = bucket_key(key, group.bucket, kind, self._app.zone, self._dialect)
            keys.append(key)
        return keys

    def _grouped(self) -> sa.Subquery:
        keys = [key.label(f"g{place}") for place, key in enumerate(self._keys())]
        if self._ranked:
            values = self._ranked_values(keys)
            keys = [values[1].c[key.name].label(key.name) for key in keys]
            parts = self._parts_over(values[0])
            statement = sa.select(*keys, *parts).select_from(values[1])
        else:
            parts = self._parts_over({})
            condition = self._condition()  # before the joins are asked for: it may need some
            statement = sa.select(*keys, *parts).select_from(self._joins.from_clause())
            if condition is not None:
                statement = statement.where(condition)
        if keys:
            statement = statement.group_by(*(sa.literal_column(str(place + 1)) for place in range(len(keys))))
        return statement.subquery("grouped")

    def _ranked_values(self, keys: list[sa.Label[Any]]) -> tuple[dict[int, list[Element]], sa.Subquery]:
        """Return step 1, and of each measure the columns it is computed from."""
        partition = [key.element for key in keys] or None
        columns: list[sa.Label[Any]] = []
        held: dict[int, list[str]] = {}
        for place, measure in enumerate(self._shape.measures):
            inputs = self._inputs(measure)
            if measure.function == "median":
                value = inputs[0]
                rank = sa.func.row_number().over(partition_by=partition, order_by=_largest_first(value, self._dialect))
                inputs = [value, rank, sa.func.count(value).over(partition_by=partition)]
            names = [f"v{place}_{number}" for number in range(len(inputs))]
            columns += [value.label(name) for value, name in zip(inputs, names, strict=True)]
            held[place] = names
        condition = self._condition()
        statement = sa.select(_ONE.label("one"), *keys, *columns).select_from(self._joins.from_clause())
        rows = (statement if condition is None else statement.where(condition)).subquery("rows")
        return {place: [rows.c[name] for name in names] for place, names in held.items()}, rows

    def _condition(self) -> Element | None:
        asked = self._shape.condition
        condition = None if asked is None else to_condition(asked, self._joins, self._joins.dialect)
        return both(condition, self._joins.visible())

    def _parts_over(self, held: dict[int, list[Element]]) -> list[sa.Label[Any]]:
        found: list[sa.Label[Any]] = []
        for place, measure in enumerate(self._shape.measures):
            inputs = held[place] if held else self._inputs(measure)
            for part in parts_of(measure, self._dialect):
                found.append(self._part(measure, part, inputs).label(_column(place, part)))
        return found

    def _folded(self, grouped: sa.FromClause) -> sa.Subquery:
        keys: list[Element] = []
        for place, (group, kind) in enumerate(zip(self._shape.groups, self._kinds, strict=True)):
            key: Element = grouped.c[f"g{place}"]
            if group.bucket is not None:
                key = bucket_key(key, group.bucket, kind, self._app.zone, self._dialect)
            keys.append(key.label(f"g{place}"))
        parts = [
            _fold(grouped.c[_column(place, part)], part).label(_column(place, part))
            for place, measure in enumerate(self._shape.measures)
            for part in parts_of(measure, self._dialect)
        ]
        ordinals: list[Element] = [sa.literal_column(str(place + 1)) for place in range(len(keys))]
        return sa.select(*keys, *parts).group_by(*ordinals).subquery("folded")

    def _with_totals(self, source: sa.FromClause) -> sa.Subquery:
        totals = [
            sa.func.sum(source.c[_column(of, part)]).over().label(_total(place, part))
            for place, of in self._shape.shares
            for part in parts_of(self._shape.measures[of], self._dialect)
        ]
        return sa.select(*source.c, *totals).subquery("shared")

    def _chosen(self, source: sa.FromClause) -> sa.Select[Any]:
        statement = sa.select(_ONE.label("present"), *source.c)
        if self._shape.having is not None:
            schema = _Measures(self, source)
            statement = statement.where(to_condition(self._shape.having, schema, self._joins.dialect))
        count = len(self._shape.groups)
        order: list[tuple[Element, bool]] = []
        for place, descending in self._shape.sort:
            elements = [source.c[f"g{place}"]] if place < count else self.sortable(source, place - count)
            order += [(element, descending) for element in elements]
        sorted_groups = {place for place, _ in self._shape.sort if place < count}
        order += [(source.c[f"g{place}"], False) for place in range(count) if place not in sorted_groups]
        names = [f"o{place}" for place in range(len(order))]
        ordered = [element.label(name) for (element, _), name in zip(order, names, strict=True)]
        inner = statement.add_columns(*ordered)
        inner = inner.order_by(*(self._ordered(element, down) for element, down in order))
        chosen = inner.limit(sa.bindparam("limit", type_=sa.Integer())).subquery("chosen")
        g = guard()
        shown = [column for column in chosen.c if column.name not in names]
        return (
            sa.select(g.c.pin, g.c.epoch, *shown)
            .select_from(g.outerjoin(chosen, sa.true()))
            .order_by(*(self._ordered(chosen.c[name], down) for name, (_, down) in zip(names, order, strict=True)))
        )

    def _ordered(self, element: Element, descending: bool) -> Element:
        ordered: Any = element.desc() if descending else element.asc()
        if self._dialect == "postgresql":
            ordered = ordered.nulls_last() if descending else ordered.nulls_first()
        return cast("Element", ordered)

    # -- what a measure is computed from ----------------------------------------------------------------------------------

    def _inputs(self, measure: MeasureShape) -> list[Element]:
        """Return columns (or correlated subqueries) of one record."""
        if not measure.path:
            return []
        if measure.many < 0:
            return [self._joins.at(measure.path)]
        relation, rest = measure.path[: measure.many + 1], measure.path[measure.many + 1 :]
        if measure.function == "count":
            related = self._joins.related(relation)
            counted = sa.func.count(related.resolver.column(_path(rest))) if rest else sa.func.count()
            return [related.select([counted], None).scalar_subquery()]
        found: list[Element] = []
        for part in parts_of(measure, self._dialect):
            related = self._joins.related(relation)
            value = related.resolver.column(_path(rest))
            found.append(related.select([self._over_records(part, value)], None).scalar_subquery())
        return found

    def _part(self, measure: MeasureShape, part: Part, inputs: list[Element]) -> Element:
        """Return one part of a measure over the records of a group."""
        if not inputs:
            return sa.func.count()
        if measure.many >= 0:
            if measure.function == "count":
                return _fold(inputs[0], part)
            position = parts_of(measure, self._dialect).index(part)
            return _fold(inputs[position], part)
        value = inputs[0]
        if measure.function == "count_distinct":
            return sa.func.count(sa.distinct(value))
        if measure.function == "median":
            rank, count = inputs[1], inputs[2]
            middle = (rank >= _half(count + _ONE)) & (rank <= _half(count + _ONE + _ONE))
            value = sa.case((middle, _plain(value, self._dialect)))
        return self._over_records(part, value)

    def _over_records(self, part: Part, value: Element) -> Element:
        match part.name:
            case "count":
                return sa.func.count(value)
            case "high":
                return sa.func.sum(_plain(value, "sqlite").op("/", precedence=8)(sa.literal_column(str(LOW))))
            case "low":
                return sa.func.sum(_plain(value, "sqlite").op("%", precedence=8)(sa.literal_column(str(LOW))))
            case "sum":
                return sa.func.sum(sa.cast(value, sa.Numeric()))
            case name:
                function: Callable[..., Any] = sa.func.min if name == "min" else sa.func.max
                return cast("Element", function(value))

    # -- what groups are chosen and ordered by ----------------------------------------------------------------------------

    def field(self, place: int) -> Field:
        """Return the field of a measure."""
        return plain_field(field_at(self._app, self._entity, self._shape.measures[place].path))

    def sortable(self, source: sa.FromClause, place: int) -> list[Element]:
        """Return what puts groups in the order of a measure; several elements where the number has several parts."""
        measure = self._shape.measures[place]
        if measure.function in ("count", "count_distinct", "min", "max"):
            return [source.c[_column(place, parts_of(measure, self._dialect)[0])]]
        if measure.function == "sum" and self._dialect == "sqlite":
            high, low = (sa.func.coalesce(source.c[_column(place, Part(name))], _ZERO) for name in ("high", "low"))
            base: Element = sa.literal_column(str(LOW))
            rest = (low.op("%", precedence=8)(base) + base).op("%", precedence=8)(base)
            return [high + (low - rest).op("/", precedence=8)(base), rest]
        return [self.exact(source, place)]

    def exact(self, source: sa.FromClause, place: int) -> Element:
        """Return the exact number of a measure: a key on SQLite."""
        measure = self._shape.measures[place]
        if self._dialect == "postgresql":
            return sa.type_coerce(self._exact_postgresql(source, place, measure), NumberKey())
        return sa.type_coerce(self._exact_sqlite(source, place, measure), NumberKey())

    def _exact_postgresql(self, source: sa.FromClause, place: int, measure: MeasureShape) -> Element:
        columns = [source.c[_column(place, part)] for part in parts_of(measure, self._dialect)]
        if measure.function == "sum":
            return sa.func.coalesce(columns[0], sa.cast(_ZERO, sa.Numeric()))
        if measure.function in ("avg", "median"):
            return _divided(columns[0], columns[1])
        if measure.function == "share":
            of, total = self._shared(source, place)
            return _divided(of[0], total[0])
        return sa.cast(columns[0], sa.Numeric())

    def _exact_sqlite(self, source: sa.FromClause, place: int, measure: MeasureShape) -> Element:
        columns = [source.c[_column(place, part)] for part in parts_of(measure, self._dialect)]
        if measure.function == "share":
            of, total = self._shared(source, place)
            if len(of) == 1:
                return sa.func.ratio_key(_ZERO, of[0], _ZERO, total[0], _ZERO)
            of = [sa.func.coalesce(column, _ZERO) for column in of]
            return sa.func.ratio_key(*of, *total, _ZERO)
        if measure.function.startswith("count"):
            return sa.func.exact_key(_ZERO, columns[0], _ZERO)
        scale: Element = sa.literal_column(str(self.field(place).formula_type().scale))
        if measure.function == "sum":
            return sa.func.exact_key(*(sa.func.coalesce(column, _ZERO) for column in columns), scale)
        if measure.function in ("avg", "median"):
            return sa.func.ratio_key(columns[0], columns[1], _ZERO, columns[2], scale)
        return sa.func.exact_key(_ZERO, _plain(columns[0], "sqlite"), scale)

    def _shared(self, source: sa.FromClause, place: int) -> tuple[list[Element], list[Element]]:
        of = dict(self._shape.shares)[place]
        parts = parts_of(self._shape.measures[of], self._dialect)
        return [source.c[_column(of, part)] for part in parts], [source.c[_total(place, part)] for part in parts]


class _Measures:
    """Where ``having`` finds measures (the port of ``formulas.sql``)."""

    def __init__(self, builder: _Builder, source: sa.FromClause) -> None:
        self._builder = builder
        self._source = source

    def column(self, path: Path) -> Element:
        """Return a measure by its place."""
        place = int(path.steps[0])
        if path.type.is_number:
            return self._builder.exact(self._source, place)
        return self._builder.sortable(self._source, place)[0]

    def related(self, relation: tuple[str, ...]) -> Any:
        """Measures have no relations."""
        raise AssertionError(relation)


def _column(place: int, part: Part) -> str:
    return f"m{place}_{part.name}"


def _total(place: int, part: Part) -> str:
    return f"t{place}_{part.name}"


def _path(steps: tuple[str, ...]) -> Path:
    return Path(steps, BLANK)


def _fold(column: Element, part: Part) -> Element:
    function: Any = {"sum": sa.func.sum, "min": sa.func.min, "max": sa.func.max}[part.fold]
    folded: Element = function(column, type_=column.type)
    if part.name == "count":
        return sa.cast(sa.func.coalesce(folded, _ZERO), Whole())
    return folded


def _half(number: Element) -> Element:
    return number.op("/", precedence=8)(sa.literal_column("2"))


def _plain(value: Element, dialect: str) -> Element:
    """On SQLite the stored integer itself, so that operators see no decimal."""
    return sa.type_coerce(value, sa.BigInteger()) if dialect == "sqlite" else value


def _largest_first(value: Element, dialect: str) -> Element:
    """Blanks last, so that the values have the first ranks."""
    return value.desc().nulls_last() if dialect == "postgresql" else value.desc()


def _divided(numerator: Element, denominator: Element) -> Element:
    """PostgreSQL: a quotient rounded half up; the zeros make it precise enough to round once."""
    exact: Element = (sa.func.coalesce(numerator, _ZERO) + _MANY_ZEROS).op("/", precedence=8)(
        sa.func.nullif(denominator, _ZERO)
    )
    return sa.func.round(exact, sa.literal_column(str(PLACES)))
