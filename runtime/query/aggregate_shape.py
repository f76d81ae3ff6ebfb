"""The shape of an aggregate: names looked up, every path noted, values taken out. Hashable, so statements are kept by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from builder.kernel.limits import QUERY_HOPS
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from formulas.errors import FormulaError, FormulaErrors, Message
from formulas.filters import parse_filter
from formulas.schema import Context, FieldInfo
from formulas.tree import Path, Tree, children, lift, with_children
from formulas.types import Type
from runtime.access.gate import FieldMap
from runtime.query.aggregate_request import EVERY_RECORD, AggregateRequest, Group, Measure
from runtime.query.conditions import field_at, has_value, note_path, plan_filter, shift
from runtime.query.problems import filter_problem, invalid, unknown, unknown_field

#: Any number a measure can be and any constant it can be compared with, exactly.
EXACT_TYPE = Type("decimal", scale=50, digits=150)
_NO_VALUE = ("set", "json", "geo", "file")
_NUMBERS = ("integer", "decimal")
_ORDERED = (*_NUMBERS, "text", "date", "datetime", "time", "duration")
_SHARED = ("sum", "count")
_HAVING_FROM = 10_000  # the number of its first parameter; a filter has fewer


class GroupShape(NamedTuple):
    """One key of the groups: a column over to-one relations, or the day, week … that it falls in."""

    path: tuple[str, ...]
    bucket: str | None


class MeasureShape(NamedTuple):
    """One measure. ``path`` is empty for a count of records; ``many`` is the place of a to-many relation in it, or -1."""

    function: str
    path: tuple[str, ...] = ()
    many: int = -1


class AggregateShape(NamedTuple):
    """What decides the statement. Names do not: groups and measures are known by their place."""

    entity: str
    condition: Tree | None
    groups: tuple[GroupShape, ...]
    measures: tuple[MeasureShape, ...]
    shares: tuple[tuple[int, int], ...]
    """(place of a share, place of the measure it is a share of)"""
    having: Tree | None
    sort: tuple[tuple[int, bool], ...]
    """(place, descending); places count groups first, then measures."""


class AggregatePlan(NamedTuple):
    """An aggregate ready to be run."""

    shape: AggregateShape
    values: dict[str, Any]
    names: tuple[str, ...]
    """Of groups, then of measures."""
    fields: tuple[Field | None, ...]
    """The field of each group and measure; None where it is only counted."""
    totals: AggregateShape | None
    """The same measures over all records at once."""


def plan_aggregate(
    app: CompiledApp,
    entity: CompiledEntity,
    request: AggregateRequest,
    *,
    asker: Context,
    field_map: FieldMap,
) -> AggregatePlan:
    """Look up every name of a request, note every path it touches, and split it into shape and values.

    Raises:
        Problem: ``request.unknown_name``, ``query.invalid``.
    """
    field_map.add(entity.key, "", "aggregate")
    condition, values = plan_filter(app, entity, request.filter, asker, field_map)
    reading = _Reading(app, entity, field_map)
    groups = [reading.group(group) for group in request.group_by]
    own = [(place, measure) for place, measure in enumerate(request.measures) if measure.function != "share"]
    measured = {measure.name: (place, *reading.measure(measure)) for place, measure in own}
    measures: list[MeasureShape] = []
    fields: list[Field | None] = [field for _, field in groups]
    shares: list[tuple[int, int]] = []
    for place, measure in enumerate(request.measures):
        if measure.function == "share":
            of = _shared_measure(measure, measured, request.measures)
            shares.append((place, of))
            measures.append(MeasureShape("share"))
            fields.append(None)
        else:
            _, found, field = measured[measure.name]
            measures.append(found)
            fields.append(field)
    names = (*(group.name for group in request.group_by), *(measure.name for measure in request.measures))
    having = None
    if request.having not in (None, {}):
        types = {
            m.name: _having_type(s, f)
            for m, s, f in zip(request.measures, measures, fields[len(groups) :], strict=True)
        }
        having, given = _plan_having(request.having, types, asker)
        values |= given
    shape = AggregateShape(
        entity.key,
        condition,
        tuple(group for group, _ in groups),
        tuple(measures),
        tuple(shares),
        having,
        _plan_sort(request.sort, names),
    )
    totals = shape._replace(groups=(), having=None, sort=()) if request.totals else None
    return AggregatePlan(shape, {**values, "limit": request.limit + 1}, names, tuple(fields), totals)


def _shared_measure(
    share: Measure, measured: dict[str, tuple[int, MeasureShape, Field | None]], measures: Iterable[Measure]
) -> int:
    found = measured.get(share.of)
    if found is not None and found[1].function in _SHARED:
        return found[0]
    if any(measure.name == share.of for measure in measures):
        text = say("占比只能取 sum 或 count 度量", "A share is of a measure that is a sum or a count")
        raise invalid(share.pointer[1:], text)
    shown, hint = share.of[:100], nearest_hint(share.of, measured)
    raise unknown(share.pointer, say(f"没有度量“{shown}”{hint.zh}", f'There is no measure "{shown}"{hint.en}'), shown)


def plain_field(field: Field) -> Field:
    """Return the field that knows how values are kept: of a computed field its shape."""
    return field.shape if isinstance(field, ComputedField) else field


class _Reading:
    """Finds the fields of paths."""

    def __init__(self, app: CompiledApp, entity: CompiledEntity, field_map: FieldMap) -> None:
        self._app = app
        self._entity = entity
        self._field_map = field_map

    def group(self, group: Group) -> tuple[GroupShape, Field]:
        """Look up the key of a group."""
        path, field, many = self._find(group.path, group.pointer)
        where = group.pointer[1:]
        kind = field.formula_type().kind
        if many >= 0 or kind in _NO_VALUE or not has_value(field):
            shown = group.path
            raise invalid(where, say(f"不能按“{shown}”分组", f'Cannot group by "{shown}"'))
        if group.bucket is not None and kind not in ("date", "datetime"):
            text = say(
                f"“{group.path}”不是日期,不能按 {group.bucket} 分组",
                f'"{group.path}" is no date, so it has no {group.bucket}',
            )
            raise invalid(where, text)
        return GroupShape(path, group.bucket), plain_field(field)

    def measure(self, measure: Measure) -> tuple[MeasureShape, Field | None]:
        """Look up the field of a measure."""
        if measure.of == EVERY_RECORD:
            if measure.function != "count":
                raise invalid(measure.pointer[1:], say("只有 count 可以用 *", "Only count takes *"))
            return MeasureShape("count"), None
        path, field, many = self._find(measure.of, measure.pointer)
        kind = field.formula_type().kind
        rows = many == len(path) - 1  # the to-many relation itself
        allowed = (
            (measure.function == "count" and (rows or has_value(field)))
            or (measure.function == "count_distinct" and has_value(field) and kind not in _NO_VALUE)
            or (measure.function in ("sum", "avg", "median") and kind in _NUMBERS)
            or (measure.function in ("min", "max") and kind in _ORDERED)
        )
        if not allowed:
            text = say(
                f"{measure.function} 不能用于“{measure.of}”", f'{measure.function} does not apply to "{measure.of}"'
            )
            raise invalid(measure.pointer[1:], text)
        if many >= 0 and measure.function in ("count_distinct", "median"):
            text = say(
                f"{measure.function} 不能越过一对多关联“{path[many]}”;请在子实体上汇总",
                f'{measure.function} cannot go over the to-many relation "{path[many]}"; ask the entity of the children',
            )
            raise invalid(measure.pointer[1:], text)
        return MeasureShape(measure.function, path, many), None if measure.function.startswith(
            "count"
        ) else plain_field(field)

    def _find(self, text: str, pointer: str) -> tuple[tuple[str, ...], Field, int]:
        """Return the steps of a path, the field at its end, and the place of a to-many relation in it or -1."""
        names = tuple(text.split("."))
        steps: tuple[str, ...] = ()
        owner, many = self._entity.key, -1
        if len(names) > QUERY_HOPS + 1:
            raise invalid(
                pointer[1:], say(f"路径最多 {QUERY_HOPS} 层", f"A path goes over {QUERY_HOPS} relations at most")
            )
        for place, step in enumerate(names):
            info = self._app.find_field(owner, step)
            if info is None:
                raise unknown_field(pointer, owner, step, self._app.fields(owner))
            steps = (*steps, *info.steps)
            if info.many:
                if many >= 0:
                    raise invalid(
                        pointer[1:], say("只能越过一个一对多关联", "A path goes over one to-many relation at most")
                    )
                many = len(steps) - 1
            if place == len(names) - 1:
                note_path(self._app, self._entity.key, steps, self._field_map, use="aggregate")
                return steps, field_at(self._app, self._entity, steps), many
            if info.target_entity is None:
                raise invalid(pointer[1:], say(f"“{step}”不是关联字段", f'"{step}" is no relation'))
            owner = info.target_entity
        raise AssertionError("a path has at least one step")


# -- having and sort ------------------------------------------------------------------------------------------------------


class MeasureSchema:
    """The measures of a request as the fields of one entity, so that ``having`` is a filter like any other."""

    def __init__(self, types: dict[str, Type]) -> None:
        self._types = types

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """Return a measure."""
        found = self._types.get(key)
        return None if found is None else FieldInfo(key, found)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Yield the names."""
        return ((name, "") for name in self._types)


