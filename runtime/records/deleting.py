"""Deleting records with those that follow: first everything that follows is found and held, then rules are checked, then rows are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity, Referrer
from builder.fields.parts.many import SOURCE
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.kernel.limits import BATCH_RECORDS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store import writing_tables
from builder.store.statement import Query, Unit
from runtime.records.holding import Held, HeldRecord, expect_revision, hold_record, hold_records
from runtime.records.link_telling import Before, links_by_entity, links_field, owner_of, tell_sources
from runtime.records.linking import told
from runtime.records.listing import unlink_files
from runtime.records.rights import acting_sight, hidden_reference, seen_ids
from runtime.records.rules import judge_own
from runtime.records.seams import Fact, Intent, judge
from runtime.records.values import refuse
from runtime.records.writer import JSON, Writing, canonical, make_event, write_change, write_events

_CHUNK = 1_000
_SHOWN = 10

Key = tuple[str, str]
"""Entity and record id."""
NO_POINTERS: Mapping[Key, str] = MappingProxyType({})

_KEPT = dump_json({"kept": True}).decode()


class _Pointing(NamedTuple):
    """Records of an entity that point to a doomed record by one of its fields."""

    referrer: Referrer
    ids: list[str]


@dataclass
class Deletion:
    """What a deletion takes with it, in the order in which it was found."""

    doomed: dict[Key, HeldRecord] = field(default_factory=dict)
    restricted: list[_Pointing] = field(default_factory=list)
    blanked: list[_Pointing] = field(default_factory=list)
    roots: dict[Key, Key] = field(default_factory=dict)
    """What goes with another record -> the record that was asked for."""
    cut: dict[Key, list[list[str]]] = field(default_factory=dict)
    """Record that was asked for -> references that were blanked for it: entity, record, field, what it pointed to."""
    keeping: bool = False
    """What goes is kept: in the trash, or for undoing a merge."""
    merge_id: str | None = None

    def root_of(self, key: Key) -> Key:
        """Return the record that was asked for, with which a record goes."""
        return self.roots.get(key, key)

    def dooms(self, entity: CompiledEntity, record_id: str) -> bool:
        """Whether a record goes."""
        return (entity.key, record_id) in self.doomed


def delete_record(w: Writing, entity: CompiledEntity, record_id: str, if_match: int | None) -> Unit[None]:
    """Delete a record and see to those that point to it, each by the rule of its reference and with an event of its own.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``record.referenced``, ``limit.batch``.
    """
    held = yield from hold_record(w, entity, record_id)
    expect_revision(held.revision, if_match)
    yield from delete_held(w, [HeldRecord(entity, record_id, held)])


def delete_held(
    w: Writing, records: list[HeldRecord], pointers: Mapping[Key, str] = NO_POINTERS, *, merge_id: str | None = None
) -> Unit[Deletion]:
    """Delete records that are held; return what went with them.

    Raises:
        Problem: ``record.referenced``, ``record.invalid``, ``limit.batch``.
    """
    violations: list[Violation] = []
    deletion = yield from plan_deletion(w, records, violations, pointers, merge_id=merge_id)
    refuse(violations)
    yield from apply_deletion(w, deletion)
    return deletion


def plan_deletion(
    w: Writing,
    records: list[HeldRecord],
    violations: list[Violation],
    pointers: Mapping[Key, str] = NO_POINTERS,
    *,
    merge_id: str | None = None,
) -> Unit[Deletion]:
    """Find and hold all that a deletion takes with it; what rules say against it is added to the violations.

    Args:
        pointers: where in the request the records stand that are to go.

    Raises:
        Problem: ``record.referenced``, ``limit.batch``.
    """
    deletion = Deletion(keeping=merge_id is not None or any(r.entity.definition.trash for r in records))
    deletion.merge_id = merge_id
    level = records
    while level:
        level = yield from _follow(w, deletion, level)
    for pointing in deletion.restricted:
        others = [i for i in pointing.ids if (pointing.referrer.entity, i) not in deletion.doomed]
        if others:
            owner, sight = w.app.entities[pointing.referrer.entity], acting_sight(w)
            key, link = pointing.referrer.field.key, owner.link
            if link is not None:  # people see the records that the links start from
                held = yield from hold_records(w, owner, others)
                others = sorted({str(one.held.shown[SOURCE]) for one in held})
                owner, key = w.app.entities[link.entity], link.field
            if sight is not None:
                others = sorted((yield from seen_ids(w, sight, owner, others)))
            raise _referenced(owner, key, others) if others else hidden_reference()
    violations += yield from _judge_deletion(w, list(deletion.doomed.values()), pointers)
    return deletion


def apply_deletion(w: Writing, deletion: Deletion) -> Unit[dict[Key, Held]]:
    """Delete what was planned; return the records that stay and are changed by it, as they are then."""
    blanked = yield from _blank_references(w, deletion)
    if deletion.keeping:
        yield from keep_records(w, deletion)
    losing = yield from _losing_links(w, deletion)
    yield from _delete_rows(w, deletion)
    for key, before in losing.items():
        entity = w.app.entities[key]
        changed = yield from tell_sources(w, entity, before)
        blanked |= {(owner_of(entity), record_id): held for record_id, held in changed.items()}
    return blanked


def _losing_links(w: Writing, deletion: Deletion) -> Unit[dict[str, Before]]:
    """Return the links, as they are, of records that stay and lose some because their other end goes."""
    sources: dict[str, set[str]] = {}
    for key, record in deletion.doomed.items():
        link = record.entity.link
        if link is not None and key in deletion.roots:
            source = str(record.held.shown[SOURCE])
            if (link.entity, source) not in deletion.doomed:
                sources.setdefault(record.entity.key, set()).add(source)
    return (yield from links_by_entity(w, sources))


def _told_links(w: Writing, deletion: Deletion) -> dict[Key, dict[str, list[JSON]]]:
    """Return what the events of records that go tell of their links, which go with them."""
    found: dict[Key, dict[str, list[Mapping[str, JSON]]]] = {}
    for record in sorted(deletion.doomed.values(), key=lambda one: (one.held.shown["created_at"], one.id)):
        link = record.entity.link
        if link is not None:
            source = (link.entity, str(record.held.shown[SOURCE]))
            found.setdefault(source, {}).setdefault(link.field, []).append(record.held.shown)
    return {
        source: {key: [told(links_field(w, source[0], key), rows), None] for key, rows in of.items()}
        for source, of in found.items()
    }


def _judge_deletion(w: Writing, records: list[HeldRecord], pointers: Mapping[Key, str]) -> Unit[list[Violation]]:
    intents: dict[str, list[Intent]] = {}
    for record in records:
        if w.course.rules_of(record.entity):
            pointer = pointers.get((record.entity.key, record.id), "")
            intent = Intent("deleted", record.entity, record.id, record.held.shown, {}, frozenset(), pointer)
            intents.setdefault(record.entity.key, []).append(intent)
    violations: list[Violation] = []
    for listed in intents.values():
        violations += yield from judge(w, listed)
    return violations


def _follow(w: Writing, deletion: Deletion, level: list[HeldRecord]) -> Unit[list[HeldRecord]]:
    """Doom these records and return those that go with them."""
    by_entity: dict[str, list[HeldRecord]] = {}
    for record in level:
        if (record.entity.key, record.id) not in deletion.doomed:
            deletion.doomed[record.entity.key, record.id] = record
            by_entity.setdefault(record.entity.key, []).append(record)
    following: list[HeldRecord] = []
    for key, records in by_entity.items():
        for referrer in w.app.entities[key].referrers:
            found = yield from _find_pointing(w, referrer, [record.id for record in records])
            ids = [i for i in found if (referrer.entity, i) not in deletion.doomed]
            if not ids:
                continue
            if referrer.field.on_delete == "cascade":
                going = yield from hold_records(w, w.app.entities[referrer.entity], ids)
                for record in going:
                    parent = deletion.root_of((key, record.held.shown[referrer.field.key] or ""))
                    deletion.roots.setdefault((referrer.entity, record.id), parent)
                following += going
            elif referrer.field.on_delete == "restrict":
                deletion.restricted.append(_Pointing(referrer, ids))
            else:
                deletion.blanked.append(_Pointing(referrer, ids))
            _refuse_too_many(len(deletion.doomed) + len(following) + sum(len(p.ids) for p in deletion.blanked))
    return following


def _find_pointing(w: Writing, referrer: Referrer, ids: list[str]) -> Unit[list[str]]:
    statement = w.statements.referring_any(w.app.entities[referrer.entity], referrer.field.key)
    found: dict[str, None] = {}
    for start in range(0, len(ids), _CHUNK):
        listed = dump_json(ids[start : start + _CHUNK]).decode()
        rows = yield Query(statement, {"ids": listed, "limit": BATCH_RECORDS + 1})
        found |= dict.fromkeys(str(row[0]) for row in rows)
    return list(found)


def _refuse_too_many(count: int) -> None:
    if count > BATCH_RECORDS:
        detail = say(f"一次最多连带处理 {BATCH_RECORDS} 条记录", f"At most {BATCH_RECORDS} records can follow at once")
        raise Problem("limit.batch", detail, extra={"maximum": BATCH_RECORDS})


def _blank_references(w: Writing, deletion: Deletion) -> Unit[dict[Key, Held]]:
    """Blank the references of records that stay; several of one record are one change."""
    fields: dict[Key, set[str]] = {}
    for pointing in deletion.blanked:
        for record_id in pointing.ids:
            key = (pointing.referrer.entity, record_id)
            if key not in deletion.doomed:
                fields.setdefault(key, set()).add(pointing.referrer.field.key)
    entities = dict.fromkeys(entity for entity, _ in fields)
    after: dict[Key, Held] = {}
    for entity_key in entities:
        entity = w.app.entities[entity_key]
        held = yield from hold_records(w, entity, [i for key, i in fields if key == entity_key])
        for record in held:
            blank = dict.fromkeys(sorted(fields[entity_key, record.id]))
            violations: list[Violation] = []
            if w.app.rules.get(entity_key):
                before = canonical(entity, record.held.shown)
                judge_own(w, entity, before | blank, before, "", violations)
            refuse(violations)
            for name in blank:
                pointed: Key = (_target(entity, name), record.held.shown[name] or "")
                deletion.cut.setdefault(deletion.root_of(pointed), []).append([entity_key, record.id, name, pointed[1]])
            shown = yield from write_change(w, entity, record.id, record.held, blank)
            after[entity_key, record.id] = Held(int(shown["revision"]), shown)
    return after


def _target(entity: CompiledEntity, key: str) -> str:
    definition = entity.fields[key]
    assert isinstance(definition, ReferenceField)
    return definition.entity


def keep_records(w: Writing, deletion: Deletion) -> Unit[None]:
    """Keep what is about to go; what goes with a record comes back with it."""
    deeds: dict[Key, str] = {}
    places: dict[Key, int] = {}
    rows: list[dict[str, Any]] = []
    for key, record in deletion.doomed.items():
        root = deletion.root_of(key)
        deed = deeds.setdefault(root, w.ids.record_id())
        place = places[root] = places.get(root, -1) + 1
        title = record.held.shown.get(record.entity.title_key or "")
        rows.append(
            {
                "id": deed if key == root else w.ids.record_id(),
                "app": w.app.key,
                "entity": record.entity.key,
                "record_id": record.id,
                "title": None if title is None else str(title),
                "deed": deed,
                "place": place,
                "body": dump_json(record.held.shown).decode(),
                "blanked": dump_json(deletion.cut.get(key, [])).decode(),
                "deleted_at": w.now,
                "deleted_by": w.caller.actor_id,
                "merge_id": deletion.merge_id,
            }
        )
    yield Query(w.statements.kept(("keep",), _keep), rows if len(rows) > 1 else rows[0])


def _keep(_dialect: str) -> sa.Insert:
    t = writing_tables.trash
    return sa.insert(t).values({c.name: sa.bindparam(c.name, type_=c.type) for c in t.c})


def _delete_rows(w: Writing, deletion: Deletion) -> Unit[None]:
    """Delete what was found last first, so that nothing points to what is gone; where records point in a circle, it is cut before."""
    records = list(deletion.doomed.values())
    links = _told_links(w, deletion)
    position = {(record.entity.key, record.id): place for place, record in enumerate(records)}
    for place, record in enumerate(records):
        for definition in record.entity.plain:
            if isinstance(definition, ReferenceField):
                target = position.get((definition.entity, record.held.shown[definition.key] or ""))
                if target is not None and target > place:
                    yield Query(w.statements.cut(record.entity, definition.key), {"id": record.id})
    run: list[HeldRecord] = []
    for record in reversed(records):
        if run and (run[-1].entity is not record.entity or len(run) >= _CHUNK):
            yield from _delete_run(w, run, links, kept=deletion.keeping)
            run = []
        run.append(record)
    yield from _delete_run(w, run, links, kept=deletion.keeping)


def _delete_run(
    w: Writing, run: list[HeldRecord], links: Mapping[Key, Mapping[str, list[JSON]]], *, kept: bool
) -> Unit[None]:
    if not run:
        return
    entity = run[0].entity
    if entity.listing and not kept:  # what is kept holds its files
        for record in run:
            yield from unlink_files(w, entity, record.id)
    yield Query(w.statements.delete_many(entity), {"ids": dump_json([record.id for record in run]).decode()})
    events = []
    for record in run:
        shown = record.held.shown
        w.changes.note(entity, record.id, entity.fields, canonical(entity, shown) if entity.computed else shown, {})
        changes = {item.key: [shown[item.key], None] for item in entity.plain if shown[item.key] != item.blank_json()}
        changes |= links.get((entity.key, record.id), {})
        event = make_event(w, entity, record.id, "deleted", record.held.revision + 1, changes)
        if kept:
            event["detail"] = _KEPT
        events.append(event)
        if w.course.reactions_of(entity):
            revision = record.held.revision + 1
            fact = Fact("deleted", entity, record.id, revision, shown, {}, frozenset(changes), w.caller)
            w.course.facts.append(fact)
    yield from write_events(w, events)


def _referenced(owner: CompiledEntity, field_key: str, pointing: list[str]) -> Problem:
    label = owner.label()
    more = "+" if len(pointing) > BATCH_RECORDS else ""
    count = f"{min(len(pointing), BATCH_RECORDS)}{more}"
    detail = say(
        f"仍有 {count} 条“{label.zh}”引用它,请先修改或删除它们",
        f"{count} {label.en} still point to it; change or delete them first",
    )
    references = [{"entity": owner.key, "field": field_key, "sample_ids": pointing[:_SHOWN]}]
    return Problem("record.referenced", detail, extra={"references": references})
