"""Working days. The calendar comes with the context: days off and shifted working days of the tenant."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from formulas.errors import CellError
from formulas.functions.dates import day_of
from formulas.functions.declare import Family
from formulas.schema import Context
from formulas.types import BOOLEAN, DATE, integer
from formulas.values import BAD_DATE, NUM, VALUE

WORKDAYS = Family("dates", portable=False)
#: Days that one call may walk: 400 years.
WALK_LIMIT = 150_000

_NAMED = {
    **{n: {(n + 4) % 7, (n + 5) % 7} for n in range(1, 8)},
    **{10 + n: {(n + 5) % 7} for n in range(1, 8)},
}
STANDARD = frozenset((5, 6))


def rest_days(weekend: Any) -> frozenset[int] | None:
    """The weekdays (Monday 0) off: a number as in spreadsheets, or a text of seven 0 and 1 from Monday on."""
    if isinstance(weekend, str):
        if len(weekend) != 7 or set(weekend) - {"0", "1"} or weekend == "1111111":
            return None
        return frozenset(place for place, mark in enumerate(weekend) if mark == "1")
    days = _NAMED.get(int(weekend))
    return None if days is None else frozenset(days)


def is_worked(context: Context, day: date, off: frozenset[int], holidays: frozenset[date]) -> bool:
    """A holiday of the call is off; else the tenant's calendar decides, else the weekday."""
    if day in holidays:
        return False
    return context.calendar.get(day, day.weekday() not in off)


def _walk(
    context: Context, start: date, count: int, off: frozenset[int], holidays: frozenset[date]
) -> date | CellError:
    if abs(count) > WALK_LIMIT:
        return NUM
    step = timedelta(days=1 if count > 0 else -1)
    day, left, walked = start, abs(count), 0
    while left:
        try:
            day += step
        except OverflowError:
            return BAD_DATE
        walked += 1
        if walked > WALK_LIMIT:
            return NUM
        left -= is_worked(context, day, off, holidays)
    return day


def _between(
    context: Context, start: date, end: date, off: frozenset[int], holidays: frozenset[date]
) -> int | CellError:
    """Working days from start to end, both included; negative backwards."""
    sign = 1 if start <= end else -1
    first, last = min(start, end), max(start, end)
    if (last - first).days > WALK_LIMIT:
        return NUM
    return sign * sum(
        is_worked(context, first + timedelta(days=n), off, holidays) for n in range((last - first).days + 1)
    )


@WORKDAYS.add(
    "WORKDAY",
    "x, i, L?",
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
    return _walk(context, day_of(context, start), count, STANDARD, frozenset(holidays))


@WORKDAYS.add(
    "NETWORKDAYS",
    "x, x, L?",
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
    return _between(context, day_of(context, start), day_of(context, end), STANDARD, frozenset(holidays))


@WORKDAYS.add(
    "WORKDAY.INTL",
    "x, i, A?, L?",
    DATE,
    "工作日后（自定周末）：可指定每周休息日",
    "As WORKDAY with a chosen weekend.",
    ("WORKDAY.INTL(DATE(2012,1,1), 90, 11)", {"date": "2012-04-14"}),
    ("WORKDAY.INTL(DATE(2012,1,1), 1, 0)", "#VALUE"),
    needs_context=True,
    fails=True,
    cost=20,
)
def _workday_intl(
    context: Context, start: date, count: int, weekend: Any = 1, holidays: tuple[date, ...] = ()
) -> date | CellError:
    off = rest_days(weekend)
    return VALUE if off is None else _walk(context, day_of(context, start), count, off, frozenset(holidays))


@WORKDAYS.add(
    "NETWORKDAYS.INTL",
    "x, x, A?, L?",
    integer(7),
    "工作日数（自定周末）：可指定每周休息日",
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
    if off is None:
        return VALUE
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
    return is_worked(context, day_of(context, day), STANDARD, frozenset())
