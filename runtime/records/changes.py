"""Changing records, as units of the one write path: first everything is looked at and every violation found, then it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import Invalid
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import Links, MultiReferenceField
from builder.fields.parts.many import TARGET
from builder.fields.reference import unknown_target
from builder.kernel.ids import find_uuid
from builder.kernel.limits import CHILD_RECORDS
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store.statement import Query, Unit
from runtime.records.creating import new_record
from runtime.records.deleting import Deletion, Key, apply_deletion, plan_deletion
from runtime.records.holding import Held, HeldRecord, expect_revision, hold_record, hold_records
from runtime.records.link_telling import hold_links
from runtime.records.linking import link_bodies, pointer_in, refuse_count, shown_link, told
from runtime.records.listing import check_listed, link_files
from runtime.records.lookups import note_fresh
from runtime.records.rights import body_entity, seen_of, without_unchanged
from runtime.records.rules import judge_own
from runtime.records.seams import Intent, judge
from runtime.records.values import (
    NewRecord,
    Values,
    check_parent,
    check_required,
    child_entity,
    expect_object,
    field_json,
    read_fields,
    refuse,
    same_json,
    with_aliases,
)
from runtime.records.writer import JSON, PLAINLY, Telling, Writing, canonical, insert_records, judge_new, write_change


@dataclass
class Change:
    """A record that is to be changed: as it is, what is to change, and what becomes of its children."""

    entity: CompiledEntity
    id: str
    held: Held
    pointer: str
    changed: Values
    whole: Values
    """Its plain values as they will be; empty if nothing changes."""
    lists: list[ChildList] = field(default_factory=list)
    told: dict[str, list[JSON]] = field(default_factory=dict)
    """What its event tells of links: field -> old and new."""
    deletion: Deletion | None = None
    """What the lists of the whole change leave out, with what follows it."""

    @property
    def writes(self) -> bool:
        """Whether anything changes; a record changes with its children, so that ``If-Match`` guards them too."""
        return bool(self.changed) or any(listed.writes for listed in self.lists)


class ChildList(NamedTuple):
    """What becomes of the records of a children field."""

    entity: CompiledEntity
    gone: list[HeldRecord]
    changes: list[Change]
    fresh: list[NewRecord]
    pointer: str

    @property
    def writes(self) -> bool:
        """Whether anything changes."""
        return bool(self.gone or self.fresh) or any(change.writes for change in self.changes)


class _Parent(NamedTuple):
    """The reference field by which a child belongs to a record."""

    via: str
    id: str


def update_record(
    w: Writing, entity: CompiledEntity, record_id: str, body: JSON, if_match: int | None, pointer: str = ""
) -> Unit[dict[str, JSON]]:
    """Change the fields that a body gives; return the record as it is then. A change of nothing writes nothing.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``record.invalid``, ``request.unknown_name``, ``record.referenced``.
    """
    violations: list[Violation] = []
    change = yield from plan_whole_change(w, entity, record_id, body, pointer, violations, if_match=if_match)
    refuse(violations)
    return with_aliases(entity, (yield from apply_change(w, change)))


def plan_whole_change(
    w: Writing,
    entity: CompiledEntity,
    record_id: str,
    body: JSON,
    pointer: str,
    violations: list[Violation],
    *,
    if_match: int | None = None,
) -> Unit[Change]:
    """As ``plan_change``, and judge what its lists bring and leave out, so that all that is wrong is known before anything is written.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``record.referenced``.
    """
    change = yield from plan_change(w, entity, record_id, body, pointer, violations, if_match=if_match)
    if not change.lists:
        return change
    gone, pointers = _gone(change)
    if gone:
        change.deletion = yield from plan_deletion(w, gone, violations, pointers)
    fresh = _fresh(change)
    if fresh:
        reported = {violation.pointer for violation in violations}
        found = yield from judge_new(w, fresh)
        violations += [violation for violation in found if violation.pointer not in reported]
    return change


def _gone(change: Change) -> tuple[list[HeldRecord], dict[Key, str]]:
    gone: list[HeldRecord] = []
    pointers: dict[Key, str] = {}
    for listed in change.lists:
        gone += listed.gone
        pointers |= {(record.entity.key, record.id): listed.pointer for record in listed.gone}
        for child in listed.changes:
            more, places = _gone(child)
            gone += more
            pointers |= places
    return gone, pointers


def _fresh(change: Change) -> list[NewRecord]:
    fresh: list[NewRecord] = []
    for listed in change.lists:
        fresh += listed.fresh
        for child in listed.changes:
            fresh += _fresh(child)
    return fresh


def plan_change(
    w: Writing,
    entity: CompiledEntity,
    record_id: str,
    body: JSON,
    pointer: str,
    violations: list[Violation],
    *,
    if_match: int | None = None,
    parent: _Parent | None = None,
) -> Unit[Change]:
    """Hold a record and its children and find out what a body changes; violations are collected.

    Raises:
        Problem: ``record.not_found``, ``record.changed``.
    """
    held = yield from hold_record(w, entity, record_id)
    expect_revision(held.revision, if_match)
    seen = body_entity(w, entity)
    given = yield from without_unchanged(w, entity, record_id, expect_object(body, pointer, violations), held.shown)
    if not seen.system_keys.isdisjoint(given):
        _check_system(seen, given, held.shown, pointer, violations)
    values, listed = read_fields(entity, given, pointer, violations, held=held.shown, seen=seen)
    if parent is not None:
        check_parent(values, parent.via, parent.id, pointer, violations)
    values |= w.course.warrants.get((entity.key, record_id), {})
    changed = _changed(entity, values, held.shown)
    change = Change(entity, record_id, held, pointer, changed, {})
    if changed or listed:
        change.whole = _check_whole(entity, seen, values, held.shown, pointer, violations)
        w.changes.pointers[record_id] = pointer
        note_fresh(w, record_id, change.whole)
        if w.app.rules.get(entity.key):
            judge_own(w, entity, change.whole, canonical(entity, held.shown), pointer, violations, seen)
        yield from _check_other_links(w, change, seen, listed.links, violations)
    if changed and entity.listing:
        violations += yield from check_listed(w, entity, [(changed, held.shown, pointer)])
    for key, wish in listed.links.items():
        change.lists.append((yield from _plan_links(w, change, key, wish, f"{pointer}/{key}", violations)))
    for key, rows in listed.children.items():
        definition = entity.fields[key]
        assert isinstance(definition, ChildrenField)
        change.lists.append((yield from _plan_list(w, definition, record_id, rows, f"{pointer}/{key}", violations)))
    if change.writes and w.course.rules_of(entity):
        intent = Intent(
            "updated", entity, record_id, held.shown, change.whole, frozenset((*changed, *change.told)), pointer
        )
        violations += yield from judge(w, [intent])
    return change


def _changed(entity: CompiledEntity, values: Values, shown: Mapping[str, JSON]) -> Values:
    return {
        key: value for key, value in values.items() if not same_json(field_json(entity.fields[key], value), shown[key])
    }


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
        if key in given and not same_json(given[key], shown[system or key]):
            message = say("系统字段不能修改", "A system field cannot be changed")
            violations.append(Violation("read_only", f"{pointer}/{key}", message))


def _check_whole(
    entity: CompiledEntity,
    seen: CompiledEntity,
    values: Values,
    shown: Mapping[str, JSON],
    pointer: str,
    violations: list[Violation],
) -> Values:
    """A record that is changed has to keep all rules that hold today, also in the fields the change leaves alone."""
    whole: Values = dict(values)
    reported = {violation.pointer for violation in violations}
    for definition in entity.plain:
        key = definition.key
        if key in whole:
            continue
        before = shown[key]
        try:
            whole[key] = None if before is None else definition.coerce(before)
        except Invalid as invalid:
            whole[key] = before
            if f"{pointer}/{key}" in reported or key not in seen.fields:
                continue
            message = say(
                f"现有值违反规则:{invalid.message.zh}", f"The value there breaks a rule: {invalid.message.en}"
            )
            violations.append(Violation(invalid.code, f"{pointer}/{key}" + invalid.path, message, invalid.params))
    check_required(seen, whole, pointer, violations)
    return whole


def _plan_list(
    w: Writing,
    definition: ChildrenField,
    parent_id: str,
    rows: list[dict[str, JSON]],
    pointer: str,
    violations: list[Violation],
) -> Unit[ChildList]:
    """Find out how the children become what the list says: rows with the id of a child change it, others are new, children not listed go."""
    entity = child_entity(w.app, definition)
    parent = _Parent(definition.via, parent_id)
    limit = {"id": parent_id, "limit": CHILD_RECORDS + 1}
    found = yield Query(w.statements.referring(entity, definition.via), limit)
    if len(found) > CHILD_RECORDS:
        message = say(
            f"已有超过 {CHILD_RECORDS} 条子记录,请逐条修改",
            f"There are more than {CHILD_RECORDS} children; change them one by one",
        )
        violations.append(Violation("limit", pointer, message, {"maximum": CHILD_RECORDS}))
        return ChildList(entity, [], [], [], pointer)
    there = {str(row[0]) for row in found}
    listed: set[str] = set()
    planned = ChildList(entity, [], [], [], pointer)
    for place, row in enumerate(rows):
        here = f"{pointer}/{place}"
        child_id = find_uuid(row["id"]) if isinstance(row.get("id"), str) else None
        if child_id in listed:
            message = say("同一子记录出现两次", "The same child is listed twice")
            violations.append(Violation("duplicate", f"{here}/id", message))
        elif child_id in there:
            listed.add(child_id)
            planned.changes.append((yield from plan_change(w, entity, child_id, row, here, violations, parent=parent)))
        else:
            if child_id is not None:
                listed.add(child_id)
                yield from _refuse_foreign(w, entity, child_id, here, violations)
            planned.fresh.append((yield from new_record(w, entity, row, here, violations, parent=parent)))
    if there - listed:
        planned.gone.extend((yield from hold_records(w, entity, there - listed)))
    return planned


def _plan_links(
    w: Writing, change: Change, key: str, wish: Links, pointer: str, violations: list[Violation]
) -> Unit[ChildList]:
    """Find out how the links of a record become what is asked for. Links to what the caller does not see stay as they are."""
    definition = change.entity.fields[key]
    assert isinstance(definition, MultiReferenceField)
    entity = w.app.entities[definition.rows]
    held = yield from hold_links(w, entity, [change.id])
    there = {str(link.held.shown[TARGET]): link for link in held}
    hidden = there.keys() - (yield from seen_of(w, w.app.entities[definition.entity], there))
    wanted = wish.add if wish.whole is None else wish.whole
    listed = {link.id for link in wanted}
    gone = [link for target, link in there.items() if target not in listed] if wish.whole is not None else []
    gone += [there[target] for target in wish.remove if target in there]
    planned = ChildList(entity, [link for link in gone if link.held.shown[TARGET] not in hidden], [], [], pointer)
    parent = _Parent(definition.by, change.id)
    for place, body in link_bodies(pointer, wish, wanted):
        known = there.get(body[TARGET])
        if known is None:
            planned.fresh.append((yield from new_record(w, entity, body, place, violations, parent=parent)))
        elif body[TARGET] in hidden:
            nowhere = unknown_target(body[TARGET])
            violations.append(Violation("reference", pointer_in(place, TARGET), nowhere.message, nowhere.params))
        elif len(body) > 1:
            planned.changes.append(
                (yield from plan_change(w, entity, known.id, body, place, violations, parent=parent))
            )
    if planned.writes or change.changed:
        refuse_count(definition, len(held) - len(planned.gone) + len(planned.fresh), pointer, violations)
    if planned.writes:
        change.told[key] = [
            told(definition, [link.held.shown for link in held]),
            _links_after(definition, held, planned),
        ]
    return planned


def _check_other_links(
    w: Writing, change: Change, seen: CompiledEntity, given: Mapping[str, Links], violations: list[Violation]
) -> Unit[None]:
    """The rule of ``_check_whole`` for links that the change leaves alone: of each field there are not too few and not too many."""
    for definition in change.entity.links:
        if definition.key in given or definition.key not in seen.fields or not definition.counts:
            continue
        limit = {"id": change.id, "limit": definition.max_count + 1}
        rows = yield Query(w.statements.referring(w.app.entities[definition.rows], definition.by), limit)
        refuse_count(definition, len(rows), f"{change.pointer}/{definition.key}", violations)


def _links_after(definition: MultiReferenceField, held: list[HeldRecord], planned: ChildList) -> list[JSON]:
    gone = {link.id for link in planned.gone}
    changed = {child.id: child for child in planned.changes}
    after: list[Mapping[str, JSON]] = []
    for link in held:
        if link.id not in gone:
            values = changed[link.id].changed if link.id in changed else {}
            fields = planned.entity.fields
            after.append(link.held.shown | {key: field_json(fields[key], value) for key, value in values.items()})
    return told(definition, [*after, *(shown_link(planned.entity, record.values) for record in planned.fresh)])


def _refuse_foreign(
    w: Writing, entity: CompiledEntity, child_id: str, pointer: str, violations: list[Violation]
) -> Unit[None]:
    rows = yield Query(w.statements.exists(entity.physical.name), {"id": child_id})
    if rows:
        message = say("这条子记录属于另一条记录", "This child belongs to another record")
        violations.append(Violation("parent", f"{pointer}/id", message))


def apply_change(w: Writing, change: Change, telling: Telling = PLAINLY) -> Unit[dict[str, JSON]]:
    """Write a change that was planned as a whole: the record itself, then what goes with its lists, then its children."""
    if not change.writes:
        return change.held.shown
    shown = yield from _write(w, change, change.held, telling)
    blanked: dict[Key, Held] = {}
    if change.deletion is not None:
        blanked = yield from apply_deletion(w, change.deletion)
    yield from _apply_lists(w, change, blanked, change.deletion)
    after = blanked.get((change.entity.key, change.id))
    return shown if after is None else after.shown


def _write(w: Writing, change: Change, held: Held, telling: Telling = PLAINLY) -> Unit[dict[str, JSON]]:
    entity = change.entity
    whole = change.whole if held is change.held else None
    shown = yield from write_change(w, entity, change.id, held, change.changed, whole, telling, change.told)
    if entity.listing and change.changed:
        yield from link_files(w, entity, {change.id: shown}, before=held.shown)
    return shown


def _apply_lists(w: Writing, change: Change, blanked: Mapping[Key, Held], deletion: Deletion | None) -> Unit[None]:
    for listed in change.lists:
        for child in listed.changes:
            if child.writes and not (deletion is not None and deletion.dooms(child.entity, child.id)):
                yield from _write(w, child, blanked.get((child.entity.key, child.id), child.held))
                yield from _apply_lists(w, child, blanked, deletion)
        if listed.fresh:
            yield from insert_records(w, listed.fresh, judged=True)
