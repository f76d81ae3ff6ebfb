"""Which paths may leave a value blank: told of what is copied into a field that must not be, as far as types and documents know it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from builder.checks.missing import is_given
from builder.definition.automation import Automation
from builder.definition.guards.required import RequiredGuard
from builder.definition.kinds import PIPELINES, Definition
from builder.definition.references import Place, find_models
from builder.definition.reminder import DateOccasion, Reminder
from builder.definition.triggers.changed import Changed
from builder.definition.triggers.date import DateReached
from builder.definition.triggers.stage import StageMoved
from builder.fields.base import Field
from builder.fields.reference import ReferenceField
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.functions import find_function
from formulas.schema import Schema
from formulas.tree import Call, Path, Tree, walk

Steps = tuple[str, ...]


def blank_paths(definition: Definition, tree: Tree, entity: str) -> frozenset[Steps]:
    """Return the paths of which any leaves the value blank when it is blank, and may be; none where that cannot be told cheaply.

    Of ``customer.owner`` that may be the way there (``customer``) and the end. A branch, a fallback, a text put together is never told of.
    """
    if isinstance(tree, Path):
        return frozenset(_blankable(definition, entity, tree.steps))
    if not isinstance(tree, Call) or find_function(tree.function).nulls != "P":
        return frozenset()
    return frozenset[Steps]().union(*(blank_paths(definition, each, entity) for each in tree.args))


def known_paths(definition: Definition, schema: Schema, place: Place) -> frozenset[Steps]:
    """Return the paths that are looked at before an action is carried out: by conditions, by the trigger, by guards of a stage."""
    home: Any = place.within[0]
    found: set[Steps] = set()
    for model in (*place.within, place.model):
        condition = getattr(model, "condition", None)
        if condition is not None:
            found |= _read_by(condition, schema, home.entity)
    if isinstance(home, Reminder) and isinstance(home.when, DateOccasion):
        found |= _read_by(home.when.moment, schema, home.entity)
    trigger = home.trigger if isinstance(home, Automation) else None
    if isinstance(trigger, DateReached):
        found.add((trigger.field,))
    if isinstance(trigger, Changed):
        found |= {(change.field,) for change in trigger.changes if change.becomes and None not in change.becomes}
    if isinstance(trigger, StageMoved) or not isinstance(home, Automation | Reminder):
        found |= {(key,) for key in _guarded(definition, home.entity)}
    return frozenset(found)


def _blankable(definition: Definition, entity: str, steps: Steps) -> Iterator[Steps]:
    for place, step in enumerate(steps):
        document = definition.find_entity(entity)
        fields: Iterable[Field] = document.fields if document is not None else ()
        field = next((each for each in fields if each.key == step), None)
        if field is None:  # of the system
            return
        if _may_be_blank(definition, entity, field):
            yield steps[: place + 1]
        if not isinstance(field, ReferenceField):
            return
        entity = field.entity


def _may_be_blank(definition: Definition, entity: str, field: Field) -> bool:
    if field.required or is_given(field) or field.default is not None or field.default_formula is not None:
        return False
    pipelines = [each for each in definition.of(PIPELINES) if each.entity == entity]
    return all(field.key not in (each.field, each.node_field, each.since_field) for each in pipelines)


def _read_by(condition: Any, schema: Schema, entity: str) -> frozenset[Steps]:
    try:
        if isinstance(condition, str):
            tree = check(condition, schema, entity).tree
        else:
            tree = parse_filter(condition, schema, entity)
    except FormulaErrors:
        return frozenset()  # reported where it stands
    return frozenset(node.steps for node in walk(tree) if isinstance(node, Path))


def _guarded(definition: Definition, entity: str) -> Iterator[str]:
    for place in find_models(definition, RequiredGuard):
        if getattr(place.within[0], "entity", None) == entity and isinstance(place.model, RequiredGuard):
            yield from place.model.fields
