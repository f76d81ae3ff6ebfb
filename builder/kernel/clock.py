"""The only door to wall-clock time. Everything that needs "now" is given a Clock, so tests and scenarios can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Return an aware datetime as the clock of a zone shows it; where that is beyond the years 1 to 9999, as UTC's does."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime, cut to milliseconds (what the API and JavaScript can carry)."""
        ...

    def milliseconds(self) -> int:
        """Return the present in whole milliseconds since 1970."""
        ...


def cut_to_milliseconds(at: datetime) -> datetime:
    """Drop what the stored form of an instant cannot hold."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return cut_to_milliseconds(datetime.now(UTC))

    def milliseconds(self) -> int:
        """Return the machine's time."""
        return time.time_ns() // 1_000_000


class MovableClock:
    """A clock that stands still until it is moved (scenarios, tests)."""

    def __init__(self, at: datetime) -> None:
        self._at = cut_to_milliseconds(at.astimezone(UTC))

    def now(self) -> datetime:
        """Return the instant the clock was last set to."""
        return self._at

    def milliseconds(self) -> int:
        """Return the instant the clock was last set to."""
        return int(self._at.timestamp() * 1000)

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        self._at = cut_to_milliseconds(self._at + by)


@lru_cache(maxsize=1_024)  # one write tells its instant a dozen times
def instant_text(at: datetime) -> str:
    """Write an aware datetime as the API does: ``2026-11-22T12:44:00.000Z``."""
    # isoformat cuts to milliseconds and pads early years; strftime costs ten times as much
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
