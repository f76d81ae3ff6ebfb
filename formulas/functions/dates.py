"""Dates and instants. The parts of an instant are those of the context's zone."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, same
from formulas.literals import WrongValueError, to_instant
from formulas.moments import UNITS, add_months, add_units, context_value
from formulas.schema import Context
from formulas.sqlforms.template import pg
from formulas.types import DATE, DATETIME, DURATION, integer
from formulas.values import BAD_DATE, NUM, VALUE

DATES = Family("dates")
SMALL = integer(6)
_FIRST = "'0001-01-01'::date"
#: Days and months from the first day of the calendar to its last, and PostgreSQL's count of a date's months.
LAST_DAY, LAST_MONTH = 3_652_058, 119_987
MONTH_OF = "((extract(year from {0}) - 1) * 12 + extract(month from {0}) - 1)"


def local(context: Context, moment: date) -> date:
    """An instant as the clock of the context's zone shows it, without a zone; a date as it is."""
    if isinstance(moment, datetime):
        return moment.astimezone(context.zone).replace(tzinfo=None)
    return moment


def day_of(context: Context, moment: date) -> date:
    """The day of a date or an instant."""
    shown = local(context, moment)
    return shown.date() if isinstance(shown, datetime) else shown


@DATES.add(
    "TODAY",
    "",
    DATE,
    "今天：当天日期",
    "The current day.",
    nulls="N",
    needs_context=True,
    volatility="volatile",
    core=True,
)
def _today(context: Context) -> Any:
    return context.today


@DATES.add(
    "NOW",
    "",
    DATETIME,
    "此刻：当前日期时间",
    "The current instant.",
    nulls="N",
    needs_context=True,
    volatility="volatile",
    core=True,
)
def _now(context: Context) -> Any:
    return context_value("NOW", context)


#: As in spreadsheets a year before 1900 counts from 1900.
_MONTH = "(({0}::bigint + case when {0} < 1900 then 1900 else 0 end - 1) * 12 + {1} - 1)"
_DAY = f"(({_FIRST} + make_interval(months => {_MONTH}::int))::date - {_FIRST} + {{2}}::bigint - 1)"
_DATE = (
    f"case when {{0}} between 0 and 9999 and {{1}} between -120000 and 120000 and {_MONTH} between 0 and {LAST_MONTH} then"
    f" case when {_DAY} between 0 and {LAST_DAY} then {_FIRST} + {_DAY}::int end end"
)


