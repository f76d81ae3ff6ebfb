"""The tick: asks everything that has rows falling due to do what is due. APScheduler only wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from builder.kernel.clock import Clock
from builder.store.database import DatabaseBusy
from runtime.observe.logs import Log

SECONDS = 1
_ROUNDS = 1_000
_AT_A_TIME = 50


class Work(Protocol):
    """Something whose rows fall due. Any number of processes may ask it at once: what it does, it claims first."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    async def run_due(self, now: datetime) -> int:
        """Do what is due at ``now``, bounded in time and number; return how many things were done (0: nothing is due)."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """A work that may leave something under way between ticks."""

    async def settle(self) -> None:
        """Wait for its end."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A work that breaks off what is under way when the process ends."""

    async def stop(self) -> None:
        """Let go of it; nothing of it holds a connection afterwards."""
        ...


@dataclass(frozen=True)
class Due:
    """Makes a work of something that looks at its own clock."""

    name: str
    do: Callable[[], Awaitable[int]]

    async def run_due(self, now: datetime) -> int:
        """Do what is due."""
        return await self.do()


class Ticker:
    """Asks every work in turn, again and again as long as there is something to do."""

    def __init__(self, works: Sequence[Work], clock: Clock, log: Log) -> None:
        self._works = tuple(works)
        self._clock = clock
        self._log = log
        self._scheduler: AsyncIOScheduler | None = None
        self._running = asyncio.Lock()

    async def tick(self) -> int:
        """Ask every work once; one that fails does not stop the others. Returns how many things were done."""
        done = 0
        for work in self._works:
            try:
                done += await work.run_due(self._clock.now())
            except DatabaseBusy as busy:
                self._log.warning("tick.busy", work=work.name, reason=str(busy))
            except Exception as error:  # noqa: BLE001 - a work that breaks must not stop the others, and is told about
                self._log.error("tick.failed", work=work.name, exc_info=error)
        return done

    async def until_quiet(self, rounds: int = _ROUNDS) -> int:
        """Tick until nothing is due any more (tests, scenarios); return how many things were done.

        Raises:
            RuntimeError: it never ends.
        """
        total = 0
        for _ in range(rounds):
            done = await self.tick()
            for work in self._works:
                if isinstance(work, Lasting):
                    await work.settle()
            if not done:
                return total
            total += done
        raise RuntimeError(f"not quiet after {rounds} rounds")

    async def _beat(self) -> None:
        if self._running.locked():
            return
        async with self._running:
            for _ in range(_AT_A_TIME):
                if self._scheduler is None or not await self.tick():
                    return

    def start(self) -> None:
        """Tick every second on the running event loop."""
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        # two instances: one that finds the other at work goes away by itself, where APScheduler would warn of it every second
        options = {"seconds": SECONDS, "max_instances": 2, "coalesce": True, "misfire_grace_time": None}
        self._scheduler.add_job(self._beat, "interval", **options)
        self._scheduler.start()

    async def stop(self) -> None:
        """End ticking; what is under way is finished, or broken off where it may take long."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.pause()
        async with (
            self._running
        ):  # shut down before it ends, the scheduler would cancel the beat in the middle of a tick
            if scheduler is not None:
                scheduler.shutdown(wait=False)
        for work in self._works:
            if isinstance(work, Stoppable):
                await work.stop()
