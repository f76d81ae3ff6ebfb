"""The one write path, as units: lock the app, write rows, number them, leave an event for each. Every door goes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.auto_number import AutoNumberField
from builder.fields.base import Invalid
from builder.fields.parts.many import LINK_DOT
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.kernel.ids import Ids
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store.statement import Query, Sheet, Unit
from runtime.access.sight import RoleSight, sight_of
from runtime.records.ahead import Held
from runtime.records.caller import Caller, StaleApp
from runtime.records.computing import Changes, compute_local
from runtime.records.linking import told_of_new
from runtime.records.listing import check_listed, link_files
from runtime.records.pins import check_guard
from runtime.records.seams import Course, Fact, Intent, judge
from runtime.records.statements import RecordStatements
from runtime.records.values import NewRecord, Values, field_json, refuse, same_json, with_aliases

JSON = Any


class Writing(NamedTuple):
    """One write: what it stands on and what it may use."""

    published: PublishedApp
    caller: Caller
    statements: RecordStatements
    now: datetime
    ids: Ids
    changes: Changes
    course: Course
    seen: PublishedApp
    """The app as the caller sees it."""

    @property
    def sight(self) -> RoleSight | None:
        """What the caller's roles see and may do; None: everything."""
        return sight_of(self.seen.app)

    @property
    def app(self) -> CompiledApp:
        """The pinned app."""
        return self.published.app

    def acting_as(self, caller: Caller, seen: PublishedApp | None = None) -> Writing:
        """The same write, on behalf of somebody else, who sees the app so."""
        w = self
        return Writing(w.published, caller, w.statements, w.now, w.ids, w.changes, w.course, seen or w.seen)

    def for_the_app(self, cause: str) -> Writing:
        """The same write for what the app does by itself, whatever the person's own rights are; it stays theirs in the events."""
        return self.acting_as(replace(self.caller, cause=self.caller.cause or cause, own_rights=False))


def begin(w: Writing) -> None:
    """Forget what an earlier try of this write has done."""
    w.changes.clear()
    w.course.begin()


def lock_app(w: Writing) -> Unit[None]:
    """Make sure the pinned app is the published one, and that it stays so until this write is committed.

    Raises:
        StaleApp, StaleIdentity.
    """
    begin(w)
    rows = yield Query(w.statements.lock_app(), {"app": w.app.key})
    if not rows:
        raise StaleApp
    pin, epoch = rows[0]
    check_guard(w.published, w.caller, pin, epoch)


def insert_records(w: Writing, records: list[NewRecord], *, judged: bool = False) -> Unit[None]:
    """Insert records with their children, parents first, each with its event.

    Args:
        judged: ``judge_new`` has been asked about them in this write.

    Raises:
        Problem: ``record.invalid`` with everything that is wrong with any of them.
    """
    levels = _levels(records)
    for level in levels:
        for group in level:
            yield from _assign_numbers(w, group[0].entity, group)
            _complete(w, group)
    violations: list[Violation] = []
    for level in levels if not judged else ():
        for group in level:
            violations += yield from _find_wrong(w, group)
    refuse(violations)
    for level in levels:
        for group in level:
            yield from _write_group(w, group[0].entity, group)


def judge_new(w: Writing, records: list[NewRecord]) -> Unit[list[Violation]]:
    """Return what rules say against new records and their children; nothing is written, no number is taken."""
    violations: list[Violation] = []
    for level in _levels(records):
        for group in level:
            _complete(w, group)
            violations += yield from _find_wrong(w, group)
    return violations


def _levels(records: list[NewRecord]) -> list[list[list[NewRecord]]]:
    """Return records by level (children below their parents), and in each level by entity."""
    if len(records) == 1 and not records[0].children:
        return [[records]]
    levels: list[list[list[NewRecord]]] = []
    level = records
    while level:
        groups = [_targets_first(group[0].entity, group) if len(group) > 1 else group for group in _by_entity(level)]
        levels.append(groups)
        level = [child for record in level for child in record.children]
    return levels


def _complete(w: Writing, group: list[NewRecord]) -> None:
    """Compute what a record tells by itself, and note where it stands."""
    entity = group[0].entity
    w.changes.pointers.update((record.id, record.pointer) for record in group)
    for record in group if entity.computed else ():
        compute_local(w, entity, record.values)


def _find_wrong(w: Writing, group: list[NewRecord]) -> Unit[list[Violation]]:
    """Return what only the database and the rules of other rooms can tell against new records of one entity."""
    entity = group[0].entity
    violations: list[Violation] = []
    if entity.listing:
        violations += yield from check_listed(w, entity, [(r.values, {}, r.pointer) for r in group])
    if w.course.rules_of(entity):
        violations += yield from judge(w, [_intent(record) for record in group])
    return violations


def _intent(record: NewRecord) -> Intent:
    given = frozenset(key for key, value in record.values.items() if value is not None)
    return Intent(
        "created", record.entity, record.id, {}, record.values, given, record.pointer, frozenset(record.given)
    )


