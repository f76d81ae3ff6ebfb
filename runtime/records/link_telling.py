"""Histories of records whose links were changed by something else: a target that went or came back, a merge.

Whoever changes links so takes the links of the records concerned before, changes them, and lets them be told after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.compiled.app import CompiledEntity
from builder.fields.base import Invalid
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.many import SOURCE
from builder.kernel.canonical import dump_json
from builder.kernel.limits import BATCH_RECORDS
from builder.kernel.problems import Violation
from builder.store.statement import Query, Unit
from runtime.records.holding import Held, HeldRecord, hold_records
from runtime.records.linking import told
from runtime.records.rights import seen_ids
from runtime.records.values import refuse
from runtime.records.writer import JSON, Writing, write_change

Shown = dict[str, JSON]
Before = dict[str, list[Shown]]
"""Id of a record -> its links, in the order in which they were made."""


def links_of(w: Writing, entity: CompiledEntity, sources: Iterable[str]) -> Unit[Before]:
    """Return the links of some records, held."""
    wanted = sorted(set(sources))
    found: Before = {source: [] for source in wanted}
    for record in (yield from hold_links(w, entity, wanted)):
        found[str(record.held.shown[SOURCE])].append(record.held.shown)
    return found


def links_by_entity(w: Writing, sources: Mapping[str, Iterable[str]]) -> Unit[dict[str, Before]]:
    """Return the links of records by the entity of the links."""
    found: dict[str, Before] = {}
    for key, ids in sources.items():
        found[key] = yield from links_of(w, w.app.entities[key], ids)
    return found


def hold_links(w: Writing, entity: CompiledEntity, sources: Iterable[str]) -> Unit[list[HeldRecord]]:
    """Hold the links of some records, in the order in which they were made."""
    values = {"ids": dump_json(sorted(sources)).decode(), "limit": BATCH_RECORDS}
    rows = yield Query(w.statements.referring_any(entity, SOURCE), values)
    held = yield from hold_records(w, entity, [str(row[0]) for row in rows])
    return sorted(held, key=lambda record: (record.held.shown["created_at"], record.id))


def tell_sources(w: Writing, entity: CompiledEntity, before: Before) -> Unit[dict[str, Held]]:
    """Raise the revisions of records whose links are others than before, and write it into their histories; return them as they are then.

    Raises:
        Problem: ``record.invalid`` for a record that would have too few links by that, or too many.
    """
    link = entity.link
    assert link is not None
    owner, field = w.app.entities[link.entity], links_field(w, link.entity, link.field)
    after = yield from links_of(w, entity, before)
    yield from _refuse_counts(w, owner, field, {source: (len(before[source]), len(after[source])) for source in before})
    changed = {source: [told(field, before[source]), told(field, after[source])] for source in before}
    changed = {source: sides for source, sides in changed.items() if sides[0] != sides[1]}
    found: dict[str, Held] = {}
    for record in (yield from hold_records(w, owner, changed)):
        shown = yield from write_change(w, owner, record.id, record.held, {}, also={field.key: changed[record.id]})
        found[record.id] = Held(int(shown["revision"]), shown)
    return found


def _refuse_counts(
    w: Writing, owner: CompiledEntity, field: MultiReferenceField, counts: Mapping[str, tuple[int, int]]
) -> Unit[None]:
    wrong: dict[str, Invalid] = {}
    for source, (was, count) in counts.items():
        found = field.count_wrong(count) if count != was else None
        # one that had too few before may still have too few: what it gains is no harm
        if found is not None and (found.code == "max_count") == (count > was):
            wrong[source] = found
    if not wrong:
        return
    # who asked is told of what they see, whoever acts for them here
    seen = set(wrong) if w.sight is None else (yield from seen_ids(w, w.sight, owner, wrong))
    named = {source: {"entity": owner.key, "record_id": source} if source in seen else {} for source in wrong}
    refuse([Violation(one.code, "", one.message, {**one.params, **named[source]}) for source, one in wrong.items()])


def links_field(w: Writing, entity: str, key: str) -> MultiReferenceField:
    """Return the field of links."""
    field = w.app.entities[entity].fields[key]
    assert isinstance(field, MultiReferenceField)
    return field


def owner_of(entity: CompiledEntity) -> str:
    """Return the entity that links start from."""
    return entity.link.entity if entity.link is not None else entity.key
