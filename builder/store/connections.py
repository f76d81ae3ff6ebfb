"""Connections to PostgreSQL that stay taken from their pool: handing one on costs a microsecond, taking and releasing 75."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import asyncpg


class HeldConnections:
    """At most ``size`` connections, lent one at a time. The pool opens them and replaces those that broke."""

    def __init__(self, pool: Any, size: int, patience_seconds: float) -> None:
        self._pool = pool
        self._size = size
        self._patience = patience_seconds
        self._free: list[Any] = []
        self._taken = 0  # from the pool: lent or free
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._releases: set[asyncio.Task[None]] = set()
        self._closing = False

    async def take(self) -> Any:
        """Lend a connection.

        Raises:
            TimeoutError: none was given back in time, or none could be opened in time.
        """
        while True:
            while self._free:
                connection = self._free.pop()
                if not _is_gone(connection):
                    return connection
                self._let_go(connection)
            if self._taken < self._size:
                return await self._open()
            connection = await self._wait()
            if connection is not None:
                return connection

    async def _wait(self) -> Any:
        """Wait for a connection that is handed over; None = look again."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._patience, _give_up, turn)  # cheaper than a task for wait_for
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result())
            raise
        finally:
            timer.cancel()

    async def _open(self) -> Any:
        self._taken += 1
        try:
            return await self._pool.acquire(timeout=self._patience)
        except BaseException:
            self._taken -= 1
            self._pass_on(None)
            raise

    def give_back(self, connection: Any) -> None:
        """Take a connection back; a broken one is left to the pool."""
        if self._closing or _is_gone(connection):
            self._let_go(connection)
            self._pass_on(None)
        else:
            self._pass_on(connection)

    def _pass_on(self, connection: Any) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection is not None:
            self._free.append(connection)

    def _let_go(self, connection: Any) -> None:
        self._taken -= 1
        task = asyncio.get_running_loop().create_task(self._release(connection))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _release(self, connection: Any) -> None:
        await self._pool.release(connection)

    async def close(self) -> None:
        """Wait for what is lent, then close all."""
        self._closing = True
        while self._free:
            self._let_go(self._free.pop())
        await self._pool.close()


def _is_gone(connection: Any) -> bool:
    """Tell whether a connection broke. The pool takes a broken one back at once, and asking it anything is then refused."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def _give_up(turn: asyncio.Future[Any]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError("no connection was free"))
