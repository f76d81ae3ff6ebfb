"""Working days and hours of the sample year. It ends on 2026-11-20, a Friday; holidays as announced for mainland China in 2026."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from tools.samples.chance import Chance

BEIJING = timezone(timedelta(hours=8))
FIRST_DAY = date(2025, 11, 21)
TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, 0, tzinfo=BEIJING)

_HOLIDAYS = (
    (date(2026, 1, 1), 3),  # New Year
    (date(2026, 2, 15), 9),  # Spring Festival
    (date(2026, 4, 4), 3),  # Qingming
    (date(2026, 5, 1), 5),  # Labour Day
    (date(2026, 6, 19), 3),  # Dragon Boat
    (date(2026, 9, 25), 3),  # Mid-Autumn
    (date(2026, 10, 1), 7),  # National Day
)
_OFF = frozenset(first + timedelta(days=day) for first, count in _HOLIDAYS for day in range(count))


def is_working(day: date) -> bool:
    """Whether people work on a day."""
    return day.weekday() < 5 and day not in _OFF


def working_days(first: date, last: date) -> list[date]:
    """Return all working days from one to another day, both included."""
    count = (last - first).days + 1
    return [day for number in range(count) if is_working(day := first + timedelta(days=number))]


def next_working(day: date) -> date:
    """Return the day itself or the next on which people work."""
    while not is_working(day):
        day += timedelta(days=1)
    return day


def after(day: date, count: int) -> date:
    """Return the working day that lies a number of calendar days later, or the next one."""
    return next_working(day + timedelta(days=count))


def at_work(chance: Chance, day: date) -> datetime:
    """Draw a minute of the working hours, seldom in the lunch break."""
    minute = chance.whole(8 * 60 + 35, 17 * 60 + 50)
    if 12 * 60 <= minute < 13 * 60 + 30 and chance.yes(0.8):
        minute += 90
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING) + timedelta(minutes=minute)


def months() -> list[date]:
    """Return the first days of the months that lie wholly or partly in the sample year."""
    found = [date(2025, 11, 1), date(2025, 12, 1)]
    return found + [date(2026, month, 1) for month in range(1, 12)]


def month_days(month: date) -> list[date]:
    """Return the working days of a month that lie in the sample year."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return working_days(max(month, FIRST_DAY), min(following - timedelta(days=1), TODAY))