def _having_type(measure: MeasureShape, field: Field | None) -> Type:
    if measure.function in ("min", "max") and field is not None and not field.formula_type().is_number:
        return field.formula_type()
    return EXACT_TYPE


def _plan_having(given: Any, types: dict[str, Type], context: Context) -> tuple[Tree, dict[str, Any]]:
    try:
        tree = parse_filter(given, MeasureSchema(types), "", context, pointer="/having", judge=_refuse_text)
    except FormulaErrors as errors:
        raise filter_problem(errors, "/having") from None
    places = {name: str(place) for place, name in enumerate(types)}
    shape, values = lift(_by_place(tree, places))
    return shift(shape, _HAVING_FROM), {f"p{_HAVING_FROM + place}": value for place, value in enumerate(values)}


def _refuse_text(_condition: Tree, _text: str) -> None:
    """Measures are compared, not computed with."""
    zh, en = "having 中不能写公式", "having takes no formulas"
    raise FormulaErrors([FormulaError("TYPE", Message(zh, en))])


def _by_place(tree: Tree, places: dict[str, str]) -> Tree:
    """Replace names of measures by their places, which the shape is made of."""
    if isinstance(tree, Path):
        return Path((places[tree.steps[0]],), tree.type)
    parts = children(tree)
    return with_children(tree, tuple(_by_place(part, places) for part in parts)) if parts else tree


def _plan_sort(given: tuple[str, ...], names: tuple[str, ...]) -> tuple[tuple[int, bool], ...]:
    keys: list[tuple[int, bool]] = []
    for place, text in enumerate(given):
        name = text.removeprefix("-")
        if name not in names:
            shown, hint = name[:100], nearest_hint(name, names)
            message = say(f"没有分组或度量“{shown}”{hint.zh}", f'There is no group or measure "{shown}"{hint.en}')
            raise unknown(f"/sort/{place}", message, name)
        keys.append((names.index(name), text.startswith("-")))
    return tuple(keys)
