"""Cron lines and their slots. APScheduler parses and counts; it keeps nothing."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_MOST = 500
_NEAR = timedelta(hours=3)
"""No clock is ever set by more."""
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def parse_cron(expression: str, zone: str) -> CronTrigger:
    """Read a five-field cron expression in a zone. Weekdays are 0 (or 7) to 6 from Sunday on, or ``sun`` to ``sat``.

    Raises:
        ValueError: it is none.
    """
    minute, hour, day, month, weekday = expression.split()
    return CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=zone, second=0
    )


def _weekdays(text: str) -> str:
    """Write weekdays by name: APScheduler counts them from Monday, cron from Sunday."""
    return ",".join(_named(part) for part in text.split(","))


def _named(part: str) -> str:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    if span == "*" and step:
        first, last = "0", "6"
    if not first.isdecimal() or not (last or first).isdecimal():
        return part
    low, high = int(first), int(last or first)
    if not (0 <= low <= high <= 7 and (not step or (step.isdecimal() and int(step) > 0))):
        raise ValueError(f"weekday {part}")
    return ",".join(_DAYS[day % 7] for day in range(low, high + 1, int(step or 1)))


def next_slot(expression: str, zone: str, after: datetime) -> datetime | None:
    """Return the first slot after a moment; None if there is none any more."""
    return next(_slots(expression, zone, after), None)


def slots_between(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the slots in (after, until], at most the last 500."""
    found: deque[datetime] = deque(maxlen=_MOST)
    for slot in _slots(expression, zone, after):
        if slot > until:
            break
        found.append(slot)
    return list(found)


def _slots(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Yield the slots after a moment, in order, each once.

    A line names times of the clock on the wall. What falls into an hour that is left out in spring comes an hour later. In an hour that comes
    twice in autumn a line that names the hour fires in the first, one for every hour in both. (APScheduler's own counting in a zone
    never gets out of that hour.)
    """
    wall = parse_cron(expression, "UTC")  # as if the clock on the wall were UTC's
    place = ZoneInfo(zone)
    hourly = expression.split()[1].startswith("*")
    waiting: list[datetime] = []
    last = after.astimezone(UTC)
    start = after.astimezone(place).replace(tzinfo=UTC, fold=0) + timedelta(microseconds=1)
    at: datetime | None = wall.get_next_fire_time(None, start if _is_steady(start, place) else start - _NEAR)
    while at is not None:
        first, second = _moment(at, place), _moment(at, place, fold=1)
        heapq.heappush(waiting, first)
        if hourly and second > first:
            heapq.heappush(waiting, second)
        sure = first - (timedelta(0) if _is_steady(at, place) else _NEAR)
        while waiting and waiting[0] <= sure:
            slot = heapq.heappop(waiting)
            if slot > last:
                yield slot.astimezone(place)
                last = slot
        at = wall.get_next_fire_time(None, at + timedelta(seconds=1))


def _moment(wall: datetime, place: ZoneInfo, fold: int = 0) -> datetime:
    return wall.replace(tzinfo=place, fold=fold).astimezone(UTC)


def _is_steady(wall: datetime, place: ZoneInfo) -> bool:
    """Whether no clock is set near this time of the wall: then slots come in the order in which the wall has them."""
    return (wall - _NEAR).replace(tzinfo=place).utcoffset() == (wall + _NEAR).replace(tzinfo=place).utcoffset()
