"""Jobs under fire: killed at random moments, stopped beyond the lease, cancelled in a race. Each step counts once.

``DOUGONG_TEST_RACES`` sets the number of races for a longer run by hand.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock, SystemClock
from builder.kernel.problems import Problem
from builder.store.database import Database, open_database
from runtime.jobs.rows import LEASE, TRIES
from runtime.jobs.runner import Cancelled, JobRunner, Running
from runtime.observe.logs import make_log
from tests.faults.jobbing import STEPS, begin, counted, prepare, rows_of, runner_of, wait_for
from tests.support.timing import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
ONCE = Counter(range(STEPS))
RACES = int(os.environ.get("DOUGONG_TEST_RACES", "100"))


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    yield database
    database.close()


def numbers(database: Database) -> Counter[int]:
    with database.snapshot() as connection:
        return Counter(connection.scalars(sa.select(counted.c.number)))


async def finish(runner: JobRunner, clock: Any) -> None:
    while await runner.run_due(clock.now()):
        await runner.until_idle()


async def test_killed_again_and_again_at_random_moments(migrated_database_url: str):
    chance = random.Random(5)
    with opened(migrated_database_url) as database:
        job_id = prepare(database)
        clock = MovableClock(SystemClock().now())
        kills = 0
        for _ in range(6):
            with begin(migrated_database_url) as process:
                seen = await asyncio.to_thread(wait_for, process, chance.randint(1, 6))
                process.send_signal(signal.SIGKILL)
            kills += seen > 0
            with database.transaction() as connection:  # the lease runs out
                connection.execute(sa.text("UPDATE dougong_job SET lease_until = NULL"))
        assert kills >= 3
        await finish(runner_of(database, clock), clock)
        assert numbers(database) == ONCE
        job = rows_of(database, clock).get_job(job_id)
        assert (job.state, job.done_count, job.result) == ("done", STEPS, STEPS)


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_stopped_beyond_the_lease_nothing_counts_twice(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        job_id = prepare(database)
        process = begin(migrated_database_url)
        assert process.stdout is not None
        assert await asyncio.to_thread(wait_for, process, 5) == 5
        process.send_signal(signal.SIGSTOP)
        later = MovableClock(SystemClock().now() + LEASE + timedelta(seconds=5))
        other = runner_of(database, later)
        for _ in range(100):  # stopped inside a step it still holds the row, and nobody can take the job over
            if await other.run_due(later.now()):
                break
            process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(wait_for, process, 1)
            process.send_signal(signal.SIGSTOP)
        await finish(other, later)
        process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0
        assert numbers(database) == ONCE
        job = rows_of(database, later).get_job(job_id)
        assert (job.state, job.done_count) == ("done", STEPS)
        with database.snapshot() as connection:
            assert len(set(connection.scalars(sa.select(counted.c.runner)))) == 2


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_four_processes_run_a_job_once(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        prepare(database)
        processes = [begin(migrated_database_url) for _ in range(4)]
        for process in processes:
            await asyncio.to_thread(process.communicate, timeout=100)
        assert [process.returncode for process in processes] == [0] * 4
        assert numbers(database) == ONCE
        with database.snapshot() as connection:
            assert len(set(connection.scalars(sa.select(counted.c.runner)))) == 1


class Slow:
    """A job of one step that takes many times the lease."""

    name = "slow"

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.runs = 0
        self.over = False

    async def run(self, running: Running) -> str:
        self.runs += 1
        for _ in range(5):
            self.clock.advance(LEASE * 0.8)
            longer = partial(is_longer, running.rows.database, lease(running.rows.database))
            assert await asyncio.to_thread(wait_until, longer)  # the beat comes on the machine's clock
        self.over = True
        return "slow"


def is_longer(database: Database, before: Any) -> bool:
    return bool(lease(database) > before)


def lease(database: Database) -> Any:
    with database.snapshot() as connection:
        return connection.execute(sa.text("SELECT lease_until FROM dougong_job")).scalar_one()


async def test_a_step_longer_than_the_lease_keeps_it_while_its_process_lives(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        clock = MovableClock(SystemClock().now())
        rows, slow = rows_of(database, clock), Slow(clock)
        log = make_log(clock, form="json", level="error")
        with database.transaction() as connection:
            job_id = rows.start(connection, "slow", {})
        first = JobRunner(rows, (slow,), log, beat_seconds=0.001)
        second = JobRunner(rows, (slow,), log)
        await first.run_due(clock.now())
        while not slow.over:
            assert await second.run_due(clock.now()) == 0
        await finish(first, clock)
        assert (slow.runs, rows.get_job(job_id).state) == (1, "done")


async def test_a_job_that_kills_its_process_is_given_up(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        clock = MovableClock(SystemClock().now())
        rows = rows_of(database, clock)
        with database.transaction() as connection:
            job_id = rows.start(connection, "counting", {})
        for _ in range(TRIES):
            assert rows.claim(["counting"]) is not None  # and its process dies
            clock.advance(LEASE)
        assert rows.claim(["counting"]) is None
        job = rows.get_job(job_id)
        assert job.state == "failed"
        assert job.error is not None
        assert job.error.zh.startswith(f"运行它的进程连续 {TRIES} 次中途退出")


async def test_who_gets_on_is_not_given_up(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        clock = MovableClock(SystemClock().now())
        rows = rows_of(database, clock)
        with database.transaction() as connection:
            rows.start(connection, "counting", {})
        for number in range(TRIES * 2):
            job = rows.claim(["counting"])
            assert job is not None
            with database.transaction() as connection:
                rows.report(connection, job, done=number, total=None, checkpoint=number)
            clock.advance(LEASE)


async def test_let_go_at_the_end_it_goes_on_at_once(migrated_database_url: str):
    with opened(migrated_database_url) as database:
        prepare(database)
        clock = MovableClock(SystemClock().now())
        first, second = runner_of(database, clock), runner_of(database, clock)
        await first.run_due(clock.now())
        await first.stop()
        await finish(second, clock)
        assert numbers(database) == ONCE


async def test_cancel_races_with_the_end(migrated_database_url: str):
    """Whoever was told that the job is cancelled finds it cancelled; nobody ends it twice."""
    with opened(migrated_database_url) as database:
        clock = MovableClock(SystemClock().now())
        rows = rows_of(database, clock)
        told: Counter[str] = Counter()
        for _ in range(RACES):
            with database.transaction() as connection:
                job_id = rows.start(connection, "counting", {})
            job = rows.claim(["counting"])
            assert job is not None
            ended, asked = await asyncio.gather(
                asyncio.to_thread(_step_and_end, database, rows, job), asyncio.to_thread(_cancel, rows, job_id)
            )
            state = rows.get_job(job_id).state
            told[state] += 1
            assert state == ended
            if state == "cancelled":
                assert asked == "asked"
        assert sum(told.values()) == RACES


def _step_and_end(database: Database, rows: Any, job: Any) -> str:
    running = Running(job, rows, None, 0)
    try:
        running.step(lambda _: 1, lambda: 1)
    except Cancelled:
        assert rows.end(job, "cancelled")
        return "cancelled"
    assert rows.end(job, "done")
    return "done"


def _cancel(rows: Any, job_id: str) -> str:
    try:
        rows.cancel(job_id)
    except Problem as problem:
        return problem.code
    return "asked"
