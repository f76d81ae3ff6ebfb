"""Firing what is due: held, looked at again, written down, passed on to the actions, in one transaction. See docs/decisions/0016.

Reads and writes: dougong_timer, dougong_timer_firing, and whatever the actions write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.reminders import CompiledReminder
from builder.definition.automation import Automation
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json
from builder.kernel.faults import crash_point
from builder.kernel.text import Text, say
from builder.store.statement import POSTGRESQL, Query, Statement, Unit
from runtime.automations.actions.base import Occasion, Outcome
from runtime.automations.following import follow
from runtime.automations.ports import Ports
from runtime.automations.running import Start, run_all, started_by_time
from runtime.expressions.prepared import Subject
from runtime.records.holding import Held, hold_records
from runtime.records.writer import Writing
from runtime.timers import rows
from runtime.timers.arming import calendar_of, counted, decide, due_at
from runtime.timers.counting import Due, due_of, pause_seconds, plan_steps
from runtime.timers.looking import NOTHING, Sight, look, look_by
from runtime.timers.rows import Timer


@dataclass(frozen=True)
class Firing:
    """One step whose time has come."""

    rule: CompiledReminder
    timer: Timer
    place: int
    """Among the rule's steps."""
    due_at: datetime
    held: Held

    @property
    def key(self) -> str:
        """Names this firing for ever: what leaves the house because of it carries this name."""
        return f"reminder:{self.rule.key}:{self.timer.generation}:{self.place}"


class Effects(Protocol):
    """What becomes of a firing."""

    def carry(self, w: Writing, firing: Firing) -> Unit[Text]:
        """Do it in the transaction; return what was done, in words.

        Raises:
            ActionFailed, Problem.
        """
        ...


_NOTHING = say("", "")


