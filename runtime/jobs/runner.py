"""Runs jobs: claims one, lets its kind take steps, notes how it ended. A ``Work`` of the tick."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.database import DatabaseBusy
from runtime.jobs.rows import LEASE, TRIES, ClaimedJob, JobRows, LeaseLost
from runtime.observe.logs import Log

JSON = Any
T = TypeVar("T")
_WAIT = timedelta(seconds=30)
BEAT_SECONDS = LEASE.total_seconds() / 4
"""How often a runner says that it is alive, of the machine's clock: a step may take longer than the lease."""


class Cancelled(Exception):
    """Somebody asked the job to stop."""


@dataclass(slots=True)
class Running:
    """What a kind sees of its job while it runs."""

    job: ClaimedJob
    rows: JobRows
    checkpoint: JSON
    done: int
    total: int | None = None
    attempts: int = 1
    """Tries in a row that got no further."""
    at_work: threading.Lock = field(default_factory=threading.Lock)
    """Held by the thread of a step as long as it has a connection."""

    def step(self, work: Callable[[sa.Connection], int], checkpoint: Callable[[], JSON]) -> None:
        """Do a part of the work in one transaction with its progress; ``work`` returns how many things were done.

        Args:
            checkpoint: is asked after ``work`` where to go on from; a job that was killed begins there.

        Raises:
            Cancelled: after the step was committed.
            LeaseLost: nothing of the step was committed.
        """
        with self.at_work, self.rows.database.transaction() as connection:
            done = self.done + work(connection)
            place = checkpoint()
            goes_on = self.rows.report(connection, self.job, done=done, total=self.total, checkpoint=place)
        self.took(done, place, goes_on=goes_on)

    def took(self, done: int, checkpoint: JSON, *, goes_on: bool) -> None:
        """Take over what a step has committed that reported for itself (``report_within``).

        Raises:
            Cancelled.
        """
        self.done, self.checkpoint, self.attempts = done, checkpoint, 1
        if not goes_on:
            raise Cancelled

    def note(self, done: int, checkpoint: JSON) -> None:
        """Note what was done in transactions of its own (each repeatable), and ask whether to go on.

        Raises:
            Cancelled, LeaseLost.
        """
        self.step(lambda _: done, lambda: checkpoint)


class JobKind(Protocol):
    """What a job does; one file a kind."""

    @property
    def name(self) -> str:
        """Its name in the row."""
        ...

    async def run(self, running: Running) -> JSON:
        """Do the work in steps from ``running.checkpoint`` on (None at first); return the result."""
        ...


class JobRunner:
    """Runs the jobs of its kinds, one at a time in each process."""

    name = "jobs"

    def __init__(
        self, rows: JobRows, kinds: Sequence[JobKind], log: Log, *, beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self._rows = rows
        self._kinds: Mapping[str, JobKind] = {kind.name: kind for kind in kinds}
        self._log = log
        self._beat_seconds = beat_seconds
        self._under_way: asyncio.Task[None] | None = None

    async def until_idle(self) -> None:
        """Wait until the job that is under way is over."""
        if self._under_way is not None:
            await asyncio.wait({self._under_way})

    async def run_due(self, now: datetime) -> int:
        """Run the next job to its end; others that fall due meanwhile (messages, timers) wait for nothing.

        A long job goes on beside the tick: the next tick finds it under way.
        """
        if self._under_way is not None:
            if not self._under_way.done():
                return 0
            task, self._under_way = self._under_way, None
            await task
        job = await asyncio.to_thread(self._rows.claim, list(self._kinds))
        if job is None:
            return 0
        self._under_way = asyncio.create_task(self._run(job))
        await asyncio.wait({self._under_way}, timeout=0.5)
        return 1

    async def settle(self) -> None:
        """Wait for the end of what is under way."""
        if self._under_way is not None:
            await self._under_way

    async def stop(self) -> None:
        """Let go of what is under way; another process goes on from its checkpoint at once."""
        if self._under_way is not None:
            if not self._under_way.cancelling():  # a second time would break off what the first one has it tidy up
                self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def _run(self, job: ClaimedJob) -> None:
        running = Running(job, self._rows, job.checkpoint, job.done_count, attempts=job.attempts)
        beat = asyncio.create_task(self._keep_alive(job))
        try:
            await self._carry(job, running)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _keep_alive(self, job: ClaimedJob) -> None:
        """Extend the lease again and again; without an answer of the database it is tried again in time."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                if not await _in_thread(partial(self._rows.extend, job)):
                    return  # the next step finds that out, too, and nothing of it counts
            except (DatabaseBusy, sa.exc.DBAPIError) as error:
                self._log.warning("job.beat", job=job.id, kind=job.kind, reason=str(error)[:200])

    async def _carry(self, job: ClaimedJob, running: Running) -> None:
        try:
            result = await self._kinds[job.kind].run(running)
        except asyncio.CancelledError:
            await _in_thread(partial(self._let_go, job, running))
            raise
        except Cancelled:
            await asyncio.to_thread(self._rows.end, job, "cancelled")
        except LeaseLost:
            self._log.warning("job.lost", job=job.id, kind=job.kind)
        except Problem as problem:
            await asyncio.to_thread(self._rows.end, job, "failed", error=problem.detail)
        except Exception as error:  # noqa: BLE001 - a job that breaks is noted and tried again, the runner lives on
            await self._broke(job, error, running.attempts)
        else:
            await asyncio.to_thread(self._rows.end, job, "done", result=result)

    def _let_go(self, job: ClaimedJob, running: Running) -> None:
        with running.at_work:  # the step that was under way in a thread ends first
            self._rows.release(job)

    async def _broke(self, job: ClaimedJob, error: Exception, attempts: int) -> None:
        self._log.error("job.failed", job=job.id, kind=job.kind, attempts=attempts, exc_info=error)
        name = type(error).__name__
        text = say(f"运行时出错:{name}", f"An error while running: {name}")
        if attempts >= TRIES:
            await asyncio.to_thread(self._rows.end, job, "failed", error=text)
        else:
            await asyncio.to_thread(self._rows.put_back, job, _WAIT * 2 ** (attempts - 1), text)


async def _in_thread(work: Callable[[], T]) -> T:
    """Work in a thread that is waited for even by who is cancelled meanwhile: its connection goes back to a pool that is still there."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
