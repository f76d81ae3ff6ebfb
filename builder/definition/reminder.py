"""``reminders/*.json``: what is to happen when a time comes or nothing happens for a time, and what if nobody cares then."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, StringConstraints, model_validator

from builder.definition.actions import Actions
from builder.definition.spans import SpanText, read_span
from builder.fields.base import BothLanguages, Formula, Key, Label, Model, Option, Refers, wrong_option
from builder.kernel.limits import REMINDER_STEPS, REMINDER_TURNS, STREAK_LENGTH

FormulaText = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
ClockText = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
OwnFormula = Annotated[FormulaText, Formula(of="/entity", gives="boolean")]
OwnField = Annotated[Key, Refers("field", of="/entity")]


class DateOccasion(Model):
    """A date of the record: steps are before, at or after it."""

    type: Literal["date"] = "date"
    moment: Annotated[FormulaText, Formula(of="/entity", gives="datetime")]
    """A formula that gives a date or an instant: ``expected_close_on``, ``customer.contract_ends_on``."""
    time: ClockText = "09:00"
    """When on the day, if it is a date."""


class UnchangedOccasion(Model):
    """Nothing changes for a time."""

    type: Literal["unchanged"] = "unchanged"
    fields: Annotated[tuple[OwnField, ...], Option(max_length=20)] = ()
    """Which fields count, children fields too (a child made or changed); the whole record if left out."""


class AbsenceOccasion(Model):
    """Something that should happen does not: no child of a record, or no record of a person, meets a condition for a time."""

    type: Literal["absence"] = "absence"
    relation: OwnField | None = None
    """A children field of the record …"""
    entity: Annotated[Key, Refers("entity")] | None = None
    """… and the entity of its records."""
    where: Annotated[FormulaText | None, Formula(of="entity", gives="boolean")] = None
    """Which of them count."""
    moment: Annotated[Key, Refers("field", of="entity")] | None = None
    """When a child happened: one of its date fields; when it was made if left out."""
    by: OwnField | None = None
    """Instead of ``relation``: the record's own field that says whose turn it is (a person, a customer); every record of theirs that meets
    the reminder's condition begins the time anew."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.relation is None) == (self.by is None) or (self.relation is None) != (self.entity is None):
            raise wrong_option("请给出 relation 和 entity,或者 by", "Give either relation and entity, or by")
        if self.by is not None and (self.where is not None or self.moment is not None):
            raise wrong_option("where 和 moment 只能与 relation 一起使用", "where and moment go with relation only")
        return self


class StreakOccasion(Model):
    """Several records in a row are all of one kind: three conversations without a core need."""

    type: Literal["streak"] = "streak"
    by: OwnField
    """The field whose value they share: a person, a customer."""
    where: OwnFormula
    """What is the case with every one of them."""
    length: Annotated[int, Option(ge=2, le=STREAK_LENGTH)]
    order: OwnField | None = None
    """The date field that orders them; when they were made if left out."""


Occasion = Annotated[DateOccasion | UnchangedOccasion | AbsenceOccasion | StreakOccasion, Discriminator("type")]


class Quiet(Model):
    """Hours in which nobody is disturbed; what would come then comes at their end."""

    since: ClockText
    until: ClockText

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.since == self.until:
            raise wrong_option("免打扰时段不能是一整天", "The quiet hours cannot be the whole day")
        return self


class Late(Model):
    """What becomes of steps whose time passed while nobody could act on them."""

    policy: Literal["last", "all", "skip"] = "last"
    """``last``: only the latest of them is done; ``all``: one after the other; ``skip``: none that is late by more than a minute."""
    tolerance: SpanText = "3 d"
    """Steps later than this are never done."""


class Again(Model):
    """A step comes again and again until the cause is gone or somebody says they know."""

    every: SpanText
    times: Annotated[int, Option(ge=1, le=REMINDER_TURNS)]


class ReminderStep(Model):
    """One step of a chain."""

    after: SpanText | None = None
    """How long after the occasion; ``0 h`` = at it."""
    before: SpanText | None = None
    """How long before a date."""
    label: Label | None = None
    again: Again | None = None
    actions: Actions = ()

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.after is None) == (self.before is None):
            raise wrong_option("请给出 after 或 before 其中之一", "Give either after or before")
        return self


class Reminder(Model):
    """A reminder, or a chain of them that escalates. Each step ends in actions."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    entity: Annotated[Key, Refers("entity")]
    when: Occasion
    condition: OwnFormula | None = None
    """Only records that meet it are watched; when one no longer does, its steps are off."""
    pause: OwnFormula | None = None
    """While a record meets this its clock stands still."""
    calendar: Annotated[Key, Refers("calendars")] | None = None
    """In which calendar working time is counted; the app's if left out."""
    deliver: Literal["any", "working"] = "any"
    """``working``: what would come outside working hours comes when they begin."""
    quiet: Quiet | None = None
    late: Late = Late()
    acknowledge: bool = True
    """Whether somebody who says "I know" stops the steps that are left."""
    steps: Annotated[tuple[ReminderStep, ...], Option(min_length=1, max_length=REMINDER_STEPS)]

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.when.type != "date" and any(step.before is not None for step in self.steps):
            raise wrong_option("before 只能用于日期提醒", "Only a reminder of a date can come before it")
        if read_span(self.late.tolerance).working:
            raise wrong_option("补发时限不能用工作时间", "The tolerance is not counted in working time")
        return self