@DATES.add(
    "DATE",
    "i, i, i",
    DATE,
    "日期：由年、月、日组成，月、日越界时顺延；小于 1900 的年份加 1900",
    "A date from year, month and day; months and days roll over, a year before 1900 counts from 1900.",
    ("DATE(2024, 2, 29)", {"date": "2024-02-29"}),
    ("DATE(2008, 14, 2)", {"date": "2009-02-02"}),
    ("DATE(2008, 1, 35)", {"date": "2008-02-04"}),
    ("DATE(124, 1, 2)", {"date": "2024-01-02"}),
    ("DATE(-1, 1, 1)", "#NUM"),
    core=True,
    fails=True,
    postgresql=pg(_DATE),
)
def _date(year: int, month: int, day: int) -> date | CellError:
    if not (0 <= year <= 9999 and -120_000 <= month <= 120_000 and -4_000_000 <= day <= 4_000_000):
        return BAD_DATE
    months = (year + (1900 if year < 1900 else 0) - 1) * 12 + month - 1
    if not 0 <= months <= LAST_MONTH:
        return BAD_DATE
    return date(months // 12 + 1, months % 12 + 1, 1) + timedelta(days=day - 1)


@DATES.add(
    "TIME",
    "i, i, i",
    DURATION,
    "时间：由时、分、秒组成，满 24 小时从零起",
    "The time of day from hours, minutes and seconds; a full day starts again from 0.",
    ("HOUR(DATETIME(DATE(2024,1,1), TIME(10, 30, 0)))", 10),
    ("HOUR(TIME(27, 0, 0))", 3),
    ("TIME(-1, 0, 0)", "#NUM"),
    ("TIME(0, 0, 999999 * 999999)", "#NUM"),
    fails=True,
)
def _time(hours: int, minutes: int, seconds: int) -> timedelta | CellError:
    total = hours * 3600 + minutes * 60 + seconds
    return timedelta(seconds=total % 86_400) if 0 <= total <= 10**11 else NUM


@DATES.add(
    "DATETIME",
    "d, s",
    DATETIME,
    "日期时间：日期加时长",
    "The instant a duration after the beginning of a day.",
    ("DATETIME(DATE(2024,2,29), TIME(8, 0, 0))", {"datetime": "2024-02-29T08:00:00.000Z"}),
    needs_context=True,
    fails=True,
)
def _datetime(context: Context, day: date, duration: timedelta) -> datetime | CellError:
    try:
        return to_instant(datetime.combine(day, time()) + duration, context.zone)
    except WrongValueError:
        return BAD_DATE


_REACHED = f"({MONTH_OF} + {{1}}::bigint)"
_STEPPED = (
    f"case when {_REACHED} between 0 and {LAST_MONTH} then ({{0}}::date + make_interval(months => {{1}}))::date end"
)
_LAST_OF_MONTH = (
    f"case when {_REACHED} between 0 and {LAST_MONTH} then"
    " (date_trunc('month', {0}::timestamp) + make_interval(months => {1}) + interval '1 month')::date - 1 end"
)


@DATES.add(
    "EDATE",
    "x, i",
    DATE,
    "加月：若干月后的同一天，短月取月末",
    "The same day some months later, or the last of a shorter month.",
    ("EDATE(DATE(2024,1,31), 1)", {"date": "2024-02-29"}),
    ("EDATE(DATE(2011,1,15), -1)", {"date": "2010-12-15"}),
    needs_context=True,
    fails=True,
    core=True,
    postgresql=pg(_STEPPED),
)
def _edate(context: Context, moment: date, months: int) -> date | CellError:
    try:
        return add_months(day_of(context, moment), months)
    except ValueError:
        return BAD_DATE


@DATES.add(
    "EOMONTH",
    "x, i",
    DATE,
    "月末：若干月后的月末日",
    "The last day of the month some months later.",
    ("EOMONTH(DATE(2011,1,1), 1)", {"date": "2011-02-28"}),
    needs_context=True,
    fails=True,
    core=True,
    postgresql=pg(_LAST_OF_MONTH),
)
def _eomonth(context: Context, moment: date, months: int) -> date | CellError:
    try:
        reached = add_months(day_of(context, moment).replace(day=1), months)
    except ValueError:
        return BAD_DATE
    return reached.replace(day=calendar.monthrange(reached.year, reached.month)[1])


def unit_of(unit: str, allowed: tuple[str, ...] = UNITS) -> str | None:
    """`"Days"` as `day`, None for anything unknown."""
    word = unit.strip().lower()
    word = _CHINESE_UNITS.get(word, word.removesuffix("s"))
    return word if word in allowed else None


_CHINESE_UNITS = {
    "秒": "second",
    "分": "minute",
    "分钟": "minute",
    "时": "hour",
    "小时": "hour",
    "日": "day",
    "天": "day",
    "周": "week",
    "月": "month",
    "季": "quarter",
    "季度": "quarter",
    "年": "year",
}


@DATES.add(
    "DATEADD",
    "x, i, t!",
    same(),
    "加时间：日期加若干单位（day、week、month、quarter、year，时间另有 hour、minute、second）",
    "A date or an instant some units later.",
    ('DATEADD(DATE(2024,1,31), 1, "month")', {"date": "2024-02-29"}),
    ('DATEADD(DATE(2024,1,31), 2, "周")', {"date": "2024-02-14"}),
    ('DATEADD(DATE(2024,1,1), 1, "hour")', "#VALUE"),
    needs_context=True,
    fails=True,
    core=True,
)
def _dateadd(context: Context, moment: date, count: int, unit: str) -> date | CellError:
    word = unit_of(unit)
    if word is None or (not isinstance(moment, datetime) and word in ("second", "minute", "hour")):
        return VALUE
    try:
        return add_units(moment, count, word, context)
    except (ValueError, OverflowError):
        return BAD_DATE


def start_of(day: date, unit: str) -> date:
    """The first day of the week (Monday), month, quarter or year."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


_DAY_UNITS = ("day", "week", "month", "quarter", "year")


@DATES.add(
    "STARTOF",
    "x, t!",
    same(),
    "期初：所在日、周、月、季、年的开始",
    "The beginning of the day, week, month, quarter or year.",
    ('STARTOF(DATE(2024,5,17), "quarter")', {"date": "2024-04-01"}),
    ('STARTOF(DATE(2024,5,17), "week")', {"date": "2024-05-13"}),
    needs_context=True,
    fails=True,
)
def _start_of(context: Context, moment: date, unit: str) -> date | CellError:
    word = unit_of(unit, _DAY_UNITS)
    if word is None:
        return VALUE
    first = start_of(day_of(context, moment), word)
    return to_instant(datetime.combine(first, time()), context.zone) if isinstance(moment, datetime) else first


@DATES.add(
    "ENDOF",
    "x, t!",
    same(),
    "期末：所在日、周、月、季、年的最后一天；时间为最后一毫秒",
    "The last day, or of an instant the last millisecond, of the day, week, month, quarter or year.",
    ('ENDOF(DATE(2024,2,1), "month")', {"date": "2024-02-29"}),
    needs_context=True,
    fails=True,
)
def _end_of(context: Context, moment: date, unit: str) -> date | CellError:
    word = unit_of(unit, _DAY_UNITS)
    if word is None:
        return VALUE
    first = start_of(day_of(context, moment), word)
    try:
        following = add_units(first, 1, word, context)
    except (ValueError, OverflowError):
        return BAD_DATE
    if not isinstance(moment, datetime):
        return following - timedelta(days=1)
    return to_instant(datetime.combine(following, time()), context.zone) - timedelta(milliseconds=1)


@DATES.add(
    "FROMUNIX",
    "n",
    DATETIME,
    "时间戳转时间：自 1970 年起的秒数",
    "The instant so many seconds after 1970 began.",
    ("FROMUNIX(0)", {"datetime": "1970-01-01T00:00:00.000Z"}),
    fails=True,
)
def _from_unix(seconds: Any) -> datetime | CellError:
    if abs(seconds) > 10**12:
        return BAD_DATE
    milliseconds = int((seconds * 1000).__floor__())
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


@DATES.add(
    "TOUNIX",
    "m",
    integer(12),
    "时间转时间戳：自 1970 年起的整秒数",
    "Whole seconds since 1970 began.",
    ("TOUNIX(FROMUNIX(86400))", 86400),
    postgresql=pg("floor(extract(epoch from {0}))::bigint"),
)
def _to_unix(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
