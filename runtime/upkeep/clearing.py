"""The job that clears files away which nobody holds (``runtime/files/cleaning.py``)."""

from __future__ import annotations

import dataclasses
from typing import Any

from builder.kernel.clock import Clock, SystemClock
from builder.store.database import Database
from runtime.files.cleaning import clear_away
from runtime.files.service import Files
from runtime.jobs.runner import Running

JSON = Any
KIND = "upkeep.files"


class Clearing:
    """Clears them away; all of it may be repeated."""

    name = KIND

    def __init__(self, database: Database, files: Files, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    async def run(self, running: Running) -> JSON:
        """Do it; return what went."""
        cleared = await clear_away(
            self._database,
            self._files.store,
            self._files.folder,
            now=self._clock.now(),
            machine_now=SystemClock().now(),
        )
        return dataclasses.asdict(cleared)
