"""Cron lines and their slots. APScheduler parses and counts; it keeps nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

_MOST = 500
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
    found: datetime | None = parse_cron(expression, zone).get_next_fire_time(None, after + timedelta(microseconds=1))
    return found


def slots_between(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the slots in (after, until], at most the last 500."""
    trigger = parse_cron(expression, zone)
    found: list[datetime] = []
    slot = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while slot is not None and slot <= until:
        found.append(slot)
        if len(found) > _MOST:
            del found[0]
        slot = trigger.get_next_fire_time(slot, slot + timedelta(microseconds=1))
    return found
