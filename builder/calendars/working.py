"""A working calendar as an immutable value, and counting in it. See docs/decisions/0016."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

DAY_SECONDS = 86_400
#: A walk over days without any work ends here: no holiday is that long, so the calendar is wrong.
IDLE_DAYS = 1_000

Hours = tuple[tuple[int, int], ...]
"""Spans of one day in seconds of the clock on the wall, in order, not overlapping; 86,400 is midnight of the next day."""


class CalendarInvalid(ValueError):
    """Nobody works for years in this calendar, or the years 1 to 9999 are left."""


@dataclass(frozen=True)
class WorkingCalendar:
    """Days are exceptions before country before weekday; the hours of a made-up day are those of its weekday, or of the first worked one."""

    key: str
    zone: ZoneInfo
    week: tuple[Hours, ...]
    """Hours of Monday to Sunday; a day off has none."""
    days: Mapping[date, bool] = field(default_factory=dict)
    """Days that are not as their weekday says: is it worked?"""
    hours: Mapping[date, Hours] = field(default_factory=dict)
    """Worked days with hours of their own."""
    known_years: frozenset[int] | None = None
    """Years whose holidays are known; None: this calendar needs no such knowledge."""

    @cached_property
    def weekend(self) -> frozenset[int]:
        """Weekdays off, Monday 0."""
        return frozenset(place for place, hours in enumerate(self.week) if not hours)

    @cached_property
    def made_up(self) -> Hours:
        """Hours of a worked day whose weekday has none."""
        return next(hours for hours in self.week if hours)

    def is_worked(self, day: date) -> bool:
        """Whether a day is worked."""
        return self.days.get(day, day.weekday() not in self.weekend)

    def hours_of(self, day: date) -> Hours:
        """Return the hours of a day; none if it is off."""
        if not self.is_worked(day):
            return ()
        return self.hours.get(day) or self.week[day.weekday()] or self.made_up

    def spans_of(self, day: date) -> list[tuple[datetime, datetime]]:
        """Return the hours of a day as instants."""
        return [(self._instant(day, start), self._instant(day, end)) for start, end in self.hours_of(day)]

    def _instant(self, day: date, seconds: int) -> datetime:
        if seconds >= DAY_SECONDS:
            day, seconds = day + timedelta(days=1), seconds - DAY_SECONDS
        at = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def local_day(self, at: datetime) -> date:
        """Return the day of an instant."""
        return at.astimezone(self.zone).date()

    def unknown_years(self, first: datetime, last: datetime) -> tuple[int, ...]:
        """Return the years between two instants whose holidays are not known yet: what was counted there is provisional."""
        if self.known_years is None:
            return ()
        years = sorted((self.local_day(first).year, self.local_day(last).year))
        return tuple(year for year in range(years[0], years[1] + 1) if year not in self.known_years)


def is_working_moment(calendar: WorkingCalendar, at: datetime) -> bool:
    """Whether somebody works at an instant; the last moment of a span does not count."""
    return any(start <= at < end for start, end in calendar.spans_of(calendar.local_day(at)))


def next_working_moment(calendar: WorkingCalendar, at: datetime) -> datetime:
    """Return the first instant from ``at`` on at which somebody works.

    Raises:
        CalendarInvalid.
    """
    start, _ = next(_spans_from(calendar, at))
    return start


def add_working_time(calendar: WorkingCalendar, at: datetime, amount: timedelta) -> datetime:
    """Return when so much working time has passed since ``at``; what ends with a span ends there, not on the next morning.

    Nothing to add gives the next working moment; a negative amount counts backwards.

    Raises:
        CalendarInvalid.
    """
    if amount < timedelta(0):
        left = -amount
        for start, end in _spans_until(calendar, at):
            if end - start >= left:
                return end - left
            left -= end - start
    elif amount == timedelta(0):
        return next_working_moment(calendar, at)
    else:
        left = amount
        for start, end in _spans_from(calendar, at):
            if end - start >= left:
                return start + left
            left -= end - start
    raise AssertionError("unreachable")


def working_time_between(calendar: WorkingCalendar, start: datetime, end: datetime) -> timedelta:
    """Return how much working time lies between two instants; negative backwards."""
    if end < start:
        return -working_time_between(calendar, end, start)
    total = timedelta(0)
    day, last = calendar.local_day(start), calendar.local_day(end)
    while day <= last:
        for opened, closed in calendar.spans_of(day):
            total += max(min(closed, end) - max(opened, start), timedelta(0))
        day = _step(day, 1)
    return total


def add_working_days(calendar: WorkingCalendar, at: datetime, count: int) -> datetime:
    """Return the same time of day so many working days later (earlier if negative), as ``WORKDAY`` counts: the first day does not count.

    Raises:
        CalendarInvalid.
    """
    local = at.astimezone(calendar.zone)
    day, left, idle = local.date(), abs(count), 0
    while left:
        day = _step(day, 1 if count > 0 else -1)
        worked = calendar.is_worked(day)
        left -= worked
        idle = 0 if worked else idle + 1
        if idle > IDLE_DAYS:
            raise CalendarInvalid(calendar.key)
    return datetime.combine(day, local.time(), calendar.zone).astimezone(UTC)


def _spans_from(calendar: WorkingCalendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is left of the working spans from an instant on, for ever."""
    day, idle = calendar.local_day(at), 0
    while idle <= IDLE_DAYS:
        idle += 1
        for start, end in calendar.spans_of(day):
            if end > at:
                idle = 0
                yield max(start, at), end
        day = _step(day, 1)
    raise CalendarInvalid(calendar.key)


def _spans_until(calendar: WorkingCalendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is left of the working spans before an instant, the latest first."""
    day, idle = calendar.local_day(at), 0
    while idle <= IDLE_DAYS:
        idle += 1
        for start, end in reversed(calendar.spans_of(day)):
            if start < at:
                idle = 0
                yield start, min(end, at)
        day = _step(day, -1)
    raise CalendarInvalid(calendar.key)


def _step(day: date, count: int) -> date:
    try:
        return day + timedelta(days=count)
    except OverflowError:
        raise CalendarInvalid(str(day)) from None
