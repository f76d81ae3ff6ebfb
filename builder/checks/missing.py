"""Which fields a record would lack that is made from certain values: told before there is one, from what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from builder.compiled.pipelines import CompiledPipeline, Place
from builder.compiled.rules import is_own, needed_trees, needs_judging
from builder.definition.entity import Entity
from builder.definition.guards.required import RequiredGuard
from builder.definition.kinds import PIPELINES, Definition
from builder.definition.role import Role
from builder.fields.base import Field, Invalid
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.computed import ComputedField
from formulas.checker import check, is_volatile
from formulas.errors import FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.schema import Context, Schema
from formulas.tree import Call

OPEN: Final = object()
"""Stands for a value that is known only when the record is made; None is a blank."""
_OF_THE_ACTOR = ("CURRENTUSER", "CURRENTDEPARTMENT", "CURRENTMANAGER")
_NEW = Context(datetime(1970, 1, 1, tzinfo=UTC))  # what asks for the moment or the viewer is not run


class Missing(NamedTuple):
    """A field that would be blank though it must not be."""

    field: Field
    always: bool
    """False: only under a condition that cannot be told before."""


def is_given(field: Field) -> bool:
    """Whether the system gives the value."""
    return isinstance(field, ComputedField | ChildrenField) or field.assigned or field.shows is not None


def role_defaults(roles: Iterable[Role], entity: Entity) -> frozenset[str]:
    """Return the fields of new records that grants of these roles fill in."""
    grants = [grant for role in roles for grant in role.grants if grant.entity == entity.key and "create" in grant.may]
    return frozenset(default.field for grant in grants for default in grant.defaults)


def missing_fields(
    definition: Definition,
    schema: Schema,
    entity: Entity,
    given: Mapping[str, Any],
    filled: Collection[str] = (),
    *,
    alone: bool = False,
) -> Iterator[Missing]:
    """Yield the required fields that a new record would lack, each once.

    Args:
        given: field -> constant as the API takes it, None for a blank, ``OPEN`` for what is known only then.
        filled: fields that may get a value besides, from a grant's defaults.
        alone: nobody acts when the record is made, so that a default over the actor gives nothing.
    """
    values = {field.key: _value(field, given, filled) for field in entity.fields}
    if alone:
        values |= {
            field.key: None
            for field in entity.fields
            if field.key not in given and _is_the_actor(schema, entity, field)
        }
    places = _begin(definition, entity, values)
    by_guards = dict(_asked(places, values))
    for field in entity.fields:
        if is_given(field):
            continue
        told = {_needed(schema, entity, field, values), by_guards.get(field.key)} - {None}
        if told:
            yield Missing(field, True in told)


def _value(field: Field, given: Mapping[str, Any], filled: Collection[str]) -> Any:
    """Return the canonical value of a field of the new record."""
    if is_given(field):
        return OPEN
    if field.key in given:
        value = given[field.key]
    elif field.default is not None:
        value = field.default
    else:
        return OPEN if field.default_formula is not None or field.key in filled else None
    if value is OPEN or value is None:
        return value
    try:
        return field.coerce(value)
    except Invalid:
        return OPEN  # reported where it stands


def _is_the_actor(schema: Schema, entity: Entity, field: Field) -> bool:
    """Whether the default is whoever acts."""
    if field.default_formula is None:
        return False
    try:
        tree = check(field.default_formula, schema, entity.key).tree
    except FormulaErrors:
        return False  # reported where the formula stands
    return isinstance(tree, Call) and tree.function in _OF_THE_ACTOR


def _begin(
    definition: Definition, entity: Entity, values: dict[str, Any]
) -> list[tuple[CompiledPipeline, Place | None]]:
    """Let pipelines fill in where the record begins, as the write path does; return the places, None where that is open."""
    found: list[tuple[CompiledPipeline, Place | None]] = []
    for document in definition.of(PIPELINES):
        if document.entity != entity.key:
            continue
        pipeline = CompiledPipeline(document)
        if values.get(document.field) is None:
            values[document.field] = pipeline.initial[0]
        stage = values[document.field]
        known = stage in pipeline.stages if isinstance(stage, str) else False
        if document.node_field is not None and values.get(document.node_field) is None:
            values[document.node_field] = pipeline.entrance(stage).node if known else OPEN
        if document.since_field is not None:
            values[document.since_field] = OPEN
        place = pipeline.place_of(values) if known else None
        found.append((pipeline, place if place is not None and pipeline.is_place(place) else None))
    return found


def _asked(
    places: list[tuple[CompiledPipeline, Place | None]], values: Mapping[str, Any]
) -> Iterator[tuple[str, bool]]:
    """Yield the blank fields that the places ask for in which the record begins, those under a condition first."""
    asked = [
        (key, guard.when is None)
        for pipeline, place in places
        if place is not None
        for guard in pipeline.beginning(place)
        if isinstance(guard, RequiredGuard)
        for key in guard.fields
        if values.get(key, OPEN) is None
    ]
    yield from sorted(asked, key=lambda each: each[1])


def _needed(schema: Schema, entity: Entity, field: Field, values: Mapping[str, Any]) -> bool | None:
    """Return whether a blank field is refused: always, under a condition (False), or not at all (None)."""
    if values[field.key] is not None:
        return None
    if not needs_judging(field):
        return True if field.required else None
    if isinstance(field, MultiReferenceField):
        return True if field.required else None  # links are counted whatever a form shows
    try:
        trees = needed_trees(schema, entity.key, field)
    except FormulaErrors:
        return None  # reported where the formula stands
    read = {dependency.field for dependency in trees.dependencies}
    fields = {each.key: each for each in entity.fields}
    if not is_own(fields, trees) or is_volatile(trees.broken) or any(values[key] is OPEN for key in read):
        return False
    return True if program(trees.broken).run(DictRow(dict(values)), _NEW) is True else None
