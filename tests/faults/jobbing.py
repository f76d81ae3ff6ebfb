"""Jobs in processes of their own, to be killed, stopped and raced: ``python -m tests.faults.jobbing URL``.

The job counts: each step puts one number into a table that takes any number twice, so a step that counted twice is seen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from builder.kernel.clock import Clock, SystemClock
from builder.kernel.ids import SystemIds
from builder.store.database import Database, open_database
from runtime.jobs.rows import JobRows
from runtime.jobs.runner import JobRunner, Running
from runtime.observe.logs import make_log

ROOT = Path(__file__).resolve().parents[2]
STEPS = 40
counted = sa.Table("fault_counted", sa.MetaData(), sa.Column("number", sa.Integer), sa.Column("runner", sa.Integer))


class Counting:
    """Counts to ``STEPS``, a transaction a number."""

    name = "counting"

    async def run(self, running: Running) -> Any:
        """Go on from where it stands."""
        for number in range(running.checkpoint or 0, STEPS):
            await asyncio.to_thread(_count, running, number)
        return STEPS


def _count(running: Running, number: int) -> None:
    def work(connection: sa.Connection) -> int:
        connection.execute(sa.insert(counted).values(number=number, runner=os.getpid()))
        return 1

    running.step(work, lambda: number + 1)
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def rows_of(database: Database, clock: Clock) -> JobRows:
    """The rows of jobs by a clock."""
    return JobRows(database, clock, SystemIds(clock))


def runner_of(database: Database, clock: Clock, **options: Any) -> JobRunner:
    """A runner that can count."""
    return JobRunner(rows_of(database, clock), (Counting(),), make_log(clock, form="json", level="error"), **options)


async def _work(url: str) -> None:
    """Run what there is until nothing is left that may run now."""
    clock, database = SystemClock(), open_database(url)
    runner = runner_of(database, clock)
    while await runner.run_due(clock.now()):
        await runner.until_idle()
    database.close()


def begin(url: str) -> subprocess.Popen[str]:
    """Begin to work in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.faults.jobbing", url]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], number: int) -> int:
    """Wait until it has counted so many numbers more, or is over; return how many it has."""
    assert process.stdout is not None
    seen = 0
    while seen < number and process.stdout.readline():
        seen += 1
    return seen


def prepare(database: Database) -> str:
    """Make the table and put the job down; return its id."""
    with database.transaction() as connection:
        counted.create(connection)
        return rows_of(database, SystemClock()).start(connection, "counting", {}, total=STEPS)


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
