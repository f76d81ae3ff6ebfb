"""Filters and orders of a query: names looked up, every path noted, values taken out."""

from __future__ import annotations

from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import side_of
from builder.kernel.limits import QUERY_RELATIONS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from formulas.checker import check_condition
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.moments import bind_context
from formulas.nodes import asks_directory
from formulas.schema import Context
from formulas.sql import require_sql_form
from formulas.tree import Param, Tree, children, join, lift, paths, with_children
from runtime.access.gate import FieldMap
from runtime.query.literals import settle
from runtime.query.problems import filter_problem, invalid, together, too_many_relations, unknown_field

_UNSORTABLE = ("set", "json", "geo", "file")
_SORT_STEPS = 4


class AllOf(NamedTuple):
    """Several filters that hold together (a view's and the request's own), each with its place for what is wrong with it."""

    parts: tuple[tuple[Any, str], ...]


class SortKey(NamedTuple):
    """One key of an order. Blanks are the smallest: first when ascending, last when descending."""

    path: tuple[str, ...]
    descending: bool


def plan_filter(
    app: CompiledApp,
    entity: CompiledEntity,
    given: Any,
    asker: Context,
    field_map: FieldMap,
    *,
    pointer: str = "/filter",
    first: int = 0,
) -> tuple[Tree | None, dict[str, Any]]:
    """Return the shape of a filter and its values, numbered from ``first``: ``p0``, ``p1`` …

    Args:
        asker: whose question it is and when: what ``$NOW``, ``CURRENTUSER()`` and ``INTEAM(…)`` stand for.

    Raises:
        Problem: ``request.unknown_name``, ``query.invalid``.
    """
    if given is None or given == {}:
        return None, {}
    parts = given.parts if isinstance(given, AllOf) else ((given, pointer),)
    tree = join("and", [_read_filter(app, entity, part, asker, place) for part, place in parts])
    field_map.asks_directory |= asks_directory(tree)
    touched = paths(tree)
    if len({path[:-1] for path in touched if len(path) > 1}) > QUERY_RELATIONS:
        raise too_many_relations(pointer)
    for path in touched:
        note_path(app, entity.key, path, field_map, use="filter")
    shape, values = lift(tree)
    return shift(shape, first), {f"p{first + place}": value for place, value in enumerate(values)}


def _read_filter(app: CompiledApp, entity: CompiledEntity, given: Any, context: Context, pointer: str) -> Tree:
    try:
        if isinstance(given, str):
            tree = _read_condition(app, entity, given, context)
        else:
            tree = parse_filter(given, app, entity.key, context, pointer=pointer, judge=require_sql_form)
    except FormulaErrors as errors:
        raise filter_problem(errors, pointer) from None
    return settle(tree, app, entity.key, given, pointer)


def shift(tree: Tree, by: int) -> Tree:
    """Number the parameters of a shape from ``by`` on, so that two shapes can stand in one statement."""
    if not by:
        return tree
    if isinstance(tree, Param):
        return Param(tree.index + by, tree.type)
    parts = children(tree)
    return with_children(tree, tuple(shift(part, by) for part in parts)) if parts else tree


def _read_condition(app: CompiledApp, entity: CompiledEntity, text: str, context: Context) -> Tree:
    """Read a filter written as a formula.

    Raises:
        FormulaErrors: with places in the text.
    """
    tree = bind_context(check_condition(text, app, entity.key), context)
    require_sql_form(tree, text)
    return tree


def note_path(app: CompiledApp, entity: str, path: tuple[str, ...], field_map: FieldMap, *, use: Any) -> None:
    """Note a dotted path: each hop belongs to the entity it is taken from."""
    side = side_of(entity)
    entity = side[0] if side else entity
    for step in path:
        field_map.add(entity, step, use)
        found = app.find_field(entity, step)
        if found is None or found.leads_to is None:
            return
        entity = found.leads_to


def plan_sort(
    app: CompiledApp, entity: CompiledEntity, given: tuple[str, ...], field_map: FieldMap, *, pointer: str = "/sort"
) -> tuple[tuple[SortKey, ...], list[Field]]:
    """Return the keys of an order that is total, with their fields; the newest first if none are given.

    Raises:
        Problem: ``request.unknown_name``, ``query.invalid``.
    """
    keys: list[SortKey] = []
    fields: list[Field] = []
    wrong: list[Problem] = []
    for place, text in enumerate(given):
        names = tuple(text.removeprefix("-").split("."))
        try:
            path, field = _sort_field(app, entity, names, f"{pointer}/{place}")
        except Problem as problem:
            wrong.append(problem)
            continue
        fields.append(field)
        note_path(app, entity.key, path, field_map, use="sort")
        keys.append(SortKey(path, text.startswith("-")))
    if wrong:
        raise together(wrong)
    if not keys:
        keys, fields = [SortKey(("created_at",), True)], [entity.system["created_at"]]
    if all(key.path != ("id",) for key in keys):
        keys.append(SortKey(("id",), keys[-1].descending))  # makes the order total: a cursor can stand on it
        fields.append(entity.system["id"])
    return tuple(keys), fields


def _sort_field(
    app: CompiledApp, entity: CompiledEntity, names: tuple[str, ...], pointer: str
) -> tuple[tuple[str, ...], Field]:
    owner: str | None = entity.key
    path: tuple[str, ...] = ()
    if len(names) > _SORT_STEPS:
        raise invalid(pointer[1:], say("排序路径太长", "The sort path is too long"))
    for position, step in enumerate(names):
        found = app.find_field(owner, step) if owner is not None else None
        last = position == len(names) - 1
        if owner is not None and found is None:
            raise unknown_field(pointer, owner, step, app.fields(owner))
        if found is None or found.many or (not last and found.target_entity is None):
            raise invalid(pointer[1:], say(f"不能按“{step}”排序", f'Cannot sort by "{step}"'))
        path, owner = (*path, *found.steps), found.target_entity
        if last:
            field = field_at(app, entity, path)
            if found.type.kind in _UNSORTABLE or not has_value(field):
                raise invalid(pointer[1:], say(f"不能按“{step}”排序", f'Cannot sort by "{step}"'))
            return path, field
    raise AssertionError("a path has at least one step")


def field_at(app: CompiledApp, entity: CompiledEntity, path: tuple[str, ...]) -> Field:
    """Return the field at the end of a path."""
    owner = entity
    for step in path[:-1]:
        found = app.find_field(owner.key, step)
        assert found is not None
        assert found.leads_to is not None
        owner = app.entities[found.leads_to]
    field = owner.find_field(path[-1])
    assert field is not None
    return field


def has_value(field: Field) -> bool:
    """Whether a record has a value of the field: kept in a column, or computed when it is read."""
    return field.stored or field.shows is not None or isinstance(field, ComputedField)
