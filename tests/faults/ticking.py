"""A whole instance that does what is due until nothing is, in a process of its own: ``python -m tests.faults.ticking URL DAYS``."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from builder.kernel.clock import Clock, MovableClock
from builder.kernel.text import Text
from runtime.app import App, create_app
from runtime.invariants import audit
from runtime.settings import Settings
from tests.support.service import START

ROOT = Path(__file__).resolve().parents[2]


def open_later(url: str, days: float, clock: Clock | None = None) -> App:
    """An instance whose clock is so many days later than tests begin, unless it is given."""
    settings = Settings(
        database_url=url,
        background=False,
        secret_keys=("test",),  # type: ignore[arg-type] # read as a secret
        outbound_allow=("127.0.0.1",),
        upkeep_cron="",
    )
    return create_app(settings, clock=clock or MovableClock(START + timedelta(days=days)))


async def tick_until_quiet(app: App) -> None:
    """Do what is due until nothing is."""
    async with app.running():
        await app.services.ticker.until_quiet()


def audit_later(url: str, clock: Clock | None = None) -> list[Text]:
    """What the audit finds, asked of an instance of its own: one that runs has its connections on its own loop."""
    app = open_later(url, 1, clock)
    try:
        return audit(app.services)
    finally:
        app.services.database.close()


def begin(url: str, days: float, crash_at: str = "") -> subprocess.Popen[bytes]:
    """Begin in a process of its own, which dies at a point if one is given."""
    environment = {**os.environ, "DOUGONG_CRASH_AT": crash_at, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.faults.ticking", url, str(days)]
    return subprocess.Popen(command, env=environment, cwd=ROOT)


if __name__ == "__main__":
    asyncio.run(tick_until_quiet(open_later(sys.argv[1], float(sys.argv[2]))))
