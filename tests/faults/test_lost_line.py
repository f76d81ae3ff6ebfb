"""The way to PostgreSQL is lost for a time while people write and work is done: cut, so that everybody is told, or silent, so that nobody is.

``DOUGONG_TEST_LOSS=30`` loses it for so many seconds, for a longer run by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import anyio
import pytest
from sqlalchemy.engine import URL, make_url

from builder.kernel.clock import SystemClock
from builder.store.database import open_database
from tests.faults.fleet import expire_leases
from tests.faults.test_fleet import SETTINGS, News, check, done, hurry, left, prepare, reach, write
from tests.faults.ticking import audit_later
from tests.support.process import served
from tests.support.receiver import Received, Reply, http_receiver

SECONDS = float(os.environ.get("DOUGONG_TEST_LOSS", "1"))
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(180 + 4 * SECONDS),
    pytest.mark.parametrize("dialect", ["postgresql"]),
]
Way = Literal["cut", "silent"]
WAYS: tuple[Way, ...] = ("cut", "silent")


class Line:
    """Carries bytes to a server and back, as long as it holds."""

    def __init__(self, target: URL) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def lose(self, way: Way, seconds: float) -> None:
        """Lose it for a time."""
        self._is_cut = way == "cut"
        self._open.clear()
        if self._is_cut:
            for end in list(self._ends):
                end.transport.abort()
        with anyio.move_on_after(
            seconds
        ):  # it is the time itself that is tested: what waits too long, what tries too often
            await self._open.wait()
        self._is_cut = False
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        await self._open.wait()
        there_reader, there_writer = await self._reach()
        ends = {writer, there_writer}
        self._ends |= ends
        await asyncio.gather(self._carry(reader, there_writer), self._carry(there_reader, writer))
        self._ends -= ends

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = self._target.port or 5432
        if self._target.host:
            return await asyncio.open_connection(self._target.host, port)
        folder = self._target.query["host"]  # a server that listens on a socket of the file system
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{self._target.query.get('port', port)}")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65_536):
                await self._open.wait()
                writer.write(part)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def line_to(target: URL) -> AsyncIterator[Line]:
    line = Line(target)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()


async def test_a_line_that_is_lost_loses_and_doubles_nothing(
    anyio_backend: str, migrated_database_url: str, tmp_path: Path
) -> None:
    told: Counter[str] = Counter()
    news, chance = News(), random.Random(3)
    here = make_url(migrated_database_url)

    def answer(got: Received) -> Reply:
        told[got.headers["dougong-id"]] += 1
        news.arrived.set()
        return Reply(200)

    async with http_receiver() as receiver, line_to(here) as line:
        receiver.answer = answer
        token = await prepare(migrated_database_url, receiver.url)
        over = here.set(host="127.0.0.1", port=line.port, query={}).render_as_string(hide_password=False)
        database = open_database(migrated_database_url)
        with served(over, tmp_path, **SETTINGS) as server:
            ships: Any = SimpleNamespace(address=f"http://127.0.0.1:{await asyncio.to_thread(lambda: server.port)}")
            writing = asyncio.create_task(write(ships, token, news))
            for way in WAYS:
                await reach(news, database, await asyncio.to_thread(done, database) + chance.randint(10, 100))
                await line.lose(way, SECONDS)
                await asyncio.to_thread(expire_leases, database)
            await writing
            while await asyncio.to_thread(left, database):
                await news.moment()
                await asyncio.to_thread(hurry, database)
        check(database, told)
        database.close()
    assert await asyncio.to_thread(audit_later, migrated_database_url, SystemClock()) == []
