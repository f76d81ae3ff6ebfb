"""The time limit of scans is kept from outside their threads, and only as long as they run."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from builder.store.scanning import TimeLimits, step_back

pytestmark = pytest.mark.anyio

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_what_runs_too_long_is_interrupted_and_what_follows_is_not():
    limits, loop = TimeLimits(), asyncio.get_running_loop()
    connection = sqlite3.connect(":memory:", check_same_thread=False)

    def run(seconds: float, sql: str) -> list[tuple[int]]:
        with limits.within(seconds, connection, loop):
            return connection.execute(sql).fetchall()

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            await loop.run_in_executor(pool, run, 0.01, _ENDLESS)
        assert await loop.run_in_executor(pool, run, 20, "SELECT 1") == [(1,)]
        with pytest.raises(
            sqlite3.OperationalError, match="interrupted"
        ):  # it looks again after it had nothing to look at
            await loop.run_in_executor(pool, run, 0.01, _ENDLESS)
    connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_a_thread_that_scans_stands_behind_the_others():
    found: list[int] = []

    def scan() -> None:
        step_back()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=scan)
    thread.start()
    thread.join()
    assert found[0] > before
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
