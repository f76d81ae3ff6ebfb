"""Computing fields of many records in a process of its own, so that it can be killed in the middle: ``python -m tests.faults.computing URL``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.clock import MovableClock
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.registry.registry import load_published
from runtime.app import App
from runtime.app import create_app as create_instance
from runtime.records.caller import system_caller
from runtime.settings import Settings
from tests.support.computed_app import APP, stale_values
from tests.support.service import START

ROOT = Path(__file__).resolve().parents[2]
PAYMENTS = 11_000
CALLER = system_caller("wide-0001", "rest")


@asynccontextmanager
async def instance(url: str, *, later: int = 0) -> AsyncIterator[App]:
    """An instance of which only the jobs run, at so many minutes after the start."""
    settings = Settings(database_url=url, background=False, secret_keys=("test",))  # type: ignore[arg-type] # read as a secret
    app = create_instance(settings, clock=MovableClock(START + timedelta(minutes=later)))
    async with app.running():
        yield app


async def prepare(app: App) -> str:
    """Publish the shop with one customer whom more payments look up than a write may keep waiting; return the customer's id."""
    services = app.services
    create_app(services.registry, parse_definition(APP), None)
    publish_draft(services.registry, "shop", base_version=0, plan_hash=None)
    written = await services.records.create(CALLER, "shop", "customer", {"name": "甲", "level": "a"})
    customer = str(written.record["id"])
    published = load_published(services.registry, "shop")
    assert published is not None
    table = published.app.entities["payment"].table
    now = services.clock.now()
    row = {"revision": 1, "created_at": now, "updated_at": now, "customer": customer, "level": "a", "done": True}
    rows = [
        {**row, "id": services.ids.record_id(), "amount": 1, "rate": 0, "tax": 0, "gross": 1, "share": 0}
        for _ in range(PAYMENTS)
    ]
    with services.database.transaction() as connection:
        connection.execute(sa.insert(table), rows)
    return customer


async def compute(app: App) -> None:
    """Run jobs until there are none."""
    runner = app.services.job_runner
    while await runner.run_due(app.services.clock.now()):
        await runner.settle()


def stale(app: App) -> list[tuple[str, str, int]]:
    """Which stored values of payments are not what they should be."""
    published = load_published(app.services.registry, "shop")
    assert published is not None
    return [found for found in stale_values(app.services.database, published.app) if found[:2] == ("payment", "level")]


async def _run(url: str, later: int) -> None:
    async with instance(url, later=later) as app:
        await compute(app)


def compute_until_crash(url: str, passage: int, later: int) -> bool:
    """Run jobs in a process that dies at a passage of ``recompute.chunk``; tell whether it was killed."""
    environment = {**os.environ, "DOUGONG_CRASH_AT": f"recompute.chunk:{passage}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.faults.computing", url, str(later)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
