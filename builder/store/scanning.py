"""What the threads need in which SQLite scans: a time limit kept from outside, and a step back behind the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
_NICENESS = 10  # a tenth of the processor while the event loop has something to do, all of it otherwise


class TimeLimits:
    """Interrupts statements that run for too long.

    A progress handler would do it from inside, but it is Python: every millisecond the scan would want the interpreter's lock, which the
    event loop then has to give away, and wait for a thread that stands behind it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[sqlite3.Connection, float] = {}
        self._looking = False

    @contextmanager
    def within(self, seconds: float, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Limit what a connection runs meanwhile, in any thread; ``loop`` looks at the clock."""
        with self._lock:
            self._running[connection] = time.monotonic() + seconds
            watched, self._looking = self._looking, True
        try:
            if not watched:
                loop.call_soon_threadsafe(self._wait, loop)
            yield
        finally:
            with self._lock:
                del self._running[connection]

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            next_deadline = min(self._running.values(), default=0.0)
        until = next_deadline - time.monotonic()
        loop.call_later(min(max(until, _SHORTEST_PAUSE), _LONGEST_PAUSE), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        with self._lock:  # a unit that ends meanwhile must not leave its interrupt to the next one
            for connection, deadline in self._running.items():
                if now >= deadline:
                    connection.interrupt()  # again at every look: between two statements there is nothing to interrupt
            self._looking = bool(self._running)
        if self._looking:
            self._wait(loop)


def step_back() -> None:
    """Let the system run the calling thread after those that answer (Linux alone has a priority for each thread)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
