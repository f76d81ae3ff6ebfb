"""Timers follow the records: armed, moved, stopped and dropped in the transaction of the write that is the reason.

Reads and writes: dougong_timer. See docs/decisions/0016.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from builder.calendars.working import WorkingCalendar
from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.calendars import default_key
from builder.compiled.reminders import CompiledReminder
from builder.store.statement import Unit
from runtime.records.computing import reached
from runtime.records.seams import Fact
from runtime.records.writer import Writing
from runtime.timers import rows
from runtime.timers.at_hand import AtHand
from runtime.timers.counting import Due, due_of, pause_seconds
from runtime.timers.looking import OWN_DOORS, Sight, last_changed, look, look_by
from runtime.timers.rows import Timer

Key = tuple[str, str]
"""Reminder and subject."""

NOTHING_SEEN: Mapping[str, Mapping[str, Sight]] = MappingProxyType({})
NO_RULES: Mapping[str, CompiledReminder] = MappingProxyType({})


def calendar_of(w: Writing, rule: CompiledReminder) -> WorkingCalendar:
    """Return the calendar in which a reminder counts."""
    return w.published.calendars[rule.document.calendar or default_key(w.app.definition.app)]


def decide(
    w: Writing, rule: CompiledReminder, subject: str, sight: Sight, standing: Timer | None, *, recount: bool = False
) -> Timer | None:
    """Return the timer as it should be; None: there should be none.

    Args:
        recount: the definition or the calendar may have changed, so moments are counted anew.
    """
    if not sight.holds or sight.anchor is None:
        return None
    calendar = calendar_of(w, rule)
    if standing is None or standing.anchor_at != sight.anchor or standing.record_id != sight.record_id:
        place, due = _first_step(w, rule, sight.anchor, calendar)
        armed = Timer(
            w.ids.record_id(),
            w.app.key,
            rule.key,
            subject,
            rule.entity,
            sight.record_id,
            place,
            sight.anchor,
            due.at if place < len(rule.steps) else None,
            calendar.key if rule.counts_working_time else None,
            bool(due.unknown_years),
        )
        return armed._replace(paused_at=w.now, due_at=None) if sight.paused and armed.due_at else armed
    timer = standing
    if sight.paused and timer.paused_at is None and timer.due_at is not None:
        return timer._replace(paused_at=w.now, due_at=None)
    if not sight.paused and timer.paused_at is not None:
        stood = pause_seconds(rule, timer.paused_at, w.now, calendar)
        timer = timer._replace(paused_at=None, paused_seconds=timer.paused_seconds + stood)
        return counted(w, rule, timer)
    if recount and timer.due_at is not None:
        return counted(w, rule, timer)
    return timer


def _first_step(w: Writing, rule: CompiledReminder, anchor: datetime, calendar: WorkingCalendar) -> tuple[int, Due]:
    """Return the first step that may still come: what was over long before the record was watched is not told any more."""
    oldest = w.now - rule.tolerance
    due = due_of(rule, rule.steps[0], anchor, calendar)
    place = 0
    while due.at < oldest:
        place += 1
        if place == len(rule.steps):
            break
        due = due_of(rule, rule.steps[place], anchor, calendar)
    return place, due


def counted(w: Writing, rule: CompiledReminder, timer: Timer) -> Timer:
    """Return a timer with the moment of its next step counted anew."""
    if timer.step >= len(rule.steps) or timer.acknowledged_at is not None:
        return timer._replace(due_at=None)
    calendar = calendar_of(w, rule)
    due = due_of(rule, rule.steps[timer.step], timer.anchor_at, calendar, timer.paused_seconds)
    if timer.snoozed_until is not None:
        due = due._replace(at=max(due.at, timer.snoozed_until))
    return due_at(timer, rule, due, calendar)


def due_at(timer: Timer, rule: CompiledReminder, due: Due, calendar: WorkingCalendar) -> Timer:
    """Return a timer whose next step is due at a moment."""
    key = calendar.key if rule.counts_working_time else None
    return timer._replace(due_at=due.at, calendar=key, provisional=bool(due.unknown_years))


@dataclass
class _Touched:
    """What a round of a write has to do with reminders."""

    records: dict[str, set[str]] = field(default_factory=dict)
    """Entity -> records to look at."""
    moved: set[Key] = field(default_factory=set)
    """(reminder, record): a tracked change happened just now."""
    subjects: dict[str, set[str]] = field(default_factory=dict)
    """Reminder with ``by`` -> subjects to look at."""
    gone: dict[str, set[str]] = field(default_factory=dict)


class TimersReaction:
    """Keeps timers right, inside the write."""

    rewrites = False

    def __init__(self) -> None:
        self._at_hand = AtHand()

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether some reminder depends on records of an entity."""
        return entity.key in app.reminders.concerned

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Arm, move, stop and drop timers of the records that these facts touch."""
        touched = _Touched()
        for fact in facts:
            _touch_own(w, fact, touched)
        yield from _touch_over_relations(w, touched)
        for key, ids in touched.gone.items():
            yield from rows.drop_of_records(w.statements, w.app, key, ids)
            touched.records.get(key, set()).difference_update(ids)
        created = {fact.record_id for fact in facts if fact.deed == "created"}
        for key, ids in touched.records.items():
            entity = w.app.entities[key]
            shown = {f.record_id: f.after for f in facts if f.record_id in ids and f.entity.key == key}
            seen = self._at_hand.look(w, entity, shown)
            yield from arm(w, entity, ids, moved=touched.moved, fresh=created, seen=seen)
        for rule, subjects in touched.subjects.items():
            yield from arm_by(w, w.app.reminders.by_key[rule], subjects)


def _touch_own(w: Writing, fact: Fact, touched: _Touched) -> None:
    """Note what a fact means for the reminders over its own entity."""
    for rule in w.app.reminders.of_entity(fact.entity.key):
        if fact.deed == "deleted":
            touched.gone.setdefault(fact.entity.key, set()).add(fact.record_id)
        concerned = fact.deed != "updated" or not rule.own_reads.isdisjoint(fact.changed)
        if rule.by is not None:
            if concerned:
                values = (fact.before.get(rule.by), fact.after.get(rule.by))
                touched.subjects.setdefault(rule.key, set()).update(value for value in values if value)
            continue
        if rule.is_tracked and _moves(rule, fact):
            touched.moved.add((rule.key, fact.record_id))
            concerned = True
        if concerned and fact.deed != "deleted":
            touched.records.setdefault(rule.entity, set()).add(fact.record_id)


def _moves(rule: CompiledReminder, fact: Fact) -> bool:
    if fact.deed == "created":
        return True
    if rule.tracked:
        return not rule.tracked.isdisjoint(fact.changed)
    return fact.caller.door not in OWN_DOORS


def _touch_over_relations(w: Writing, touched: _Touched) -> Unit[None]:
    """Note the records that see a change over a relation, or whose computed fields the database has changed."""
    if not w.changes.were_any:
        return
    for rule in w.app.reminders.by_key.values():
        for dependency in sorted(rule.reads):
            changed = w.changes.before(dependency.entity, dependency.field)
            if not changed:
                continue
            ids = (yield from reached(w, rule.entity, dependency.path, changed)) if dependency.path else changed
            if rule.by is None:
                touched.records.setdefault(rule.entity, set()).update(ids)


def arm(
    w: Writing,
    entity: CompiledEntity,
    ids: Collection[str],
    *,
    moved: Collection[Key] = (),
    fresh: Collection[str] = (),
    seen: Mapping[str, Mapping[str, Sight]] = NOTHING_SEEN,
    recount: bool = False,
) -> Unit[int]:
    """Bring the timers of records up to date; return how many were written or dropped.

    Args:
        moved: (reminder, record) whose tracked change happened just now.
        fresh: records that are new, so they have no timers yet.
        seen: what reminders see of those among them that need not be looked at.
    """
    if not ids:
        return 0
    unseen = [each for each in ids if each not in seen]
    if unseen:
        seen = {**seen, **(yield from look(w, entity, unseen))}
    rules = w.app.reminders.of_records.get(entity.key, NO_RULES)
    blind = {each for each in ids if all(_begins_anew(rule, each, seen, moved) for rule in rules.values())}
    standing: dict[Key, Timer] = {}
    asked = [each for each in ids if each not in fresh and each not in blind]
    if asked:
        found = yield from rows.own_timers(w.statements, w.app, entity.key, asked)
        standing = {(timer.rule, timer.subject): timer for timer in found}
    put: list[Timer] = []
    drop: list[Timer] = []
    for record_id in sorted(ids):
        for key, rule in rules.items():
            now = standing.get((key, record_id))
            sight = seen[record_id].get(key) if record_id in seen else None
            if sight is not None and sight.holds and rule.is_tracked:
                sight = yield from _tracked(w, rule, record_id, sight, now, moved)
            wanted = None if sight is None else decide(w, rule, record_id, sight, now, recount=recount)
            if wanted is None:
                drop += [now] if now is not None else []
            elif wanted is not now:
                put.append(wanted)
    yield from _write(w, put, drop, standing, blind, fresh)
    return len(put) + len(drop)


def _tracked(
    w: Writing, rule: CompiledReminder, record_id: str, sight: Sight, standing: Timer | None, moved: Collection[Key]
) -> Unit[Sight]:
    """Return a sight with the moment of the tracked change: just now, as the timer knows, or from history."""
    if (rule.key, record_id) in moved:
        at: datetime | None = w.now
    elif standing is not None:
        at = standing.anchor_at
    else:
        at = yield from last_changed(w, rule, record_id)
    if at is None or (sight.anchor is not None and sight.anchor >= at):
        return sight
    return Sight(sight.record_id, at, sight.holds, sight.paused)


def _write(
    w: Writing,
    put: Sequence[Timer],
    drop: Sequence[Timer],
    standing: Mapping[Key, Timer],
    blind: Collection[str],
    fresh: Collection[str],
) -> Unit[None]:
    new = [timer for timer in put if timer.subject in fresh]
    old = [timer for timer in put if timer.subject not in fresh]
    if new:
        yield from rows.add_timers(w.statements, new)
    if w.course.ahead is not None:
        yield from _write_ahead(w, old, drop, standing, blind)
    elif old or drop:
        yield from rows.drop_timers(w.statements, w.app.key, [(timer.rule, timer.subject) for timer in drop])
        yield from rows.put_timers(w.statements, old)


def _begins_anew(
    rule: CompiledReminder, record_id: str, seen: Mapping[str, Mapping[str, Sight]], moved: Collection[Key]
) -> bool:
    """Whether the timer is armed from now on, whatever it was: nobody has to ask for it."""
    sight = seen.get(record_id, {}).get(rule.key)
    return sight is not None and sight.holds and rule.is_tracked and (rule.key, record_id) in moved


def _write_ahead(
    w: Writing, put: Sequence[Timer], drop: Sequence[Timer], standing: Mapping[Key, Timer], blind: Collection[str]
) -> Unit[None]:
    """Write timers that nobody holds: one that was looked at has to be as it was when all is written."""
    for timer in put:
        seen = standing.get((timer.rule, timer.subject))
        if seen is not None:
            yield from rows.replace_seen(w.statements, seen, timer)
        elif timer.subject in blind:
            yield from rows.put_timers(w.statements, [timer])
        else:
            yield from rows.add_timers(w.statements, [timer])
    for timer in drop:
        yield from rows.drop_seen(w.statements, timer)


def arm_by(w: Writing, rule: CompiledReminder, subjects: Iterable[str], *, recount: bool = False) -> Unit[int]:
    """Bring the timers of a reminder up to date that belong to people or other records."""
    wanted_subjects = sorted(subjects)
    found = yield from rows.timers_of_subjects(w.statements, w.app.key, rule.key, wanted_subjects)
    standing = {timer.subject: timer for timer in found}
    put: list[Timer] = []
    drop: list[Key] = []
    for subject in wanted_subjects:
        now = standing.get(subject)
        sight = yield from look_by(w, rule, subject)
        wanted = decide(w, rule, subject, sight, now, recount=recount)
        if wanted is None:
            drop += [(rule.key, subject)] if now is not None else []
        elif wanted is not now:
            put.append(wanted)
    yield from rows.drop_timers(w.statements, w.app.key, drop)
    yield from rows.put_timers(w.statements, put)
    return len(put) + len(drop)
