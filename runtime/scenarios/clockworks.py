"""What happens by itself as time passes. A new one is one function here and one line in ``CLOCKWORKS``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from runtime.services import Services


class Clockwork(NamedTuple):
    """Something that is due now and then."""

    next_due: Callable[[], Awaitable[datetime | None]]
    """When it has something to do; None: nothing is planned."""
    work: Callable[[], Awaitable[bool]]
    """Do what is due now; whether anything was done."""


def timers(services: Services) -> Clockwork:
    """Reminders and escalations."""

    async def work() -> bool:
        done = await services.timers.tick()
        return bool(done.fired or done.looked_at or done.busy)

    return Clockwork(services.timers.next_due, work)


CLOCKWORKS: tuple[Callable[[Services], Clockwork], ...] = (timers,)
