"""Links of records that are merged: they move to the record that stays, or go where it has the same link already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.parts.many import SOURCE, TARGET
from builder.kernel.canonical import dump_json
from builder.kernel.limits import BATCH_RECORDS
from builder.store.statement import Query, Unit
from runtime.records.changes import update_record
from runtime.records.deleting import delete_held
from runtime.records.holding import Held, HeldRecord, hold_records
from runtime.records.link_telling import Before, links_by_entity, links_of, tell_sources
from runtime.records.writer import Writing


class Moved(NamedTuple):
    """A reference that was moved."""

    entity: str
    record_id: str
    field: str
    to: str | None
    """What it pointed to before."""
    left: str | None
    """What it points to since."""


def move_links(
    w: Writing, entity: CompiledEntity, end: str, ids: Sequence[str], record_id: str, merge_id: str
) -> Unit[list[Moved]]:
    """Let one end of links point to the record that stays."""
    links = yield from hold_records(w, entity, ids)
    other = TARGET if end == SOURCE else SOURCE
    values = {"ids": dump_json([record_id]).decode(), "limit": BATCH_RECORDS}
    own = [str(row[0]) for row in (yield Query(w.statements.referring_any(entity, end), values))]
    taken = {record.held.shown[other] for record in (yield from hold_records(w, entity, own))}
    before = yield from links_of(w, entity, _sources(links, end, record_id))
    moved: list[Moved] = []
    spare: list[HeldRecord] = []
    for link in links:
        shown = link.held.shown
        if shown[other] in taken or shown[other] == record_id:  # linked already, or a link to itself
            spare.append(link)
            continue
        taken.add(shown[other])
        yield from update_record(w, entity, link.id, {end: record_id}, None, "")
        moved.append(Moved(entity.key, link.id, end, shown[end], record_id))
    if spare:
        yield from delete_held(w, spare, merge_id=merge_id)
    yield from tell_sources(w, entity, before)
    return moved


def _sources(links: Sequence[HeldRecord], end: str, record_id: str) -> set[str]:
    return {record_id} if end == SOURCE else {str(link.held.shown[SOURCE]) for link in links}


def links_before(w: Writing, there: Mapping[tuple[str, str], Held]) -> Unit[dict[str, Before]]:
    """Return the links, as they are, of the records that moved links start from."""
    sources: dict[str, set[str]] = {}
    for (key, _), held in there.items():
        if w.app.entities[key].link is not None:
            sources.setdefault(key, set()).add(str(held.shown[SOURCE]))
    return (yield from links_by_entity(w, sources))