def _write_group(w: Writing, entity: CompiledEntity, group: list[NewRecord]) -> Unit[None]:
    for record in group:
        record.shown = None  # an earlier try may have shown other numbers
    if w.changes.are_read:
        for record in group:
            w.changes.note(entity, record.id, entity.fields, {}, record.values)
    if len(group) > 1 and not any(record.system or record.kind != "created" for record in group):
        yield from _write_alike(w, entity, group)
    else:
        rows = [_row(w, record) for record in group]
        yield Query(w.statements.insert(entity), rows if len(rows) > 1 else rows[0])
        if w.course.ahead is not None:
            for record, row in zip(group, rows, strict=True):
                w.course.ahead.made(entity, record.id, row, record_json(w, record))
        yield from write_events(w, [_created(w, record, row) for record, row in zip(group, rows, strict=True)])
    if entity.listing:
        yield from link_files(w, entity, {record.id: record.values for record in group})
    if w.course.reactions_of(entity):
        w.course.facts += [_creation(w, record) for record in group]


def _write_alike(w: Writing, entity: CompiledEntity, group: list[NewRecord]) -> Unit[None]:
    """Insert records of which nothing is brought along, and their events: what all share is bound once."""
    stamp = _stamp(w)
    rows = [{"id": record.id, **record.values} for record in group]
    yield Query(w.statements.insert_many(entity, tuple(stamp)), Sheet(stamp, rows))
    if entity.link is not None:
        return
    shared = make_event(w, entity, "", "created", 1, {})
    told = [{"record_id": record.id, "changes": dump_json(_first_values(record)).decode()} for record in group]
    if w.caller.dry_run:
        w.course.told += [shared | own for own in told]
    same = {name: value for name, value in shared.items() if name not in told[0]}
    yield Query(w.statements.events_alike(tuple(same)), Sheet(same, told))


def _creation(w: Writing, record: NewRecord) -> Fact:
    shown = record_json(w, record)
    given = frozenset(key for key, value in record.values.items() if value is not None)
    return Fact("created", record.entity, record.id, shown["revision"], {}, shown, given, w.caller)


def _by_entity(records: list[NewRecord]) -> list[list[NewRecord]]:
    groups: dict[str, list[NewRecord]] = {}
    for record in records:
        groups.setdefault(record.entity.key, []).append(record)
    return list(groups.values())


def _targets_first(entity: CompiledEntity, group: list[NewRecord]) -> list[NewRecord]:
    """Order records that point to each other so that each comes after those it points to.

    Raises:
        Problem: ``record.invalid`` for records that point to each other in a circle.
    """
    own = [item.key for item in entity.plain if isinstance(item, ReferenceField) and item.entity == entity.key]
    there = {record.id for record in group} if own else set()
    targets = {
        record.id: {to for key in own if (to := record.values[key]) in there and to != record.id} for record in group
    }
    if not any(targets.values()):
        return group
    pointing: dict[str, list[NewRecord]] = {}
    for record in group:
        for target in targets[record.id]:
            pointing.setdefault(target, []).append(record)
    ordered = [record for record in group if not targets[record.id]]
    for record in ordered:  # grows while it is walked
        for other in pointing.get(record.id, ()):
            targets[other.id].discard(record.id)
            if not targets[other.id]:
                ordered.append(other)
    if len(ordered) < len(group):
        message = say("这些记录循环引用,请先创建再互相关联", "These records point to each other in a circle")
        done = {record.id for record in ordered}
        refuse([Violation("reference", r.pointer, message) for r in group if r.id not in done])
    return ordered


def _stamp(w: Writing) -> dict[str, Any]:
    """Return the system values of what is new now."""
    who = w.caller.actor_id
    return {"revision": 1, "created_at": w.now, "created_by": who, "updated_at": w.now, "updated_by": who}


def _row(w: Writing, record: NewRecord) -> dict[str, Any]:
    row = {"id": record.id, **_stamp(w), **record.values}
    system = record.system
    if system:
        created_at = system.get("created_at") or w.now
        created_by = system.get("created_by") or w.caller.actor_id
        row["revision"] = system.get("revision", 1)
        row |= {"created_at": created_at, "created_by": created_by}
        row["updated_at"] = system.get("updated_at") or created_at
        row["updated_by"] = system.get("updated_by") or created_by
    return row


