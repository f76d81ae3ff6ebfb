"""Parts of dates and instants: years to seconds, weekdays and weeks. Those of an instant are those of the context's zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from formulas.errors import CellError
from formulas.functions.dates import SMALL, day_of, local
from formulas.functions.declare import Family
from formulas.schema import Context
from formulas.sqlforms.core import Emitter, Sql
from formulas.sqlforms.template import pg
from formulas.tree import Call
from formulas.values import NUM

PARTS = Family("dates")


def _part(
    name: str,
    letter: str,
    zh: str,
    en: str,
    read: Callable[[Any], int],
    sql: str,
    *examples: tuple[str, Any],
    core: bool = False,
) -> None:
    PARTS.add(name, letter, SMALL, zh, en, *examples, needs_context=True, core=core, postgresql=pg(sql))(
        lambda context, moment: read(local(context, moment))
    )


_part(
    "YEAR",
    "x",
    "年：日期的年份",
    "The year.",
    lambda d: int(d.year),
    "extract(year from {0})::int",
    ("YEAR(DATE(2024,2,29))", 2024),
    core=True,
)
_part(
    "MONTH",
    "x",
    "月：日期的月份",
    "The month, 1 to 12.",
    lambda d: int(d.month),
    "extract(month from {0})::int",
    ("MONTH(DATE(2024,2,29))", 2),
    core=True,
)
_part(
    "DAY",
    "x",
    "日：日期的日",
    "The day of the month.",
    lambda d: int(d.day),
    "extract(day from {0})::int",
    ("DAY(DATE(2024,2,29))", 29),
    core=True,
)


def _clock(name: str, zh: str, en: str, size: int, most: int, *examples: tuple[str, Any]) -> None:
    """A part of the clock time of an instant, of a time of day, or of a duration; a date stands for its beginning."""

    def read(context: Context, moment: Any) -> int:
        if isinstance(moment, timedelta):
            return int(moment.total_seconds()) // size % most
        if isinstance(moment, date) and not isinstance(moment, datetime):
            return 0
        return int(getattr(local(context, moment) if isinstance(moment, datetime) else moment, name.lower()))

    def form(emitter: Emitter, call: Call) -> Sql:
        if call.args[0].type.kind == "duration":
            return pg(f"mod(mod(floor({{0}}::numeric / {size})::bigint, {most}) + {most}, {most})::int")(emitter, call)
        return pg(
            f"floor(extract({name.lower()} from {{0}}::time))::int"
            if call.args[0].type.kind != "date"
            else "case when {0} is not null then 0 end"
        )(emitter, call)

    PARTS.add(name, "h", SMALL, zh, en, *examples, needs_context=True, postgresql=form)(read)


_clock("HOUR", "时：时间的小时", "The hour, 0 to 23.", 3600, 24, ("HOUR(TIME(10, 30, 5))", 10))
_clock("MINUTE", "分：时间的分钟", "The minute.", 60, 60, ("MINUTE(TIME(10, 30, 5))", 30))
_clock("SECOND", "秒：时间的秒", "The whole second.", 1, 60, ("SECOND(TIME(10, 30, 5))", 5))
_part(
    "QUARTER",
    "x",
    "季度：日期的季度",
    "The quarter, 1 to 4.",
    lambda d: (d.month + 2) // 3,
    "extract(quarter from {0})::int",
    ("QUARTER(DATE(2024,5,1))", 2),
)
_part(
    "ISOWEEKNUM",
    "x",
    "ISO周数：周一为首、含周四为准的周数",
    "The week of the ISO calendar.",
    lambda d: int(d.isocalendar()[1]),
    "extract(week from {0})::int",
    ("ISOWEEKNUM(DATE(2024,12,30))", 1),
    ("ISOWEEKNUM(DATE(2012,3,9))", 10),
)

#: Kind of numbering -> first weekday (Monday 0) and the number it gets.
_WEEKS = {1: (6, 1), 2: (0, 1), 3: (0, 0), **{10 + n: (n - 1, 1) for n in range(1, 8)}}
_PG_FIRST = "case {1} when 1 then 6 when 2 then 0 when 3 then 0 else {1} - 11 end"
_PG_KIND = "({1} between 1 and 3 or {1} between 11 and 17)"


_PG_WEEK = (
    "(extract(doy from {{0}})::int - 1"
    " + mod(extract(isodow from make_date(extract(year from {{0}})::int, 1, 1))::int + 6 - ({first}), 7)) / 7 + 1"
)


@PARTS.add(
    "WEEKDAY",
    "x, i?",
    SMALL,
    "星期：星期几，默认周日为 1；方式 2 周一为 1",
    "The day of the week: Sunday is 1, or with kind 2 Monday is 1.",
    ("WEEKDAY(DATE(2008,2,14))", 5),
    ("WEEKDAY(DATE(2008,2,14), 2)", 4),
    ("WEEKDAY(DATE(2008,2,14), 3)", 3),
    ("WEEKDAY(DATE(2024,1,1), 9)", "#NUM"),
    needs_context=True,
    fails=True,
    core=True,
    postgresql=pg(
        "extract(dow from {0})::int + 1",
        f"case when {_PG_KIND} then mod(extract(isodow from {{0}})::int - 1 - ({_PG_FIRST}) + 7, 7) + case when {{1}} = 3 then 0 else 1 end end",
    ),
)
def _weekday(context: Context, moment: date, kind: int = 1) -> int | CellError:
    if kind not in _WEEKS:
        return NUM
    first, number = _WEEKS[kind]
    return (local(context, moment).weekday() - first) % 7 + number


@PARTS.add(
    "WEEKNUM",
    "x, i?",
    SMALL,
    "周数：一年中的第几周，1 月 1 日在第一周",
    "The week of the year; January 1 is in week 1.",
    ("WEEKNUM(DATE(2012,3,9))", 10),
    ("WEEKNUM(DATE(2012,3,9), 2)", 11),
    needs_context=True,
    fails=True,
    postgresql=pg(
        _PG_WEEK.format(first=6),
        f"case when {{1}} = 21 then extract(week from {{0}})::int when {{1}} <> 3 and {_PG_KIND} then {_PG_WEEK.format(first=_PG_FIRST)} end",
    ),
)
def _weeknum(context: Context, moment: date, kind: int = 1) -> int | CellError:
    day = day_of(context, moment)
    if kind == 21:
        return day.isocalendar()[1]
    if kind not in _WEEKS or kind == 3:
        return NUM
    offset = (date(day.year, 1, 1).weekday() - _WEEKS[kind][0]) % 7
    return (day.timetuple().tm_yday - 1 + offset) // 7 + 1
