"""Bodies to new records, children included."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledEntity
from builder.fields.base import Invalid
from builder.fields.children import ChildrenField
from builder.kernel.ids import find_uuid
from builder.kernel.limits import EXPAND_DEPTH
from builder.kernel.problems import Violation
from builder.kernel.text import say
from runtime.records.rights import body_entity, with_role_defaults
from runtime.records.rules import fill_defaults, judge_own
from runtime.records.values import (
    NewRecord,
    Values,
    check_parent,
    check_required,
    child_entity,
    expect_object,
    read_fields,
    with_defaults,
)
from runtime.records.writer import JSON, Writing

_BRINGING = frozenset({"install", "import"})
"""Doors that may bring values which the system gives otherwise."""


def new_record(
    w: Writing,
    entity: CompiledEntity,
    body: JSON,
    pointer: str,
    violations: list[Violation],
    *,
    parent: tuple[str, str] | None = None,
    depth: int = 0,
) -> NewRecord:
    """Coerce the body of a create; violations are collected, so the result counts only if there are none.

    Args:
        parent: the reference field that points to the parent, and the parent's id, for a child.
    """
    if not isinstance(body, dict):
        expect_object(body, pointer, violations)
        return NewRecord(entity, w.ids.record_id(), with_defaults(entity, {}), pointer)
    given = body
    brings = w.caller.door in _BRINGING
    seen = body_entity(w, entity)
    values, children = read_fields(entity, given, pointer, violations, may_assign=brings, seen=seen)
    if parent is not None:
        check_parent(values, parent[0], parent[1], pointer, violations)
    named = {key for key, value in values.items() if value is not None}
    given_keys = values.keys() | ({parent[0]} if parent else set())
    plain = with_defaults(entity, values)
    values = with_role_defaults(w, entity, plain)
    if parent is not None:
        values[parent[0]] = parent[1]
    fill_defaults(w, entity, values, given_keys | {k for k in values if values[k] != plain[k]}, pointer, violations)
    check_required(seen, values, pointer, violations, given_by_parent=parent[0] if parent else "")
    record = NewRecord(entity, _id_of(w, given, pointer, violations), values, pointer)
    record.given = named
    record.system = _system_values(seen, given, pointer, violations, brings=brings)
    for filler in w.course.fillers_of(entity):
        filler.fill(w, record)
    judge_own(w, entity, values, None, pointer, violations, seen)
    if children and depth >= EXPAND_DEPTH:
        message = say(f"子记录最多 {EXPAND_DEPTH} 层", f"Children go at most {EXPAND_DEPTH} levels deep")
        violations.append(Violation("depth", pointer, message))
        return record
    for key, rows in children.items():
        definition = entity.fields[key]
        assert isinstance(definition, ChildrenField)
        owner = (definition.via, record.id)
        target = child_entity(w.app, definition)
        record.children += [
            new_record(w, target, row, f"{pointer}/{key}/{place}", violations, parent=owner, depth=depth + 1)
            for place, row in enumerate(rows)
        ]
    return record


def _id_of(w: Writing, given: dict[str, JSON], pointer: str, violations: list[Violation]) -> str:
    wanted = given.get("id")
    if wanted is None:
        return w.ids.record_id()
    found = find_uuid(wanted) if isinstance(wanted, str) else None
    if found is None:
        violations.append(Violation("type", f"{pointer}/id", say("编号应是 UUID", "An id is a UUID")))
        return w.ids.record_id()
    return found


def _system_values(
    entity: CompiledEntity, given: dict[str, JSON], pointer: str, violations: list[Violation], *, brings: bool
) -> Values:
    values: dict[str, Any] = {}
    for alias in entity.aliases:
        if given.get(alias.key) is not None:
            message = say("系统字段不能填写", "A system field cannot be given")
            violations.append(Violation("read_only", f"{pointer}/{alias.key}", message))
    for key, definition in entity.system.items():
        if key == "id" or given.get(key) is None:
            continue
        if not brings or key not in ("created_at", "created_by"):
            message = say("系统字段不能填写", "A system field cannot be given")
            violations.append(Violation("read_only", f"{pointer}/{key}", message))
            continue
        try:
            values[key] = definition.coerce(given[key])
        except Invalid as invalid:
            violations.append(Violation(invalid.code, f"{pointer}/{key}", invalid.message, invalid.params))
    return values
