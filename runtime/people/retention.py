"""How long security events are kept: once a day those beyond the setting are cut off; the chain goes on from the last of them."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import ClassVar

from runtime.identity.audit import SYSTEM_ORIGIN, Audit


class Retention:
    """A ``Work`` of the tick. Several processes may do it at once: the head of the chain is held while cutting."""

    name: ClassVar[str] = "retention"

    def __init__(self, audit: Audit, days: int | None) -> None:
        """``days``: None keeps everything."""
        self._audit = audit
        self._days = days
        self._done_on: date | None = None

    async def run_due(self, now: datetime) -> int:
        """Cut off, if that was not done today; return how many events went."""
        if self._days is None or self._done_on == now.date():
            return 0
        count = await asyncio.to_thread(self._audit.prune, timedelta(days=self._days), SYSTEM_ORIGIN)
        self._done_on = now.date()
        return count