def _created(w: Writing, record: NewRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    event = make_event(w, record.entity, record.id, record.kind, row["revision"], _first_values(record))
    if record.kind == "created" and record.system.get("created_at"):
        event["at"], event["actor"] = row["created_at"], row["created_by"]
    return event


def _first_values(record: NewRecord) -> Mapping[str, JSON]:
    """Return what the event of a new record tells: of each value what it was, nothing, and what it is."""
    values = record.values
    shown: dict[str, JSON] = {
        key: (None, value if shape is None else shape(value))
        for key, shape in record.entity.shapes
        if (value := values[key]) is not None
    }
    return shown | told_of_new(record) if record.children and record.entity.links else shown


# -- changes --------------------------------------------------------------------------------------------------------------


class Telling(NamedTuple):
    """How an event tells of a change."""

    kind: str = "updated"
    detail: Mapping[str, JSON] | None = None


PLAINLY = Telling()
NOTHING_MORE: Mapping[str, list[JSON]] = MappingProxyType({})


def write_change(
    w: Writing,
    entity: CompiledEntity,
    record_id: str,
    held: Held,
    changed: Values,
    whole: Values | None = None,
    telling: Telling = PLAINLY,
    also: Mapping[str, list[JSON]] = NOTHING_MORE,
) -> Unit[dict[str, JSON]]:
    """Write other values of a record with its event; return the record as it is then.

    Args:
        whole: all plain values as they will be, if they are known.
        also: what else changes with it: fields whose values stand elsewhere (links), with old and new.
    """
    local: Values = {}
    moved: dict[str, JSON] = {}
    if entity.computed:
        after = whole or (canonical(entity, held.shown) | changed)
        compute_local(w, entity, after)
        for computed in entity.local:
            key = computed.key
            value = local[key] = after[key]
            is_now = value if value is not None and computed.to_json is None else field_json(computed.shape, value)
            if not same_json(is_now, held.shown[key]):
                moved[key] = is_now
    keys = written = tuple([key for key in entity.stored_keys if key in changed or key in moved])
    if moved:  # all of them are written: which of many formulas give another value must not make statements without end
        changed = changed | local
        written = tuple([key for key in entity.stored_keys if key in changed])
    if w.course.following:
        w.course.rewritten.add(record_id)
    w.changes.note(entity, record_id, keys, held.shown, changed)
    revision = held.revision + 1
    actor_id = w.caller.actor_id
    values = {f"v_{key}": changed[key] for key in written}
    values |= {"id": record_id, "v_revision": revision, "v_updated_at": w.now, "v_updated_by": actor_id}
    ahead = w.course.ahead
    if ahead is None:
        yield Query(w.statements.update(entity, written), values)
    else:
        ahead.change(entity, record_id, values)
    fields, before = entity.fields, held.shown
    shown = {key: moved[key] if key in moved else field_json(fields[key], changed[key]) for key in keys}
    changes = {key: [before[key], shown[key]] for key in keys if key in entity.plain_keys}
    event = make_event(w, entity, record_id, telling.kind, revision, {**changes, **also})
    if telling.detail is not None:
        event["detail"] = dump_json(telling.detail).decode()
    yield from write_events(w, [event])
    updated_at = entity.system["updated_at"].to_json(w.now)
    after = {**before, **shown, "revision": revision, "updated_at": updated_at, "updated_by": actor_id}
    if ahead is not None:
        ahead.known[entity.key, record_id] = Held(revision, after)
    if w.course.reactions_of(entity):
        was, then = before, after
        if also:
            was, then = (
                {**shown, **{key: pair[n] for key, pair in also.items()}} for n, shown in enumerate((before, after))
            )
        fact = Fact("updated", entity, record_id, revision, was, then, frozenset((*keys, *also)), w.caller)
        w.course.facts.append(fact)
    return after


def canonical(entity: CompiledEntity, shown: Mapping[str, JSON]) -> Values:
    """Return the canonical values of a record as it is; a value that no rule would take any more counts as blank here."""
    values: Values = {}
    for definition in entity.stored:
        given = shown[definition.key]
        try:
            values[definition.key] = None if given is None else definition.coerce(given)
        except Invalid:
            values[definition.key] = None
    return values


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
        if number is None or definition.key in record.numbered:  # numbered before: the transaction is tried again
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
            record.numbered.add(definition.key)


# -- events ---------------------------------------------------------------------------------------------------------------


def make_event(
    w: Writing, entity: CompiledEntity, record_id: str, kind: str, revision: int, changes: Mapping[str, JSON]
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
        "detail": None,
    }


def write_events(w: Writing, events: list[dict[str, Any]]) -> Unit[None]:
    """Insert events in the transaction of what they tell. Links have no history: that of their record tells of them."""
    events = [event for event in events if LINK_DOT not in event["entity"]]
    if not events:
        return
    if w.caller.dry_run:
        w.course.told += events
    yield Query(w.statements.event(), events if len(events) > 1 else events[0])


def record_json(w: Writing, record: NewRecord) -> dict[str, JSON]:
    """Return a new record as the API shows it, after it was written."""
    if record.shown is None:
        row = _row(w, record)
        entity = record.entity
        shown = {key: field_json(field, row[key]) for key, field in entity.system.items()}
        shown |= {field.key: field_json(field, row[field.key]) for field in entity.stored}
        record.shown = with_aliases(entity, shown)
    return record.shown
