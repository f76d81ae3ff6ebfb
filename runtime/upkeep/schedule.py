"""When upkeep is due: its jobs are put down once for each slot of its cron line, however many processes look.

Reads and writes: dougong_cron_slot, dougong_job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.calendars.cron import next_slot, slots_between
from builder.store.database import Database
from builder.store.delivery_tables import cron_slot as table
from builder.store.statement import SQLITE
from runtime.jobs.rows import JobRows
from runtime.upkeep.pruning import UPKEEP


class Upkeep:
    """A ``Work`` of the tick. What was missed while nobody worked is made up for once."""

    name = UPKEEP

    def __init__(self, database: Database, jobs: JobRows, cron: str, kinds: Sequence[str]) -> None:
        self._database = database
        self._jobs = jobs
        self._cron = cron
        self._kinds = tuple(kinds)
        self._next: datetime | None = None
        self._insert = sqlite_insert if database.dialect == SQLITE else postgresql_insert

    async def run_due(self, now: datetime) -> int:
        """Put the jobs of a slot down that has come; the database is only asked then."""
        if not self._cron or (self._next is not None and now < self._next):
            return 0
        started = await asyncio.to_thread(self._begin, now)
        following = next_slot(self._cron, "UTC", now)
        self._next = datetime.max.replace(tzinfo=UTC) if following is None else following
        return started

    def _begin(self, now: datetime) -> int:
        with self._database.transaction() as connection:
            last = connection.scalar(sa.select(sa.func.max(table.c.slot_at)).where(table.c.schedule == UPKEEP))
            if last is None:
                self._claim(connection, now, now)  # from now on
                return 0
            due = [slot.astimezone(UTC) for slot in slots_between(self._cron, "UTC", last, now)][-1:]
            if not due or not self._claim(connection, due[0], now):
                return 0
            for kind in self._kinds:
                self._jobs.start(connection, kind, {})
            return len(self._kinds)

    def _claim(self, connection: sa.Connection, slot: datetime, now: datetime) -> bool:
        row = self._insert(table).values(schedule=UPKEEP, slot_at=slot, fired_at=now)
        return connection.execute(row.on_conflict_do_nothing().returning(table.c.slot_at)).first() is not None