class ActionEffects:
    """Carries out the step's actions."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def carry(self, w: Writing, firing: Firing) -> Unit[Text]:
        """Carry the actions out on the record as it is."""
        entity = w.app.entities[firing.rule.entity]
        subject = Subject(entity, firing.timer.record_id, firing.held.shown)
        if firing.rule.automation is not None:
            return (yield from self._start(w, firing.rule.automation, subject))
        step = firing.rule.document.steps[firing.rule.steps[firing.place].place]
        if not step.actions:
            return _NOTHING
        occasion = Occasion(w, self._ports, subject, firing.key, label_text(firing.rule.document.label))
        return _words((yield from follow(occasion, step.actions, "reminder", firing.rule.key)))

    def _start(self, w: Writing, automation: Automation, subject: Subject) -> Unit[Text]:
        """Run the automation that waited for the date; what became of it stands in its own log, too."""
        label = label_text(automation.label)
        reason = say("日期已到", "Its date has come")
        runs = yield from run_all(w, self._ports, [Start(started_by_time(automation), subject, w.caller, reason)])
        told = runs[0].reason if runs else say("已停用或不满足条件", "switched off, or its condition is not met")
        return say(f"自动化“{label.zh}”:{told.zh}", f'Automation "{label.en}": {told.en}')


def _words(outcomes: Sequence[Outcome]) -> Text:
    return say("；".join(o.text.zh for o in outcomes), "; ".join(o.text.en for o in outcomes))


class Fired(NamedTuple):
    """What one transaction did."""

    steps: int
    claimed: int


def fire(w: Writing, effects: Effects, limit: int, only: rows.Named | None = None) -> Unit[Fired]:
    """Fire timers of one app that are due.

    Timers are claimed first, then the records they are about are held: neither waits for anybody. What somebody else holds just now is
    left for the next tick, so two processes share what is due, and a writer is never waited for while its timer is held.

    Args:
        only: this one alone.
    """
    claimed = yield from rows.claim(w.statements, w.app.key, w.now, limit, only)
    if not claimed:
        return Fired(0, 0)
    held, busy = yield from _hold(w, claimed)
    count = len(claimed)
    claimed = [timer for timer in claimed if (timer.entity, timer.record_id) not in busy]
    sights = yield from _look_again(w, claimed)
    put: list[Timer] = []
    moved: list[Timer] = []
    drop: list[tuple[str, str]] = []
    noted: list[dict[str, Any]] = []
    firings: list[Firing] = []
    for timer in claimed:
        rule = w.app.reminders.by_key.get(timer.rule)
        sight = sights.get((timer.rule, timer.subject), NOTHING)
        found = held.get((timer.entity, timer.record_id))
        standing = None if rule is None or found is None else decide(w, rule, timer.subject, sight, timer)
        if rule is None or found is None or standing is None:
            drop.append((timer.rule, timer.subject))
        elif standing.generation != timer.generation or standing.due_at is None:
            put.append(standing)  # its occasion is another by now, or it stands still
        else:
            advanced = _advance(w, rule, standing, found, firings, noted)
            is_moved = standing is timer and advanced.paused_seconds == timer.paused_seconds
            (moved if is_moved else put).append(advanced)
    yield from rows.drop_timers(w.statements, w.app.key, drop)
    yield from rows.put_timers(w.statements, put)
    yield from rows.move_timers(w.statements, moved)
    crash_point("timer.fire")
    for firing in firings:
        text = yield from effects.carry(w, firing)
        noted.append(_note(w, firing.timer, firing.place, firing.due_at, "fired", text))
    yield from rows.note_firings(w.statements, noted)
    crash_point("timer.fire")
    return Fired(len(firings), count)


def give_up(w: Writing, named: rows.Named, reason: Text) -> Unit[None]:
    """Write down that a step failed, and go on to the next: what a rule refuses once it refuses always."""
    for timer in (yield from rows.claim(w.statements, w.app.key, w.now, 1, named)):
        rule = w.app.reminders.by_key.get(timer.rule)
        if rule is None or timer.step >= len(rule.steps):
            yield from rows.drop_timers(w.statements, w.app.key, [(timer.rule, timer.subject)])
            continue
        assert timer.due_at is not None
        noted = [_note(w, timer, timer.step, timer.due_at, "failed", reason)]
        yield from rows.note_firings(w.statements, noted)
        yield from rows.put_timers(w.statements, [counted(w, rule, timer._replace(step=timer.step + 1))])


_Place = tuple[str, str]
"""Entity and record."""


def _hold(w: Writing, timers: Sequence[Timer]) -> Unit[tuple[dict[_Place, Held], set[_Place]]]:
    """Hold the records that timers are about; return them, and those that are there but held by somebody else."""
    ids: dict[str, set[str]] = {}
    for timer in timers:
        if timer.entity in w.app.entities:
            ids.setdefault(timer.entity, set()).add(timer.record_id)
    found: dict[_Place, Held] = {}
    busy: set[_Place] = set()
    for key in sorted(ids):
        entity = w.app.entities[key]
        wanted = ids[key]
        if w.statements.dialect == POSTGRESQL:
            listed = {"ids": dump_json(sorted(wanted)).decode()}
            free = {str(row[0]) for row in (yield Query(_free(w, entity, skip=True), listed))}
            if len(free) < len(wanted):
                there = {str(row[0]) for row in (yield Query(_free(w, entity, skip=False), listed))}
                busy |= {(key, record_id) for record_id in there - free}
            wanted = free
        for record in (yield from hold_records(w, entity, wanted)):
            found[key, record.id] = record.held
    return found, busy


def _free(w: Writing, entity: CompiledEntity, *, skip: bool) -> Statement:
    """Return the select of records, held if nobody else holds them; or just of those that are there."""

    def make(_: str) -> sa.Select[tuple[str]]:
        chosen = sa.select(entity.table.c.id).where(entity.table.c.id.in_(w.statements.listed()))
        return chosen.with_for_update(skip_locked=True) if skip else chosen

    return w.statements.kept(("free_records", entity.key, skip), make)


def _look_again(w: Writing, timers: Sequence[Timer]) -> Unit[Mapping[tuple[str, str], Sight]]:
    """Return what the reminders see of the subjects now."""
    found: dict[tuple[str, str], Sight] = {}
    ids: dict[str, set[str]] = {}
    for timer in timers:
        rule = w.app.reminders.by_key.get(timer.rule)
        if rule is None or timer.entity != rule.entity:
            continue
        if rule.by is not None:
            found[timer.rule, timer.subject] = yield from look_by(w, rule, timer.subject)
        else:
            ids.setdefault(rule.entity, set()).add(timer.subject)
    for key in sorted(ids):
        for record_id, sights in (yield from look(w, w.app.entities[key], ids[key])).items():
            found |= {(rule, record_id): sight for rule, sight in sights.items()}
    for timer in timers:  # a change that is a moment itself stands in the timer: its write would have moved it
        rule = w.app.reminders.by_key.get(timer.rule)
        sight = found.get((timer.rule, timer.subject))
        if rule is not None and sight is not None and rule.is_tracked:
            later = timer.anchor_at if sight.anchor is None else max(timer.anchor_at, sight.anchor)
            found[timer.rule, timer.subject] = sight._replace(anchor=later)
    return found


def _advance(
    w: Writing, rule: CompiledReminder, timer: Timer, held: Held, firings: list[Firing], noted: list[dict[str, Any]]
) -> Timer:
    """Note which steps are done and which were missed; return the timer with its next step.

    What was put off comes by itself: those behind it are put off by as much, so that nobody is passed over and told on at once.
    """
    calendar = calendar_of(w, rule)
    dues: dict[int, Due] = {}
    paused, until = timer.paused_seconds, timer.snoozed_until
    for place in range(timer.step, len(rule.steps)):
        due = due_of(rule, rule.steps[place], timer.anchor_at, calendar, paused)
        if place == timer.step and until is not None and until > due.at:
            paused += pause_seconds(rule, due.at, until, calendar)
            due = due._replace(at=until)
        dues[place] = due
        if due.at > w.now:
            break
    plan = plan_steps(rule, timer.step, {place: due.at for place, due in dues.items()}, w.now)
    for place in plan.missed:
        noted.append(_note(w, timer, place, dues[place].at, "missed", _missed(rule)))
    firings += [Firing(rule, timer, place, dues[place].at, held) for place in plan.fire]
    following = len(rule.steps) if plan.next is None else plan.next
    if following == timer.step:
        return due_at(timer, rule, dues[following], calendar)
    moved = timer._replace(step=following, snoozed_until=None, paused_seconds=paused)
    if plan.next is None or until is not None:
        return counted(w, rule, moved)
    return due_at(moved, rule, dues[plan.next], calendar)


def _missed(rule: CompiledReminder) -> Text:
    policy = rule.document.late
    return say(
        f"时间已过,按补发规则“{policy.policy}”(最多晚 {policy.tolerance})不再执行",
        f'Its time had passed; the rule for late steps is "{policy.policy}", at most {policy.tolerance} late',
    )


def _note(w: Writing, timer: Timer, place: int, due_at: datetime, outcome: str, text: Text) -> dict[str, Any]:
    return {
        "generation": timer.generation,
        "step": place,
        "app": timer.app,
        "rule": timer.rule,
        "subject": timer.subject,
        "entity": timer.entity,
        "record_id": timer.record_id,
        "anchor_at": timer.anchor_at,
        "due_at": due_at,
        "fired_at": w.now,
        "outcome": outcome,
        "detail": dump_json({"zh": text.zh, "en": text.en}).decode(),
    }
