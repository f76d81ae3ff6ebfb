"""Working days. The calendar comes with the context: days off and shifted working days of the tenant."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.dates import day_of
from formulas.functions.declare import Family
from formulas.schema import Context
from formulas.types import BOOLEAN, DATE, integer
from formulas.values import BAD_DATE, NUM, VALUE

WORKDAYS = Family("dates", portable=False)
#: Working days that one call may count.
COUNT_LIMIT = 3_000_000

_NAMED = {
    **{n: {(n + 4) % 7, (n + 5) % 7} for n in range(1, 8)},
    **{10 + n: {(n + 5) % 7} for n in range(1, 8)},
}


def rest_days(weekend: Any) -> frozenset[int] | CellError:
    """Weekdays off, Monday 0, of a number or seven marks; NUM for another number, VALUE for what is neither."""
    if isinstance(weekend, str):
        if len(weekend) != 7 or set(weekend) - {"0", "1"}:
            return VALUE
        return frozenset(place for place, mark in enumerate(weekend) if mark == "1")
    if isinstance(weekend, bool) or not isinstance(weekend, int | Decimal):
        return VALUE
    days = _NAMED.get(int(weekend)) if 0 < weekend < 100 else None
    return NUM if days is None else frozenset(days)


def is_worked(context: Context, day: date, off: frozenset[int], holidays: frozenset[date]) -> bool:
    """A holiday of the call is off; else the tenant's calendar decides, else the weekday."""
    if day in holidays:
        return False
    return context.calendar.get(day, day.weekday() not in off)


class _Calendar:
    """Counts working days by whole weeks, corrected by the days that are not as their weekday says."""

    def __init__(self, context: Context, off: frozenset[int], holidays: frozenset[date]) -> None:
        self.off = off
        changed = {day: worked for day, worked in context.calendar.items() if worked != (day.weekday() not in off)}
        changed.update({day: False for day in holidays if day.weekday() not in off})
        for day in holidays:
            if day.weekday() in off:
                changed.pop(day, None)
        self.gained = sorted(day.toordinal() for day, worked in changed.items() if worked)
        self.lost = sorted(day.toordinal() for day, worked in changed.items() if not worked)
        self.week = 7 - len(off)

    def count(self, first: int, last: int) -> int:
        """Working days between two day numbers, both included."""
        if last < first:
            return 0
        weeks, rest = divmod(last - first + 1, 7)
        tail = sum((first + at - 1) % 7 not in self.off for at in range(weeks * 7, weeks * 7 + rest))
        return weeks * self.week + tail + _within(self.gained, first, last) - _within(self.lost, first, last)


def _within(days: list[int], first: int, last: int) -> int:
    return bisect_right(days, last) - bisect_left(days, first)


def _walk(
    context: Context, start: date, count: int, off: frozenset[int], holidays: frozenset[date]
) -> date | CellError:
    """The day on which so many working days have passed, found by halving."""
    if not count or abs(count) > COUNT_LIMIT:
        return NUM if count else start
    found = _Calendar(context, off, holidays)
    here, needed = start.toordinal(), abs(count)
    near, far = 1, (date.max.toordinal() - here) if count > 0 else here - 1

    def passed(distance: int) -> int:
        return found.count(here + 1, here + distance) if count > 0 else found.count(here - distance, here - 1)

    if far < 1 or passed(far) < needed:
        return BAD_DATE
    while near < far:
        middle = (near + far) // 2
        near, far = (near, middle) if passed(middle) >= needed else (middle + 1, far)
    return date.fromordinal(here + near if count > 0 else here - near)


def _between(context: Context, start: date, end: date, off: frozenset[int], holidays: frozenset[date]) -> int:
    """Working days from start to end, both included; negative backwards."""
    first, last = min(start, end).toordinal(), max(start, end).toordinal()
    counted = _Calendar(context, off, holidays).count(first, last)
    return counted if start <= end else -counted


@WORKDAYS.add(
    "WORKDAY",
    "x, i, D?",
    DATE,
    "工作日后：若干工作日之后（前）的日期",
    "The date some working days later; further holidays may be given as a set.",
    ("WORKDAY(DATE(2024,3,1), 1)", {"date": "2024-03-04"}),
    ("WORKDAY(DATE(2008,10,1), 151)", {"date": "2009-04-30"}),
    needs_context=True,
    fails=True,
    core=True,
    cost=20,
)
def _workday(context: Context, start: date, count: int, holidays: tuple[date, ...] = ()) -> date | CellError:
    return _walk(context, day_of(context, start), count, context.weekend, frozenset(holidays))


@WORKDAYS.add(
    "NETWORKDAYS",
    "x, x, D?",
    integer(7),
    "工作日数：两日期之间的工作日个数（含首尾）",
    "Working days between dates, both included.",
    ("NETWORKDAYS(DATE(2012,10,1), DATE(2013,3,1))", 110),
    needs_context=True,
    fails=True,
    core=True,
    cost=20,
)
def _networkdays(context: Context, start: date, end: date, holidays: tuple[date, ...] = ()) -> int | CellError:
    return _between(context, day_of(context, start), day_of(context, end), context.weekend, frozenset(holidays))


@WORKDAYS.add(
    "WORKDAY.INTL",
    "x, i, A?, D?",
    DATE,
    "自定周末工作日后：可指定每周休息日",
    "As WORKDAY with a chosen weekend.",
    ("WORKDAY.INTL(DATE(2012,1,1), 90, 11)", {"date": "2012-04-14"}),
    ("WORKDAY.INTL(DATE(2012,1,1), 1, 0)", "#NUM"),
    needs_context=True,
    fails=True,
    cost=20,
)
def _workday_intl(
    context: Context, start: date, count: int, weekend: Any = 1, holidays: tuple[date, ...] = ()
) -> date | CellError:
    off = rest_days(weekend)
    if isinstance(off, CellError) or len(off) == 7:
        return off if isinstance(off, CellError) else VALUE  # nobody ever works
    return _walk(context, day_of(context, start), count, off, frozenset(holidays))


@WORKDAYS.add(
    "NETWORKDAYS.INTL",
    "x, x, A?, D?",
    integer(7),
    "自定周末工作日数：可指定每周休息日",
    "As NETWORKDAYS with a chosen weekend.",
    ("NETWORKDAYS.INTL(DATE(2006,1,1), DATE(2006,1,31))", 22),
    needs_context=True,
    fails=True,
    cost=20,
)
def _networkdays_intl(
    context: Context, start: date, end: date, weekend: Any = 1, holidays: tuple[date, ...] = ()
) -> int | CellError:
    off = rest_days(weekend)
    if isinstance(off, CellError):
        return off
    return _between(context, day_of(context, start), day_of(context, end), off, frozenset(holidays))


@WORKDAYS.add(
    "ISWORKDAY",
    "x",
    BOOLEAN,
    "是工作日：按日历是否上班",
    "Whether the day is worked by the calendar.",
    ("ISWORKDAY(DATE(2024,3,2))", False),
    needs_context=True,
)
def _is_workday(context: Context, day: date) -> bool:
    return is_worked(context, day_of(context, day), context.weekend, frozenset())
