"""The shape of a read: everything that decides its statement, nothing that is only a value. Hashable, so statements are kept by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import is_variable
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from formulas.checker import check_condition
from formulas.errors import FormulaError, FormulaErrors, Message
from formulas.filters import parse_filter
from formulas.moments import bind_context
from formulas.schema import Context
from formulas.sql import has_sql_form
from formulas.tree import Tree, lift, paths, walk
from runtime.access.gate import FieldMap
from runtime.query.cursor import read_cursor
from runtime.query.problems import filter_problem, invalid
from runtime.query.request import ListRequest
from runtime.query.selection import Selection, select

_UNSORTABLE = ("set", "json", "geo", "file")


class SortKey(NamedTuple):
    """One key of an order. Blanks are the smallest: first when ascending, last when descending."""

    path: tuple[str, ...]
    descending: bool


class ListShape(NamedTuple):
    """What decides the statement of a list."""

    selection: Selection
    condition: Tree | None
    sort: tuple[SortKey, ...]
    after: tuple[bool, ...] | None
    """With a cursor: which of its values are blank."""


class ListPlan(NamedTuple):
    """A list ready to be run: shape and values. It may be used more than once, so nobody changes it."""

    shape: ListShape
    values: dict[str, Any]
    order: str
    """The order in words; a cursor belongs to one order."""


def plan_list(
    app: CompiledApp,
    entity: CompiledEntity,
    request: ListRequest,
    *,
    now: datetime,
    user_id: str | None,
    field_map: FieldMap,
) -> ListPlan:
    """Look up every name of a request, note every path it touches, and split it into shape and values.

    Raises:
        Problem: ``request.unknown_name``, ``query.invalid``, ``query.cursor``.
    """
    selection = select(app, entity, request.fields, request.expand, field_map)
    condition, values = plan_filter(app, entity, request.filter, now, user_id, field_map)
    sort, fields = _plan_sort(app, entity, request.sort, field_map)
    order = f"{entity.key} " + ",".join(f"{'-' if key.descending else ''}{'.'.join(key.path)}" for key in sort)
    after: tuple[bool, ...] | None = None
    if request.cursor is not None:
        at = read_cursor(request.cursor, order, fields)
        after = tuple(value is None for value in at)
        values |= {f"k{place}": value for place, value in enumerate(at) if value is not None}
    values["limit"] = request.limit + 1
    return ListPlan(ListShape(selection, condition, sort, after), values, order)


def plan_filter(
    app: CompiledApp, entity: CompiledEntity, given: Any, now: datetime, user_id: str | None, field_map: FieldMap
) -> tuple[Tree | None, dict[str, Any]]:
    """Return the shape of a filter and its values ``p0``, ``p1`` …"""
    if given is None or given == {}:
        return None, {}
    context = Context(now=now, user=user_id, zone=app.zone)
    try:
        if isinstance(given, str):
            tree = bind_context(_read_condition(app, entity, given), context)
        else:
            tree = parse_filter(given, app, entity.key, context, pointer="/filter")
    except FormulaErrors as errors:
        raise filter_problem(errors) from None
    for path in paths(tree):
        note_path(app, entity.key, path, field_map, use="filter")
    shape, values = lift(tree)
    return shape, {f"p{place}": value for place, value in enumerate(values)}


def _read_condition(app: CompiledApp, entity: CompiledEntity, text: str) -> Tree:
    """Read a filter written as a formula.

    Raises:
        FormulaErrors: with places in the text.
    """
    tree = check_condition(text, app, entity.key)
    for node in walk(tree):
        if not (has_sql_form(node, "sqlite") and has_sql_form(node, "postgresql")) and not is_variable(node):
            name = getattr(node, "function", "")
            zh, en = f"{name} 不能用于筛选", f"{name} cannot be used in a filter"
            raise FormulaErrors([FormulaError("TYPE", Message(zh, en))])
    return tree


def note_path(app: CompiledApp, entity: str, path: tuple[str, ...], field_map: FieldMap, *, use: Any) -> None:
    """Note a dotted path: each hop belongs to the entity it is taken from."""
    for step in path:
        field_map.add(entity, step, use)
        found = app.find_field(entity, step)
        if found is None or found.target_entity is None:
            return
        entity = found.target_entity


def _plan_sort(
    app: CompiledApp, entity: CompiledEntity, given: tuple[str, ...], field_map: FieldMap
) -> tuple[tuple[SortKey, ...], list[Field]]:
    keys: list[SortKey] = []
    fields: list[Field] = []
    for place, text in enumerate(given):
        path = tuple(text.removeprefix("-").split("."))
        fields.append(_sort_field(app, entity, path, place))
        note_path(app, entity.key, path, field_map, use="sort")
        keys.append(SortKey(path, text.startswith("-")))
    if not keys:
        keys, fields = [SortKey(("created_at",), True)], [entity.system["created_at"]]
    if all(key.path != ("id",) for key in keys):
        keys.append(SortKey(("id",), keys[-1].descending))  # makes the order total: a cursor can stand on it
        fields.append(entity.system["id"])
    return tuple(keys), fields


def _sort_field(app: CompiledApp, entity: CompiledEntity, path: tuple[str, ...], place: int) -> Field:
    owner = entity
    if len(path) > 4:
        raise invalid(f"sort/{place}", say("排序路径太长", "The sort path is too long"))
    for position, step in enumerate(path):
        found = app.find_field(owner.key, step)
        field = owner.find_field(step)
        last = position == len(path) - 1
        if found is None or field is None:
            hint = nearest_hint(step, [key for key, _ in app.fields(owner.key)])
            message = say(f"“{owner.key}”没有字段“{step}”{hint.zh}", f'"{owner.key}" has no field "{step}"{hint.en}')
            violation = Violation("unknown", f"/sort/{place}", message, {"name": step})
            raise Problem("request.unknown_name", message, violations=[violation])
        if last and not found.many and found.type.kind not in _UNSORTABLE and _has_value(field):
            return field
        if last or found.target_entity is None or found.many:
            raise invalid(f"sort/{place}", say(f"不能按“{step}”排序", f'Cannot sort by "{step}"'))
        owner = app.entities[found.target_entity]
    raise AssertionError("a path has at least one step")


def _has_value(field: Field) -> bool:
    return field.stored or field.shows is not None or isinstance(field, ComputedField)
