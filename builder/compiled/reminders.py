"""Reminders of an app, checked and ready: what each reads, and the formulas from which its moments follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from builder.compiled.computing import with_variables
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS, REMINDERS
from builder.definition.reminder import (
    AbsenceOccasion,
    DateOccasion,
    Reminder,
    ReminderStep,
    StreakOccasion,
    UnchangedOccasion,
)
from builder.definition.spans import Span, read_span
from builder.definition.triggers.date import DateReached
from builder.fields.base import Field, Label
from builder.fields.children import ChildrenField
from formulas.checker import check, check_condition
from formulas.dependencies import Dependency, dependencies
from formulas.filters import parse_filter
from formulas.sql import has_sql_form
from formulas.tree import Tree, walk

if TYPE_CHECKING:
    from builder.compiled.app import CompiledApp

FieldId = tuple[str, str]


class Step(NamedTuple):
    """One firing that may come: steps that come again are listed as often as they may."""

    place: int
    """Of the step in the document."""
    turn: int
    """0, then 1, 2 … of a step that comes again."""
    span: Span
    sign: int
    """1 after the occasion, -1 before it."""
    again: Span | None
    """What is added for each further turn."""
    label: Label | None


@dataclass(frozen=True)
class CompiledReminder:
    """One reminder. ``anchors`` give the moments of which the latest counts."""

    key: str
    document: Reminder
    steps: tuple[Step, ...]
    anchors: tuple[Tree, ...]
    tracked: frozenset[str]
    """Own fields whose change is the moment; no formula can say when that was."""
    condition: Tree | None
    pause: Tree | None
    streak: Tree | None
    reads: frozenset[Dependency]
    """Fields that make a difference, of records reached over relations too."""
    automation: Automation | None = None
    """The automation that starts when its only step comes; None: it is a reminder of its own."""

    @property
    def entity(self) -> str:
        """Whose records it watches."""
        return self.document.entity

    @cached_property
    def by(self) -> str | None:
        """The field whose value owns the timer, where it is not the record itself."""
        when = self.document.when
        return when.by if isinstance(when, AbsenceOccasion | StreakOccasion) else None

    @cached_property
    def tolerance(self) -> timedelta:
        """How late a step may be done."""
        return read_span(self.document.late.tolerance).length

    @cached_property
    def is_tracked(self) -> bool:
        """Whether a change itself is the moment, so that only the write, or history, can tell it."""
        when = self.document.when
        return isinstance(when, UnchangedOccasion) and (bool(self.tracked) or not when.fields)

    @cached_property
    def own_reads(self) -> frozenset[str]:
        """Fields of the record itself that make a difference."""
        return frozenset(read.field for read in self.reads if read.entity == self.entity and not read.path)

    @cached_property
    def counts_working_time(self) -> bool:
        """Whether the calendar makes a difference."""
        spans = [span for step in self.steps for span in (step.span, step.again) if span is not None]
        return self.document.deliver == "working" or any(span.working for span in spans)

    def counts_in(self, calendar: str, default: str) -> bool:
        """Whether the days of a calendar bear on when its steps come; ``default``: the app's calendar."""
        return self.counts_working_time and (self.document.calendar or default) == calendar


class Reminders(NamedTuple):
    """All reminders of an app, and what they watch."""

    by_key: Mapping[str, CompiledReminder]
    concerned: frozenset[str]
    """Entities whose records make a difference to some reminder."""
    watched: frozenset[FieldId]
    """Fields that make a difference over a relation, or because the database computes them."""
    by_entity: Mapping[str, tuple[CompiledReminder, ...]]
    of_records: Mapping[str, Mapping[str, CompiledReminder]]
    """By entity and key: those whose timers belong to the records themselves."""

    def of_entity(self, entity: str) -> tuple[CompiledReminder, ...]:
        """Return the reminders over an entity's records."""
        return self.by_entity.get(entity, ())


NONE = Reminders({}, frozenset(), frozenset(), {}, {})


def compile_reminders(app: CompiledApp) -> Reminders:
    """Compile the reminders of a checked app."""
    found = {document.key: _compile(app, document) for document in app.definition.of(REMINDERS)}
    found |= {made.key: made for made in map(partial(_of_automation, app), app.definition.of(AUTOMATIONS)) if made}
    if not found:
        return NONE
    reads = {dependency for reminder in found.values() for dependency in reminder.reads}
    watched = {(d.entity, d.field) for d in reads if d.path or (d.entity, d.field) in app.computed}
    concerned = {reminder.entity for reminder in found.values()} | {entity for entity, _ in _all_reads(app, reads)}
    by_entity = {
        entity: tuple(reminder for reminder in found.values() if reminder.entity == entity)
        for entity in {reminder.entity for reminder in found.values()}
    }
    of_records = {entity: {one.key: one for one in some if one.by is None} for entity, some in by_entity.items()}
    return Reminders(found, frozenset(concerned), frozenset(watched), by_entity, of_records)


