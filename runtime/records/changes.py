"""Changing and deleting records, as units of the one write path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from builder.compiled.app import CompiledEntity, Referrer
from builder.fields.base import Invalid
from builder.fields.children import ChildrenField
from builder.kernel.canonical import parse_json
from builder.kernel.ids import find_uuid
from builder.kernel.limits import BATCH_RECORDS, CHILD_RECORDS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.statement import Query, Unit
from runtime.records.computing import compute_local
from runtime.records.creating import new_record
from runtime.records.listing import check_listed, link_files, unlink_files
from runtime.records.values import (
    Values,
    check_required,
    child_entity,
    expect_object,
    field_json,
    read_fields,
    refuse,
    with_aliases,
)
from runtime.records.writer import JSON, Writing, insert_records, make_event, write_events


class Held(NamedTuple):
    """A record as it is, held until the end of the transaction."""

    revision: int
    shown: dict[str, JSON]


def hold_record(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[Held]:
    """Read and hold a record.

    Raises:
        Problem: ``record.not_found``.
    """
    rows = yield Query(w.statements.hold(entity), {"id": record_id})
    if not rows:
        raise not_found(entity, record_id)
    return Held(rows[0][0], parse_json(rows[0][1]))


def not_found(entity: CompiledEntity, record_id: str) -> Problem:
    """The record does not exist (or is hidden)."""
    return Problem("record.not_found", say(f"没有记录 {record_id}", f"There is no record {record_id}"))


def expect_revision(found: int, if_match: int | None) -> None:
    """Compare with ``If-Match``.

    Raises:
        Problem: ``record.changed`` with the revision there is.
    """
    if if_match is not None and if_match != found:
        detail = say(
            f"您看到的是修订 {if_match},现在是 {found};请重新读取后再改",
            f"You saw revision {if_match}, now it is {found}; read it again",
        )
        raise Problem("record.changed", detail, extra={"revision": found})


# -- update ---------------------------------------------------------------------------------------------------------------


def update_record(
    w: Writing, entity: CompiledEntity, record_id: str, body: JSON, if_match: int | None, pointer: str = ""
) -> Unit[dict[str, JSON]]:
    """Change the fields that a body gives; return the record as it is then. A change of nothing writes nothing.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``record.invalid``, ``request.unknown_name``.
    """
    held = yield from hold_record(w, entity, record_id)
    expect_revision(held.revision, if_match)
    violations: list[Violation] = []
    given = expect_object(body, pointer, violations)
    _check_system(entity, given, held.shown, pointer, violations)
    values, children = read_fields(entity, given, pointer, violations, may_assign=False)
    changed = _changed(entity, values, held.shown)
    if changed or children:
        _check_whole(entity, values, held.shown, pointer, violations)
    refuse(violations)
    shown = held.shown
    if changed:
        if entity.listing:
            refuse((yield from check_listed(w, entity, [(changed, held.shown, pointer)])))
        shown = yield from _write_change(w, entity, record_id, held, changed)
        if entity.listing:
            yield from link_files(w, entity, {record_id: shown}, before=held.shown)
    for key, rows in children.items():
        definition = entity.fields[key]
        assert isinstance(definition, ChildrenField)
        yield from _replace_children(w, definition, record_id, rows, f"{pointer}/{key}")
    return with_aliases(entity, shown)


def _changed(entity: CompiledEntity, values: Values, shown: Mapping[str, JSON]) -> Values:
    return {key: value for key, value in values.items() if field_json(entity.fields[key], value) != shown[key]}


def _check_system(
    entity: CompiledEntity,
    given: Mapping[str, JSON],
    shown: Mapping[str, JSON],
    pointer: str,
    violations: list[Violation],
) -> None:
    """System fields may come back as they were read; another value is refused."""
    places = {key: key for key in entity.system} | {alias.key: alias.shows for alias in entity.aliases}
    for key, system in places.items():
        if key in given and given[key] != shown[system or key]:
            message = say("系统字段不能修改", "A system field cannot be changed")
            violations.append(Violation("read_only", f"{pointer}/{key}", message))


def _check_whole(
    entity: CompiledEntity, values: Values, shown: Mapping[str, JSON], pointer: str, violations: list[Violation]
) -> None:
    """A record that is changed has to keep all rules that hold today, also in the fields the change leaves alone."""
    whole: Values = dict(values)
    for definition in entity.plain:
        key = definition.key
        if key in whole or any(v.pointer == f"{pointer}/{key}" for v in violations):
            continue
        before = shown[key]
        try:
            whole[key] = None if before is None else definition.coerce(before)
        except Invalid as invalid:
            message = say(
                f"现有值违反规则:{invalid.message.zh}", f"The value there breaks a rule: {invalid.message.en}"
            )
            violations.append(Violation(invalid.code, f"{pointer}/{key}", message, invalid.params))
            whole[key] = before
    check_required(entity, whole, pointer, violations)


def _write_change(
    w: Writing, entity: CompiledEntity, record_id: str, held: Held, changed: Values
) -> Unit[dict[str, JSON]]:
    before = _canonical(entity, held.shown)
    after = before | changed
    if entity.computed:
        compute_local(w, entity, after)
        changed = changed | {c.key: after[c.key] for c in entity.computed if c.place == "local"}
        changed = _changed(entity, changed, held.shown)
    keys = tuple(field.key for field in entity.stored if field.key in changed)
    w.changes.note(entity, record_id, keys, before, after)
    revision = held.revision + 1
    values = {f"v_{key}": changed[key] for key in keys}
    values |= {"id": record_id, "v_revision": revision, "v_updated_at": w.now, "v_updated_by": w.caller.actor_id}
    yield Query(w.statements.update(entity, keys), values)
    shown = {key: field_json(entity.fields[key], changed[key]) for key in keys}
    changes = {field.key: [held.shown[field.key], shown[field.key]] for field in entity.plain if field.key in shown}
    yield from write_events(w, [make_event(w, entity, record_id, "updated", revision, changes)])
    updated_at = entity.system["updated_at"].to_json(w.now)
    return held.shown | shown | {"revision": revision, "updated_at": updated_at, "updated_by": w.caller.actor_id}


def _canonical(entity: CompiledEntity, shown: Mapping[str, JSON]) -> Values:
    """Return the canonical values of a record as it is; a value that no rule would take any more counts as blank here."""
    values: Values = {}
    for definition in entity.stored:
        given = shown[definition.key]
        try:
            values[definition.key] = None if given is None else definition.coerce(given)
        except Invalid:
            values[definition.key] = None
    return values


def _replace_children(
    w: Writing, definition: ChildrenField, parent_id: str, rows: list[dict[str, JSON]], pointer: str
) -> Unit[None]:
    """Make the children what the list says: rows with the id of a child change it, others are new, children not listed go."""
    entity = child_entity(w.app, definition)
    limit = {"id": parent_id, "limit": CHILD_RECORDS + 1}
    found = yield Query(w.statements.referring(entity, definition.via), limit)
    there = {str(row[0]) for row in found}
    listed: set[str] = set()
    violations: list[Violation] = []
    fresh = []
    for place, row in enumerate(rows):
        child_id = find_uuid(row["id"]) if isinstance(row.get("id"), str) else None
        if child_id in listed:
            message = say("同一子记录出现两次", "The same child is listed twice")
            violations.append(Violation("duplicate", f"{pointer}/{place}/id", message))
        elif child_id in there:
            listed.add(child_id)
        else:
            fresh.append(
                new_record(w, entity, row, f"{pointer}/{place}", violations, parent=(definition.via, parent_id))
            )
    refuse(violations)
    for gone in sorted(there - listed):
        yield from delete_record(w, entity, gone, None)
    for place, row in enumerate(rows):
        if find_uuid(str(row.get("id"))) in listed:
            yield from update_record(w, entity, str(find_uuid(str(row["id"]))), row, None, f"{pointer}/{place}")
    if fresh:
        yield from insert_records(w, fresh)


# -- delete ---------------------------------------------------------------------------------------------------------------


def delete_record(
    w: Writing, entity: CompiledEntity, record_id: str, if_match: int | None, seen: set[str] | None = None
) -> Unit[None]:
    """Delete a record and see to those that point to it, each by the rule of its reference and with an event of its own.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``record.referenced``.
    """
    seen = set() if seen is None else seen
    if record_id in seen:
        return
    seen.add(record_id)
    held = yield from hold_record(w, entity, record_id)
    expect_revision(held.revision, if_match)
    for referrer in entity.referrers:
        yield from _release(w, entity, referrer, record_id, seen)
    if entity.listing:
        yield from unlink_files(w, entity, record_id)
    yield Query(w.statements.delete(entity), {"id": record_id})
    w.changes.note(entity, record_id, entity.fields, _canonical(entity, held.shown), {})
    changes = {field.key: [held.shown[field.key], None] for field in entity.plain if held.shown[field.key] is not None}
    yield from write_events(w, [make_event(w, entity, record_id, "deleted", held.revision + 1, changes)])


def _release(w: Writing, target: CompiledEntity, referrer: Referrer, record_id: str, seen: set[str]) -> Unit[None]:
    owner = w.app.entities[referrer.entity]
    found = yield Query(
        w.statements.referring(owner, referrer.field.key), {"id": record_id, "limit": BATCH_RECORDS + 1}
    )
    pointing = [str(row[0]) for row in found if str(row[0]) not in seen]
    if not pointing:
        return
    if referrer.field.on_delete == "restrict":
        raise _referenced(owner, referrer, pointing)
    if len(pointing) > BATCH_RECORDS:
        detail = say(f"一次最多连带处理 {BATCH_RECORDS} 条记录", f"At most {BATCH_RECORDS} records can follow at once")
        raise Problem("limit.batch", detail)
    for other in pointing:
        if referrer.field.on_delete == "cascade":
            yield from delete_record(w, owner, other, None, seen)
        else:
            held = yield from hold_record(w, owner, other)
            yield from _write_change(w, owner, other, held, {referrer.field.key: None})


def _referenced(owner: CompiledEntity, referrer: Referrer, pointing: list[str]) -> Problem:
    label = owner.label()
    more = "+" if len(pointing) > BATCH_RECORDS else ""
    count = f"{min(len(pointing), BATCH_RECORDS)}{more}"
    detail = say(
        f"仍有 {count} 条“{label.zh}”引用它,请先修改或删除它们",
        f"{count} {label.en} still point to it; change or delete them first",
    )
    references = [{"entity": owner.key, "field": referrer.field.key, "sample_ids": pointing[:10]}]
    return Problem("record.referenced", detail, extra={"references": references})
