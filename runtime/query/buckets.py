"""Days, ISO weeks, months, quarters and years as keys of groups.

Records are grouped by what their column holds (a day, or the beginning of an instant's text), then the few groups are put into their
buckets: an index serves the first step, and what is costly (zones, calendars) is done once a group. Measured on 300,000 records with a
covering index: 37 ms against 125 ms for grouping by the month itself.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

Element = sa.ColumnElement[Any]

_FIRST, _LAST = "'0001-01-01'", "'9999-12-31'"
#: Seconds of a unit -> how much of an instant's text says which unit it is in.
_UNITS = ((3600, 13), (600, 15), (60, 16), (1, 19))
_KNOWN_FROM, _KNOWN_TO = datetime(1840, 1, 1, tzinfo=UTC), datetime(2089, 1, 1, tzinfo=UTC)


def raw_key(column: Element, kind: str, zone: ZoneInfo, dialect: str) -> Element:
    """Return what records are grouped by first: it decides the day, and is cheap."""
    if kind == "date":
        return column
    if dialect == "postgresql":
        return sa.cast(sa.func.timezone(_text(zone.key), column), sa.Date())
    unit, fine_before = zone_units(zone.key)
    length = _number(unit)
    if fine_before is not None:
        length = sa.case((sa.type_coerce(column, sa.Text()) < _text(fine_before), _number(19)), else_=_number(unit))
    return sa.func.substr(column, _number(1), length)


def bucket_key(raw: Element, bucket: str, kind: str, zone: ZoneInfo, dialect: str) -> Element:
    """Return the bucket of a raw key: a day on PostgreSQL, a text on SQLite; both sort by time."""
    if dialect == "postgresql":
        day: Element = raw
        if kind == "datetime":  # a zone may lead out of the calendar
            first: Element = sa.literal_column(f"DATE {_FIRST}")
            last: Element = sa.literal_column(f"DATE {_LAST}")
            day = sa.case((raw < first, first), (raw > last, last), else_=raw)
        if bucket == "day":
            return day
        return sa.cast(sa.func.date_trunc(_text(bucket), sa.cast(day, sa.DateTime())), sa.Date())
    day = raw if kind == "date" else sa.func.local_day(raw, _text(zone.key))
    day = sa.type_coerce(day, sa.Text())
    if bucket == "day":
        return day
    if bucket == "week":  # its Monday
        return sa.func.date(day, _text("-6 days"), _text("weekday 1"))
    if bucket == "quarter":
        month = sa.cast(sa.func.substr(day, _number(6), _number(2)), sa.Integer())
        year = sa.func.substr(day, _number(1), _number(4))
        quarter = sa.func.printf(_text("%s-Q%d"), year, (month + _number(2)).op("/", precedence=8)(_number(3)))
        return sa.case((day.is_not(None), quarter))
    return sa.func.substr(day, _number(1), _number(7 if bucket == "month" else 4))


def bucket_text(value: str | date, bucket: str) -> str:
    """Write a bucket: ``2026-11-22``, ``2026-W47``, ``2026-11``, ``2026-Q4``, ``2026``."""
    if isinstance(value, str):
        if bucket != "week":
            return value
        value = date.fromisoformat(value)
    if bucket == "week":
        year, week, _ = value.isocalendar()
        return f"{year:04d}-W{week:02d}"
    if bucket == "quarter":
        return f"{value.year:04d}-Q{(value.month + 2) // 3}"
    return value.isoformat()[: {"day": 10, "month": 7, "year": 4}[bucket]]


@lru_cache(maxsize=64)
def zone_units(name: str) -> tuple[int, str | None]:
    """Return how much of an instant's text decides its day in a zone, and before which instant every second counts.

    Days begin where the zone's offset puts midnight: on whole hours of UTC in Shanghai, on half hours in Adelaide, on odd seconds before
    zones were agreed on. Cost: 20 ms a zone, once a process.
    """
    zone = ZoneInfo(name)
    offsets = _offsets(zone)
    odd = [start for start, offset in offsets if offset % 60]
    after = next((start for start, _ in offsets if not odd or start > odd[-1]), None)
    edges = [offset for start, offset in offsets if after is not None and start >= after]
    # clocks set back over midnight: the day changes at that instant as well
    edges += [
        start.minute * 60 + start.second
        for start, _ in offsets[1:]
        if after is not None
        and start > after
        and start.astimezone(zone).date() != (start - timedelta(seconds=1)).astimezone(zone).date()
    ]
    length = next(n for unit, n in _UNITS if all(edge % unit == 0 for edge in edges))
    if not odd:
        return length, None
    return length, "9999" if after is None else f"{after + timedelta(days=1):%Y-%m-%d}"


def _offsets(zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """Return from when on which offset holds, in seconds."""
    found = [(_KNOWN_FROM, _offset(zone, _KNOWN_FROM))]
    at, step = _KNOWN_FROM, timedelta(days=6)  # what changed and was undone within a week changes no unit
    while at < _KNOWN_TO:
        following = at + step
        offset = _offset(zone, following)
        if offset != found[-1][1]:
            found.append((_change_between(zone, at, following, found[-1][1]), offset))
        at = following
    return found


def _change_between(zone: ZoneInfo, low: datetime, high: datetime, before: int) -> datetime:
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def _text(value: str) -> Element:
    """A constant of ours in the statement: parameters would make a key and its group differ."""
    return sa.literal_column("'" + value.replace("'", "''") + "'", sa.Text())


def _number(value: int) -> Element:
    return sa.literal_column(str(value), sa.Integer())
