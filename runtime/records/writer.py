"""The one write path, as units: lock the app, write rows, number them, leave an event for each. Every door goes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.auto_number import AutoNumberField
from builder.kernel.canonical import dump_json
from builder.kernel.ids import Ids
from builder.registry.registry import PublishedApp
from builder.store.statement import Query, Unit
from runtime.records.caller import Caller, StaleApp
from runtime.records.computing import Changes, compute_local
from runtime.records.listing import check_listed, link_files
from runtime.records.pins import check_guard
from runtime.records.statements import RecordStatements
from runtime.records.values import NewRecord, field_json, refuse, with_aliases

JSON = Any


@dataclass(frozen=True, slots=True)
class Writing:
    """One write: what it stands on and what it may use."""

    published: PublishedApp
    caller: Caller
    statements: RecordStatements
    now: datetime
    ids: Ids
    changes: Changes

    @property
    def app(self) -> CompiledApp:
        """The pinned app."""
        return self.published.app


def lock_app(w: Writing) -> Unit[None]:
    """Make sure the pinned app is the published one, and that it stays so until this write is committed.

    Raises:
        StaleApp, StaleIdentity.
    """
    w.changes.clear()
    rows = yield Query(w.statements.lock_app(), {"app": w.app.key})
    if not rows:
        raise StaleApp
    pin, epoch = rows[0]
    check_guard(w.published, w.caller, pin, epoch)


def insert_records(w: Writing, records: list[NewRecord]) -> Unit[None]:
    """Insert records with their children, parents first, each with its event."""
    for group in _by_entity(records):
        entity = group[0].entity
        yield from _assign_numbers(w, entity, group)
        for record in group:
            if entity.computed:
                compute_local(w, entity, record.values)
            w.changes.note(entity, record.id, entity.fields, {}, record.values)
        if entity.listing:
            refuse((yield from check_listed(w, entity, [(r.values, {}, r.pointer) for r in group])))
        rows = [_row(w, record) for record in group]
        statement = w.statements.insert(entity)
        yield Query(statement, rows if len(rows) > 1 else rows[0])
        yield from write_events(w, [_created(w, record, row) for record, row in zip(group, rows, strict=True)])
        if entity.listing:
            yield from link_files(w, entity, {record.id: record.values for record in group})
        yield from insert_records(w, [child for record in group for child in record.children])


def _by_entity(records: list[NewRecord]) -> list[list[NewRecord]]:
    groups: dict[str, list[NewRecord]] = {}
    for record in records:
        groups.setdefault(record.entity.key, []).append(record)
    return list(groups.values())


def _row(w: Writing, record: NewRecord) -> dict[str, Any]:
    created_at = record.system.get("created_at") or w.now
    created_by = record.system.get("created_by") or w.caller.actor_id
    return {
        "id": record.id,
        "revision": 1,
        "created_at": created_at,
        "created_by": created_by,
        "updated_at": created_at,
        "updated_by": created_by,
        **record.values,
    }


def _created(w: Writing, record: NewRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {f.key: [None, f.to_json(row[f.key])] for f in record.entity.plain if row[f.key] is not None}
    event = make_event(w, record.entity, record.id, "created", 1, shown)
    if record.system.get("created_at"):
        event["at"], event["actor"] = row["created_at"], row["created_by"]
    return event


# -- numbers --------------------------------------------------------------------------------------------------------------


def _assign_numbers(w: Writing, entity: CompiledEntity, records: list[NewRecord]) -> Unit[None]:
    """Give auto numbers; a counter is raised once per period for all records of a group."""
    for definition in entity.stored:
        if isinstance(definition, AutoNumberField):
            yield from _assign_number(w, entity, definition, records)


def _assign_number(
    w: Writing, entity: CompiledEntity, definition: AutoNumberField, records: list[NewRecord]
) -> Unit[None]:
    waiting: dict[str, list[NewRecord]] = {}
    brought: dict[str, int] = {}
    for record in records:
        number = record.values.get(definition.key)
        if number is None:
            on = (record.system.get("created_at") or w.now).astimezone(w.app.zone).date()
            waiting.setdefault(definition.period(on), []).append(record)
        elif (counted := definition.find_counted(number)) is not None:
            brought[counted.period] = max(brought.get(counted.period, 0), counted.sequence)
    # numbers that were brought along raise the counter first, so that the ones given now come behind them
    for period in sorted(brought.keys() | waiting.keys()):
        group = waiting.get(period, [])
        floor = max(brought.get(period, 0), definition.start - 1)
        place = {"app": w.app.key, "entity": entity.key, "field": definition.key, "period": period}
        values = {**place, "first": floor + len(group), "floor": floor, "step": len(group)}
        rows = yield Query(w.statements.count_on(), values)
        first = int(rows[0][0]) - len(group) + 1
        for place_in_group, record in enumerate(group):
            on = (record.system.get("created_at") or w.now).astimezone(w.app.zone).date()
            record.values[definition.key] = definition.number(on, first + place_in_group)


# -- events ---------------------------------------------------------------------------------------------------------------


def make_event(
    w: Writing, entity: CompiledEntity, record_id: str, kind: str, revision: int, changes: Mapping[str, list[JSON]]
) -> dict[str, Any]:
    """Return the event of one write."""
    return {
        "app": w.app.key,
        "entity": entity.key,
        "record_id": record_id,
        "kind": kind,
        "at": w.now,
        "actor": w.caller.actor_id,
        "door": w.caller.door,
        "request_id": w.caller.request_id,
        "version": w.app.version,
        "revision": revision,
        "changes": dump_json(changes).decode(),
    }


def write_events(w: Writing, events: list[dict[str, Any]]) -> Unit[None]:
    """Insert events in the transaction of what they tell."""
    yield Query(w.statements.event(), events if len(events) > 1 else events[0])


def record_json(w: Writing, record: NewRecord) -> dict[str, JSON]:
    """Return a new record as the API shows it."""
    row = _row(w, record)
    entity = record.entity
    shown = {key: field_json(field, row[key]) for key, field in entity.system.items()}
    return with_aliases(entity, shown | {field.key: field_json(field, row[field.key]) for field in entity.stored})
