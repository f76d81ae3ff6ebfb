"""Constants of a filter in the form in which their fields keep them: ids in canonical text, options in their own order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builder.compiled.app import CompiledApp
from builder.fields.base import Field
from builder.fields.parts.many import side_of
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, Violation, escape_pointer
from builder.kernel.text import Text, say
from builder.store.types import Identifier
from formulas.filter_texts import FORMULA
from formulas.sqlforms.compare import ID_KINDS
from formulas.tree import Call, Literal, Path, Rollup, Tree, children, with_children

JSON = Any


def settle(tree: Tree, app: CompiledApp, entity: str, given: JSON, pointer: str) -> Tree:
    """Return the tree with its constants settled; ``given`` is the filter as it was sent at ``pointer``, to point into.

    Raises:
        Problem: ``query.invalid`` with every id that is none.
    """
    wrong: list[str] = []
    settled = _settle(tree, app, entity, wrong)
    if not wrong:
        return settled
    message = say("这里应为记录编号(UUID)", "Expected a record id (UUID)")
    violations = [_violation(value, given, pointer, message) for value in wrong]
    raise Problem("query.invalid", say("筛选条件有误", "The filter is not valid"), violations=violations)


def _violation(value: str, given: JSON, pointer: str, message: Text) -> Violation:
    step, at = _place_of(value, given) or ("", None)
    return Violation("type", pointer + step, message, {"at": list(at)} if at else {})


def _settle(tree: Tree, app: CompiledApp, entity: str, wrong: list[str]) -> Tree:
    if isinstance(tree, Literal) and tree.type.kind in ID_KINDS and tree.value is not None:
        return replace(tree, value=_known(tree.value, wrong))  # beside a call that gives an id
    inside = tree.entity if isinstance(tree, Rollup) else entity
    if isinstance(tree, Call) and len(tree.args) == 2:
        left, right = tree.args
        if isinstance(left, Path) and isinstance(right, Literal):
            return replace(tree, args=(left, _constant(tree, right, left, app, entity, wrong)))
        if isinstance(left, Literal) and isinstance(right, Path):
            return replace(tree, args=(_constant(tree, left, right, app, entity, wrong), right))
    parts = children(tree)
    return with_children(tree, tuple(_settle(part, app, inside, wrong) for part in parts)) if parts else tree


def _constant(call: Call, constant: Literal, path: Path, app: CompiledApp, entity: str, wrong: list[str]) -> Literal:
    if constant.value is None or path.up:
        return constant
    if constant.value == () and call.function in ("eq", "ne"):
        return replace(constant, value=None)  # no member is a blank set
    return replace(constant, value=_kept(_field_at(app, entity, path.steps), constant.value, wrong))


def _field_at(app: CompiledApp, entity: str, steps: tuple[str, ...]) -> Field | None:
    for step in steps[:-1]:
        found = app.find_field(entity, step)
        if found is None or found.leads_to is None:
            return None
        entity = found.leads_to
    side = side_of(entity)
    owner = app.entities.get(side[0] if side else entity)
    return owner.find_field(steps[-1]) if owner else None


def _kept(field: Field | None, value: Any, wrong: list[str]) -> Any:
    if field is None:
        return value
    if isinstance(field.column_type(), Identifier):
        if isinstance(value, tuple):
            return tuple(dict.fromkeys(_known(item, wrong) for item in value))
        return _known(value, wrong)
    kind = field.formula_type()
    if kind.element is not None and kind.element.options and isinstance(value, tuple):
        place = {key: index for index, key in enumerate(kind.element.options)}
        return tuple(sorted(value, key=lambda key: place.get(key, len(place))))
    return value


def _known(value: str, wrong: list[str]) -> str:
    found = find_uuid(value)
    if found is None:
        wrong.append(value)
    return found or value


_Place = tuple[str, tuple[int, int] | None]


def _place_of(value: str, given: JSON, here: str = "") -> _Place | None:
    """Return where a text stands in the filter, in a formula with its span; None if the filter was split from another one."""
    if isinstance(given, dict | list):
        inner = given.items() if isinstance(given, dict) else enumerate(given)
        found = (_place_of(value, child, f"{here}/{escape_pointer(name)}") for name, child in inner)
        return next((place for place in found if place), None)
    if given == value:
        return here, None
    is_text = isinstance(given, str) and (not here or here.endswith(f"/{FORMULA}"))
    at = given.find(value) if is_text else -1
    return None if at < 0 else (here, (at, at + len(value)))
