"""The job that deletes old rows: what was delivered, run, read, answered, finished. By settings; in chunks; to be stopped at any point.

Deletes from: dougong_outbox, _automation_run, _automation_message, _timer_firing, _inbox, _idempotency, _job, _export_part, _cron_slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.faults import crash_point
from builder.kernel.limits import IDEMPOTENCY_HOURS
from builder.store import delivery_tables, process_tables, tables, writing_tables
from runtime.jobs.runner import Running
from runtime.settings import Settings

JSON = Any
KIND = "upkeep.prune"
UPKEEP = "upkeep"
"""The schedule of upkeep itself, whose last slot says where to go on."""
_BATCH = 1_000
_SLOT_DAYS = 60
_EXPORT_DAYS = 7


class Old(NamedTuple):
    """Rows of one table that are not needed any more after a time."""

    name: str
    table: sa.Table
    since: sa.Column[Any]
    """When they came to their end."""
    kept: timedelta
    only: sa.ColumnElement[bool]
    """Which of them may go at all."""


def old_rows(settings: Settings) -> tuple[Old, ...]:
    """Return what goes, by the settings."""
    outbox, job, slot = delivery_tables.outbox, delivery_tables.job, delivery_tables.cron_slot
    run, message, firing = process_tables.automation_run, process_tables.automation_message, tables.timer_firing
    part = delivery_tables.export_part
    inbox, answer = delivery_tables.inbox, writing_tables.idempotency
    runs = timedelta(days=settings.keep_runs_days)
    return (
        Old("outbox", outbox, outbox.c.ended_at, timedelta(days=settings.keep_outbox_days), outbox.c.state == "done"),
        Old("runs", run, run.c.at, runs, run.c.state != "waiting"),
        Old("messages", message, message.c.at, runs, sa.true()),
        Old("firings", firing, firing.c.fired_at, runs, sa.true()),
        Old("inbox", inbox, inbox.c.created_at, timedelta(days=settings.keep_inbox_days), sa.true()),
        Old("answers", answer, answer.c.created_at, timedelta(hours=IDEMPOTENCY_HOURS), sa.true()),
        Old("jobs", job, job.c.ended_at, timedelta(days=settings.keep_jobs_days), job.c.ended_at.is_not(None)),
        Old("exports", part, part.c.made_at, timedelta(days=_EXPORT_DAYS), sa.true()),
        Old("slots", slot, slot.c.slot_at, timedelta(days=_SLOT_DAYS), slot.c.schedule != UPKEEP),
    )


class Pruning:
    """Deletes them."""

    name = KIND

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._olds = old_rows(settings)
        self._clock = clock

    async def run(self, running: Running) -> JSON:
        """Delete chunk by chunk; return how many of what."""
        counts: dict[str, int] = dict(running.checkpoint or {})
        for old in self._olds:
            before = self._clock.now() - old.kept
            while await asyncio.to_thread(_step, running, counts, old, before) == _BATCH:
                pass
        return counts


def _step(running: Running, counts: dict[str, int], old: Old, before: datetime) -> int:
    """Delete one chunk in a transaction with the count; return how many rows went."""
    taken = 0

    def work(connection: sa.Connection) -> int:
        nonlocal taken
        taken = connection.execute(_delete(old, before)).rowcount
        crash_point("upkeep.prune")
        return taken

    running.step(work, lambda: {**counts, old.name: counts.get(old.name, 0) + taken})
    counts[old.name] = counts.get(old.name, 0) + taken
    return taken


def _delete(old: Old, before: datetime) -> sa.Delete:
    keys: Sequence[sa.Column[Any]] = list(old.table.primary_key.columns)
    chosen = sa.select(*keys).where(old.since < before, old.only).limit(_BATCH)
    one = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
    return sa.delete(old.table).where(one.in_(chosen))