def _all_reads(app: CompiledApp, reads: Iterable[Dependency]) -> set[FieldId]:
    """Return the fields that are read, and those that computed ones among them read."""
    waiting = [(d.entity, d.field) for d in reads]
    seen: set[FieldId] = set()
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            computed = app.computed.get(here)
            waiting += [(d.entity, d.field) for d in computed.dependencies] if computed else []
    return seen


def anchor_texts(document: Reminder, fields: Mapping[str, Field]) -> list[str]:
    """Return the formulas of the moments of which the latest counts, for an entity with these fields."""
    when = document.when
    if isinstance(when, DateOccasion):
        return [when.moment]
    if isinstance(when, UnchangedOccasion):
        children = [key for key in when.fields if isinstance(fields[key], ChildrenField)]
        own = ["created_at"] if children and children == list(when.fields) else []
        return [*own, *(f"MAX({key}.updated_at)" for key in children)]
    if isinstance(when, AbsenceOccasion) and when.relation is not None:
        condition = f", {when.where}" if when.where is not None else ""
        return ["created_at", f"MAX({when.relation}.{when.moment or 'created_at'}{condition})"]
    return ["created_at"]


def _compile(app: CompiledApp, document: Reminder) -> CompiledReminder:
    entity, when = document.entity, document.when
    anchors = tuple(check(text, app, entity).tree for text in anchor_texts(document, app.entities[entity].fields))
    tracked: frozenset[str] = frozenset()
    if isinstance(when, UnchangedOccasion):
        fields = app.entities[entity].fields
        tracked = frozenset(key for key in when.fields if not isinstance(fields[key], ChildrenField))
    condition = None if document.condition is None else check_condition(document.condition, app, entity)
    pause = None if document.pause is None else check_condition(document.pause, app, entity)
    streak = check_condition(when.where, app, entity) if isinstance(when, StreakOccasion) else None
    trees = [tree for tree in (*anchors, condition, pause, streak) if tree is not None]
    reads = {found for tree in trees for found in dependencies(tree, app, entity)}
    reads |= {Dependency(entity, key) for key in tracked}
    if isinstance(when, AbsenceOccasion | StreakOccasion) and when.by is not None:
        reads.add(Dependency(entity, when.by))
    return CompiledReminder(
        document.key, document, tuple(_steps(document)), anchors, tracked, condition, pause, streak, frozenset(reads)
    )


def _of_automation(app: CompiledApp, automation: Automation) -> CompiledReminder | None:
    """Make the timer of an automation that waits for a date: a reminder of one step. Its key has a colon, so none of the app's is like it."""
    trigger = automation.trigger
    if not isinstance(trigger, DateReached) or not automation.enabled:
        return None
    span = f"{abs(trigger.offset_minutes)} min"
    step = ReminderStep(before=span) if trigger.offset_minutes < 0 else ReminderStep(after=span)
    document = Reminder(
        key=automation.key,
        label=automation.label,
        entity=automation.entity,
        when=DateOccasion(moment=trigger.field, time=f"{trigger.hour:02}:00"),
        calendar=trigger.calendar,
        deliver="any" if trigger.calendar is None else "working",
        late=trigger.late,
        acknowledge=False,
        steps=(step,),
    ).model_copy(update={"key": f"automation:{automation.key}"})
    made = _compile(app, document)
    condition = database_condition(app, automation)
    reads = made.reads if condition is None else made.reads | set(dependencies(condition, app, automation.entity))
    return replace(made, automation=automation, condition=condition, reads=frozenset(reads))


def database_condition(app: CompiledApp, automation: Automation) -> Tree | None:
    """Return the condition of an automation if the database can judge it; otherwise it is judged when the time has come."""
    written = automation.condition
    if not written:
        return None
    entity = automation.entity
    tree = check_condition(written, app, entity) if isinstance(written, str) else parse_filter(written, app, entity)
    able = all(has_sql_form(node, "postgresql") and has_sql_form(node, "sqlite") for node in walk(with_variables(tree)))
    return tree if able else None


def _steps(document: Reminder) -> Iterator[Step]:
    for place, step in enumerate(document.steps):
        span = read_span(step.after if step.after is not None else step.before or "0 h")
        sign = 1 if step.after is not None else -1
        again = None if step.again is None else read_span(step.again.every)
        turns = 1 + (step.again.times if step.again is not None else 0)
        for turn in range(turns):
            yield Step(place, turn, span, sign, again, step.label)
