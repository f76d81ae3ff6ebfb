"""Processes that are killed at random moments of what they do. They are forked from one that has read the code, so that one costs little."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from runtime.records.caller import system_caller
from tests.faults.ticking import open_later, tick_until_quiet

_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(["tests.faults.killing"])
_SECONDS = 60


def tick(url: str, days: float, told: Connection) -> None:
    """Do what is due, so many days later."""
    told.send("begun")
    asyncio.run(tick_until_quiet(open_later(url, days)))


def write(url: str, days: float, told: Connection, bodies: list[dict[str, Any]]) -> None:
    """Create orders one after the other, and tell of each that was acknowledged."""
    asyncio.run(_write(url, days, told, bodies))


async def _write(url: str, days: float, told: Connection, bodies: list[dict[str, Any]]) -> None:
    app = open_later(url, days)
    async with app.running():
        told.send("begun")
        for body in bodies:
            caller = system_caller(f"write-{body['title']}", "rest")
            made = await app.services.records.create(caller, "shop", "order", body)
            told.send(made.record["id"])


class Killer:
    """Runs work once to see how long it takes, then again and again, each time killing it somewhere in between."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._longest: float | None = None
        self.kills = 0
        self.turns = 0

    def until(self, kills: int) -> Iterator[int]:
        """Count turns until so many were killed: who is through just before has to be followed by another."""
        while self.kills < kills and self.turns < 10 * kills:
            yield self.turns
            self.turns += 1
        assert self.kills == kills

    async def run(self, work: Any, url: str, days: float, *arguments: Any) -> list[str]:
        """Run it in a process of its own; return what it had told."""
        return await asyncio.to_thread(self._run, work, url, days, arguments)

    def _run(self, work: Any, url: str, days: float, arguments: tuple[Any, ...]) -> list[str]:
        here, there = _NURSERY.Pipe()
        process = _NURSERY.Process(target=work, args=(url, days, there, *arguments))
        process.start()
        there.close()
        try:
            assert here.poll(_SECONDS)
            assert here.recv() == "begun"
            began = time.monotonic()
            if self._longest is None:
                process.join(_SECONDS)
                assert process.exitcode == 0
                self._longest = time.monotonic() - began
                return list(_all(here))
            process.join(self._chance.uniform(0, self._longest))
            if process.is_alive():
                self._longest *= 1.2  # what it could not do is more for the next one
            else:
                self._longest = time.monotonic() - began  # there is less to do than there was
            process.kill()
            process.join(_SECONDS)
            assert process.exitcode in (0, -signal.SIGKILL)
            self.kills += process.exitcode != 0
            return list(_all(here))
        finally:
            process.kill()
            process.join(_SECONDS)


def _all(here: Connection) -> Any:
    try:
        while here.poll():
            yield here.recv()
    except EOFError:
        return
