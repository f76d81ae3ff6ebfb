"""Bodies to new records, children included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.compiled.rules import NONE
from builder.fields.base import Invalid
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import Links
from builder.kernel.ids import find_uuid
from builder.kernel.limits import EXPAND_DEPTH
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.records.linking import link_bodies, refuse_count
from runtime.records.lookups import note_fresh
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


def new_alone(w: Writing, entity: CompiledEntity, body: JSON) -> Unit[tuple[NewRecord, list[Violation]]]:
    """Coerce the body of a single create; return the record and what is wrong with it."""
    violations: list[Violation] = []
    record = yield from new_record(w, entity, body, "", violations)
    return record, violations


def new_record(
    w: Writing,
    entity: CompiledEntity,
    body: JSON,
    pointer: str,
    violations: list[Violation],
    *,
    parent: tuple[str, str] | None = None,
    depth: int = 0,
) -> Unit[NewRecord]:
    """Coerce the body of a create; violations are collected, so the result counts only if there are none.

    Args:
        parent: the reference field that points to the parent, and the parent's id, for a child.
    """
    if not isinstance(body, dict):
        expect_object(body, pointer, violations)
        return NewRecord(entity, w.ids.record_id(), with_defaults(entity, {}), pointer)
    brings = w.caller.door in _BRINGING
    seen = body_entity(w, entity)
    values, listed = read_fields(entity, body, pointer, violations, may_assign=brings, seen=seen)
    if parent is not None:
        check_parent(values, parent[0], parent[1], pointer, violations)
    named = {key for key, value in values.items() if value is not None}
    given = values
    plain = with_defaults(entity, given)
    values = yield from with_role_defaults(w, entity, plain)
    if parent is not None:
        values[parent[0]] = parent[1]
    if w.app.rules.get(entity.key, NONE).defaults:
        told = {key for key in values if key in given or values[key] != plain[key]} | set(parent[:1] if parent else ())
        yield from fill_defaults(w, entity, values, told, pointer, violations)
    check_required(seen, values, pointer, violations, given_by_parent=parent[0] if parent else "")
    record = NewRecord(entity, _id_of(w, body, pointer, violations), values, pointer, given=named)
    note_fresh(w, record.id, record.values)
    if listed.links:
        record.given |= {key for key, wish in listed.links.items() if wish.whole or wish.add}
    if not seen.unwritable.isdisjoint(body):
        record.system = _system_values(seen, body, pointer, violations, brings=brings)
    for filler in w.course.fillers_of(entity):
        filler.fill(w, record)
    judge_own(w, entity, values, None, pointer, violations, seen)
    if listed.children and depth >= EXPAND_DEPTH:
        message = say(f"子记录最多 {EXPAND_DEPTH} 层", f"Children go at most {EXPAND_DEPTH} levels deep")
        violations.append(Violation("depth", pointer, message))
        return record
    if entity.links:
        record.children += yield from new_links(w, record, seen, listed.links, violations)
    for key, rows in listed.children.items():
        definition = entity.fields[key]
        assert isinstance(definition, ChildrenField)
        owner = (definition.via, record.id)
        target = child_entity(w.app, definition)
        for place, row in enumerate(rows):
            here = f"{pointer}/{key}/{place}"
            made = yield from new_record(w, target, row, here, violations, parent=owner, depth=depth + 1)
            record.children.append(made)
    return record


def new_links(
    w: Writing, record: NewRecord, seen: CompiledEntity, links: Mapping[str, Links], violations: list[Violation]
) -> Unit[list[NewRecord]]:
    """Return the links of a new record as records of their own."""
    made: list[NewRecord] = []
    for field in record.entity.links:
        wish = links.get(field.key)
        wanted = () if wish is None else wish.add if wish.whole is None else wish.whole
        pointer = f"{record.pointer}/{field.key}"
        refused = any(violation.pointer == pointer for violation in violations)
        if not refused and (wish is not None or field.key in seen.fields):
            refuse_count(field, len(wanted), pointer, violations)
        for place, body in link_bodies(pointer, wish, wanted):
            owner = (field.by, record.id)
            made.append((yield from new_record(w, w.app.entities[field.rows], body, place, violations, parent=owner)))
    return made


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
            violations.append(invalid.violation(f"{pointer}/{key}"))
    return values
