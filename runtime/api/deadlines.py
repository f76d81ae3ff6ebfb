"""Time limits of requests: one look at all of them now and then instead of a timer for each (which costs 8 us a request)."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

_LOOKS = 8  # looks within one limit: a request may take an eighth longer than the limit
_LONGEST_PAUSE = 1.0


class _Watched(NamedTuple):
    since: float
    task: asyncio.Task[Any]
    cancelling: int


class Deadlines:
    """Cancels the tasks of requests that have been under way for too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pause = min(seconds / _LOOKS, _LONGEST_PAUSE)
        self._begun: dict[Any, _Watched] = {}
        self._expired: dict[Any, _Watched] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where the next look is planned; None = none is."""

    def begin(self, request: Any) -> None:
        """Watch the task that serves a request from now on."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._begun[request] = _Watched(loop.time(), task, task.cancelling())
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._pause, self._look, loop)

    def end(self, request: Any) -> None:
        """Watch a request no longer: its answer has begun."""
        self._begun.pop(request, None)

    def forget(self, request: Any) -> None:
        """The request is over."""
        self._begun.pop(request, None)
        self._expired.pop(request, None)

    def take_back(self, request: Any) -> bool:
        """Tell whether the cancellation that arrived in a request's task was ours alone; then it counts no longer."""
        watched = self._expired.pop(request, None)
        return watched is not None and watched.task.uncancel() <= watched.cancelling

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for request, watched in list(self._begun.items()):  # in the order in which they began
            if now - watched.since < self._seconds:
                break
            self._expired[request] = self._begun.pop(request)
            watched.task.cancel()
        if self._begun:
            loop.call_later(self._pause, self._look, loop)
        else:
            self._loop = None
