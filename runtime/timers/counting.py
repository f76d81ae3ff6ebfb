"""When a step is due. Pure: the calendar and the moments are given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from builder.calendars.working import (
    CalendarInvalid,
    WorkingCalendar,
    add_working_days,
    add_working_time,
    next_working_moment,
    working_time_between,
)
from builder.compiled.reminders import CompiledReminder, Step
from builder.definition.reminder import DateOccasion, Reminder
from builder.definition.spans import Span


class Due(NamedTuple):
    """When a step is due, and how that came about."""

    at: datetime
    counted: datetime
    """Before quiet hours and working hours moved it."""
    unknown_years: tuple[int, ...]
    """Years it was counted through without their holidays: it may still move."""


class Plan(NamedTuple):
    """What is to be done now with the steps of a timer."""

    fire: tuple[int, ...]
    missed: tuple[int, ...]
    next: int | None
    """The step that is to come; None: there is none."""


def anchor_instant(reminder: Reminder, moment: date, zone: ZoneInfo) -> datetime:
    """Return the instant of an occasion: a date counts at the reminder's time of day."""
    if isinstance(moment, datetime):
        return moment
    clock = reminder.when.time if isinstance(reminder.when, DateOccasion) else "00:00"
    return datetime.combine(moment, _clock(clock), zone).astimezone(UTC)


def due_of(
    rule: CompiledReminder, step: Step, anchor: datetime, calendar: WorkingCalendar, paused_seconds: int = 0
) -> Due:
    """Return when a step is due; what lies beyond any calendar is due in the year 9999."""
    try:
        counted = _add(anchor, step.span, step.sign, calendar)
        for _ in range(step.turn):
            assert step.again is not None
            counted = _add(counted, step.again, 1, calendar)
        if paused_seconds:
            counted = _resume(rule, counted, paused_seconds, calendar)
        at = counted
        if rule.document.deliver == "working":
            at = next_working_moment(calendar, at)
        at = _after_quiet(rule.document, at, calendar)
    except (OverflowError, CalendarInvalid):
        counted = at = datetime(9999, 12, 31, tzinfo=UTC)
    unknown = calendar.unknown_years(anchor, at) if rule.counts_working_time and at.year < 9999 else ()
    return Due(at, counted, unknown)


def _add(at: datetime, span: Span, sign: int, calendar: WorkingCalendar) -> datetime:
    if span.working and span.in_days:
        return add_working_days(calendar, at, sign * span.days)
    if span.working:
        return add_working_time(calendar, at, sign * span.length)
    if span.in_days:
        local = at.astimezone(calendar.zone)
        on = local.date() + timedelta(days=sign * span.days)
        return datetime.combine(on, local.time(), calendar.zone).astimezone(UTC)
    return at + sign * span.length


def counts_working_pause(rule: CompiledReminder) -> bool:
    """Whether standing still is measured in working time."""
    return any(step.span.working and not step.span.in_days for step in rule.steps)


def pause_seconds(rule: CompiledReminder, since: datetime, until: datetime, calendar: WorkingCalendar) -> int:
    """Return how long a clock stood still."""
    if counts_working_pause(rule):
        return int(working_time_between(calendar, since, until).total_seconds())
    return int((until - since).total_seconds())


def _resume(rule: CompiledReminder, at: datetime, seconds: int, calendar: WorkingCalendar) -> datetime:
    length = timedelta(seconds=seconds)
    return add_working_time(calendar, at, length) if counts_working_pause(rule) else at + length


def _after_quiet(reminder: Reminder, at: datetime, calendar: WorkingCalendar) -> datetime:
    if reminder.quiet is None:
        return at
    since, until = _clock(reminder.quiet.since), _clock(reminder.quiet.until)
    local = at.astimezone(calendar.zone)
    now = local.time()
    inside = since <= now < until if since < until else now >= since or now < until
    if not inside:
        return at
    on = local.date() + timedelta(days=1 if since > until and now >= since else 0)
    end = datetime.combine(on, until, calendar.zone).astimezone(UTC)
    return next_working_moment(calendar, end) if reminder.deliver == "working" else end


def _clock(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))


_PROMPT = timedelta(minutes=1)


def plan_steps(rule: CompiledReminder, first: int, dues: Mapping[int, datetime], now: datetime) -> Plan:
    """Decide what becomes of the steps from ``first`` on that are due, by the reminder's policy for late ones.

    Args:
        dues: when each step from ``first`` on is due, up to the first that is to come.
    """
    due: list[int] = []
    following: int | None = None
    for place in range(first, len(rule.steps)):
        if dues[place] > now:
            following = place
            break
        due.append(place)
    late = rule.document.late
    most = _PROMPT if late.policy == "skip" else rule.tolerance
    able = [place for place in due if now - dues[place] <= most]
    if late.policy == "last":
        able = able[-1:] if able and able[-1] == due[-1] else []
    return Plan(tuple(able), tuple(place for place in due if place not in able), following)
