"""Firing timers in a process of its own, so that it can be killed in the middle: ``python -m tests.faults.timing URL``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from builder.kernel.clock import MovableClock
from runtime.app import App, create_app
from runtime.settings import Settings
from tests.support.service import START

ROOT = Path(__file__).resolve().parents[2]
LATER = START + timedelta(days=20)


def open_instance(url: str) -> App:
    """An instance whose clock says that everything is due."""
    settings = Settings(database_url=url, background=False, secret_keys=("test",))  # type: ignore[arg-type] # read as a secret
    return create_app(settings, clock=MovableClock(LATER))


async def drain(app: App) -> int:
    """Fire until nothing is due; return how many steps were done."""
    fired = 0
    while True:
        done = await app.services.timers.tick()
        fired += done.fired
        if not done.fired and not done.looked_at:
            return fired


def share(url: str, told: Connection) -> None:
    """Wait for the word, fire until nothing is due, and tell how many steps were done and how long it took."""
    asyncio.run(_share(url, told))


async def _share(url: str, told: Connection) -> None:
    app = open_instance(url)
    async with app.running():
        told.send("ready")
        await asyncio.to_thread(told.recv)
        began = time.perf_counter()
        told.send((await drain(app), time.perf_counter() - began))


async def _run(url: str) -> None:
    app = open_instance(url)
    async with app.running():
        sys.stdout.write(f"{await drain(app)}\n")


def fire_until_crash(url: str, passage: int) -> bool:
    """Fire in a process that dies at a passage of ``timer.fire``; tell whether it was killed."""
    environment = {**os.environ, "DOUGONG_CRASH_AT": f"timer.fire:{passage}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.faults.timing", url]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
