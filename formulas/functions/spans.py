"""Spans between dates, ages and fractions of years; texts read as dates."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from formulas.errors import CellError
from formulas.functions.dates import SMALL, day_of, unit_of
from formulas.functions.declare import Family
from formulas.functions.formats import MONTHS
from formulas.moments import add_months
from formulas.numbers import divide
from formulas.schema import Context
from formulas.sqlforms.template import pg
from formulas.types import DATE, DURATION, TEXT, decimal, integer
from formulas.values import NUM, VALUE

SPANS = Family("dates")
DAYS = integer(7)


@SPANS.add(
    "DAYS",
    "x, x",
    DAYS,
    "天数：从第二个日期到第一个日期的天数",
    "Days from the second date to the first.",
    ("DAYS(DATE(2021,3,15), DATE(2021,2,1))", 42),
    needs_context=True,
    core=True,
    postgresql=pg("{0}::date - {1}::date"),
)
def _days(context: Context, end: date, start: date) -> int:
    return (day_of(context, end) - day_of(context, start)).days


def whole_months(start: date, end: date) -> int:
    """Full months from start to end."""
    return (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)


@SPANS.add(
    "DATEDIF",
    "x, x, t!",
    DAYS,
    "日期差：两日期之间的整年 Y、整月 M、天 D，及余下的 YM、YD、MD",
    "Full years Y, months M or days D between dates, or what is left: YM, YD, MD.",
    ('DATEDIF(DATE(2001,6,1), DATE(2002,8,15), "D")', 440),
    ('DATEDIF(DATE(2001,6,1), DATE(2002,8,15), "YM")', 2),
    ('DATEDIF(DATE(2024,2,2), DATE(2024,2,1), "D")', "#NUM"),
    ('DATEDIF(DATE(2024,2,1), DATE(2024,2,1), "X")', "#NUM"),
    needs_context=True,
    fails=True,
    core=True,
)
def _datedif(context: Context, start: date, end: date, unit: str) -> int | CellError:
    first, last, word = day_of(context, start), day_of(context, end), unit.upper()
    if word not in ("Y", "M", "D", "YM", "YD", "MD") or last < first:
        return NUM
    months = whole_months(first, last)
    if word in ("Y", "M", "YM"):
        return {"Y": months // 12, "M": months, "YM": months % 12}[word]
    passed = {"D": 0, "YD": months // 12 * 12, "MD": months}[word]
    return (last - add_months(first, passed)).days


@SPANS.add(
    "DATETIMEDIFF",
    "m, m, t!",
    integer(15),
    "时间差：从第二个时间到第一个时间的整单位数",
    "Whole units from the second instant to the first.",
    ('DATETIMEDIFF(FROMUNIX(7200), FROMUNIX(0), "hour")', 2),
    needs_context=True,
    fails=True,
)
def _datetimediff(context: Context, end: datetime, start: datetime, unit: str) -> int | CellError:
    word = unit_of(unit)
    if word is None:
        return VALUE
    if word in ("month", "quarter", "year"):
        first, last = start.astimezone(context.zone), end.astimezone(context.zone)
        sign = 1 if last >= first else -1
        early, late = (first, last) if sign > 0 else (last, first)
        months = (late.year - early.year) * 12 + late.month - early.month
        months -= (late.day, late.time()) < (early.day, early.time())
        return sign * (months // {"month": 1, "quarter": 3, "year": 12}[word])
    size = timedelta(seconds={"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}[word])
    delta = end - start
    return delta // size if delta >= timedelta(0) else -(-delta // size)


@SPANS.add(
    "AGE",
    "x",
    SMALL,
    "年龄：到今天的整年数",
    "Full years up to today.",
    needs_context=True,
    volatility="volatile",
    fails=True,
)
def _age(context: Context, birth: date) -> int | CellError:
    born = day_of(context, birth)
    return whole_months(born, context.today) // 12 if born <= context.today else NUM


def days360(start: date, end: date, european: bool) -> int:
    """Days in a year of twelve months of 30 days."""
    first, last = start.day, end.day
    if european:
        first, last = min(first, 30), min(last, 30)
        return (end.year - start.year) * 360 + (end.month - start.month) * 30 + last - first
    if (first == calendar.monthrange(start.year, start.month)[1] and start.month == 2) or first == 31:
        first = 30
    if last == 31 and first == 30:
        last = 30
    months = (end.year - start.year) * 12 + end.month - start.month
    if last == 31:
        months, last = months + 1, 1
    return months * 30 + last - first


@SPANS.add(
    "DAYS360",
    "x, x, b?",
    DAYS,
    "按360天计天数：每月按 30 天计",
    "Days in a year of twelve months of 30 days.",
    ("DAYS360(DATE(2011,1,30), DATE(2011,2,1))", 1),
    ("DAYS360(DATE(2011,1,1), DATE(2011,12,31))", 360),
    needs_context=True,
)
def _days360(context: Context, start: date, end: date, european: bool = False) -> int:
    return days360(day_of(context, start), day_of(context, end), european)


def _actual_year_days(start: date, end: date) -> Any:
    """The average length of the years of a span, as the basis 1 of spreadsheets has it."""
    if (end.year, end.month, end.day) <= (start.year + 1, start.month, start.day):
        leap_inside = any(
            calendar.isleap(year) and start <= date(year, 2, 29) <= end for year in {start.year, end.year}
        )
        same_year = start.year == end.year
        return 366 if (calendar.isleap(start.year) if same_year else leap_inside) else 365
    years = range(start.year, end.year + 1)
    return divide(sum(366 if calendar.isleap(year) else 365 for year in years), len(years), 20)


@SPANS.add(
    "YEARFRAC",
    "x, x, i?",
    decimal(10, 16),
    "年数：两日期之间的年数，可选计息方式 0 到 4",
    "The fraction of years between dates, by a day count basis 0 to 4.",
    ("ROUND(YEARFRAC(DATE(2012,1,1), DATE(2012,7,30)), 8)", 0.58055556),
    ("ROUND(YEARFRAC(DATE(2012,1,1), DATE(2012,7,30), 1), 8)", 0.57650273),
    needs_context=True,
    fails=True,
)
def _yearfrac(context: Context, start: date, end: date, basis: int = 0) -> Any:
    first, last = sorted((day_of(context, start), day_of(context, end)))
    if basis in (0, 4):
        return divide(_basis_days(first, last, basis), 360)
    if basis not in (1, 2, 3):
        return NUM
    year = {1: _actual_year_days(first, last), 2: 360, 3: 365}[basis]
    return divide((last - first).days, year)


def _basis_days(first: date, last: date, basis: int) -> int:
    """30/360: the US form moves the end of February only when both days are such ends."""
    if basis == 4:
        return days360(first, last, european=True)
    return _us_days(first, last)


def _is_february_end(day: date) -> bool:
    return day.month == 2 and day.day == calendar.monthrange(day.year, 2)[1]


def _us_days(first: date, last: date) -> int:
    start, end = first.day, last.day
    if _is_february_end(first):
        end = 30 if _is_february_end(last) else end
        start = 30
    if end == 31 and start >= 30:
        end = 30
    start = min(start, 30)
    return (last.year - first.year) * 360 + (last.month - first.month) * 30 + end - start


_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_CLOCK = r"(?:[ T]+\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp]\.?[Mm]\.?)?)?\s*\Z"
_DATES = tuple(
    re.compile(r"\s*" + shape + _CLOCK, re.ASCII)
    for shape in (
        r"(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?",
        r"(?P<m>\d{1,2})[-/](?P<d>\d{1,2})[-/](?P<y>\d{4}|\d{2})",
        r"(?P<d>\d{1,2})[- /]" + _NAME + r"[- /,]+(?P<y>\d{4}|\d{2})",
        _NAME + r"\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})",
    )
)
_FORMAT_PARTS = re.compile(r"yyyy|mm|dd|m|d|.", re.S)
_DATED = re.compile(r"([^:]*[\d日])[ T]+(\d{1,2}:.*)\Z", re.ASCII)
_TIME = re.compile(r"\s*(上午|下午)?\s*(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?\s*(?:([AaPp])\.?[Mm]\.?)?\s*\Z", re.ASCII)
#: Years of two digits are those from 1930 to 2029, as spreadsheets have it.
_OF_LAST_CENTURY = 30


@SPANS.add(
    "DATEVALUE",
    "t, t!?",
    DATE,
    "文本转日期：2024-2-29、2024年2月29日、2/29/2024、29-Feb-2024；可指定格式如 dd/mm/yyyy",
    "A text as a date: year first, month/day/year, or with the month's English name; a format such as dd/mm/yyyy may be given.",
    ('DATEVALUE("2024/2/29")', {"date": "2024-02-29"}),
    ('DATEVALUE("2024年2月29日")', {"date": "2024-02-29"}),
    ('DATEVALUE("22-MAY-2011")', {"date": "2011-05-22"}),
    ('DATEVALUE("2/9/29")', {"date": "2029-02-09"}),
    ('DATEVALUE("29.02.2024", "dd.mm.yyyy")', {"date": "2024-02-29"}),
    ('DATEVALUE("2023-02-29")', "#VALUE"),
    fails=True,
)
def _datevalue(text: str, pattern: str = "") -> date | CellError:
    shapes = (_date_shape(pattern.lower()),) if pattern else _DATES
    found = next((match for shape in shapes if len(text) <= 100 and (match := shape.match(text))), None)
    if found is None:
        return VALUE
    parts = found.groupdict()
    month = parts["m"] if parts.get("m") else _month_of(parts.get("name") or "")
    try:
        return date(_year_of(parts["y"]), int(month), int(parts["d"]))
    except (ValueError, KeyError):
        return VALUE


def _year_of(digits: str) -> int:
    if len(digits) > 2:
        return int(digits)
    return int(digits) + (1900 if int(digits) >= _OF_LAST_CENTURY else 2000)


def _month_of(name: str) -> int:
    """The number of an English month, whole or by its first three letters; 0 for another word."""
    word = name.lower()
    known = (full for full in MONTHS if word in (full.lower(), full[:3].lower(), "sept" if full == "September" else ""))
    return next((MONTHS.index(full) + 1 for full in known), 0)


@lru_cache(maxsize=256)
def _date_shape(pattern: str) -> re.Pattern[str]:
    """The regular expression of a format; a part named twice, or none, matches nothing."""
    shape, seen = r"\s*", set()
    for part in _FORMAT_PARTS.findall(pattern[:100]):
        letter = part[0]
        if letter in "ymd" and part != "y" and letter not in seen:
            seen.add(letter)
            shape += f"(?P<{letter}>\\d{{{len(part)}}})" if len(part) > 1 else f"(?P<{letter}>\\d{{1,2}})"
        else:
            shape += re.escape(part)
    return re.compile(shape + r"\s*\Z" if len(seen) == 3 else r"(?!)", re.ASCII)


@SPANS.add(
    "TIMEVALUE",
    "t",
    DURATION,
    "文本转时间：8:30、08:30:15、2:24 PM",
    "A text as hours, minutes and seconds, with AM or PM if it says so.",
    ('HOUR(TIMEVALUE("2:24 PM"))', 14),
    ('HOUR(TIMEVALUE("下午2:24"))', 14),
    ('TIMEVALUE("25:00")', "#VALUE"),
    fails=True,
)
def _timevalue(text: str) -> timedelta | CellError:
    dated = _DATED.match(text[:100])
    if dated and isinstance(_datevalue(dated.group(1)), date):
        text = dated.group(2)
    found = _TIME.match(text)
    if not found:
        return VALUE
    half = {"上午": "a", "下午": "p"}.get(found.group(1) or "", (found.group(5) or "").lower())
    if not half and found.group(3) is None:  # a number alone is no time
        return VALUE
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:4])
    if half and not 1 <= hours <= 12:
        return VALUE
    hours = hours % 12 + (12 if half == "p" else 0) if half else hours
    if hours > 23 or minutes > 59 or seconds > 59:
        return VALUE
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


@SPANS.add(
    "INZONE",
    "m, t!",
    TEXT,
    "按时区显示：时间在某时区的写法",
    "An instant as the clock of a zone shows it.",
    ('INZONE(FROMUNIX(0), "Asia/Shanghai")', "1970-01-01 08:00:00"),
    ('INZONE(FROMUNIX(0), "Nowhere")', "#VALUE"),
    fails=True,
)
def _inzone(moment: datetime, zone: str) -> str | CellError:
    if not re.fullmatch(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*", zone):
        return VALUE
    try:
        shown = moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return VALUE
    return shown.replace(tzinfo=None).isoformat(" ", "seconds")
