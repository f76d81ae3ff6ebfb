"""A job that computes fields, killed in the middle: another goes on from its checkpoint, and all values end right."""

from __future__ import annotations

import asyncio

import pytest

from runtime.app import App
from runtime.jobs.rows import Job
from runtime.query.request import ListRequest
from tests.faults.computing import CALLER, PAYMENTS, compute, compute_until_crash, instance, prepare, stale

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


def the_job(app: App) -> Job:
    (job,) = app.services.jobs.list_jobs(app="shop")
    return job


async def pending(app: App) -> list[list[str]]:
    page = await app.services.records.list_page(CALLER, "shop", "payment", ListRequest(limit=1))
    return [job["fields"] for job in page.pending]


async def test_killed_while_computing(migrated_database_url: str):
    async with instance(migrated_database_url) as app:
        customer = await prepare(app)
        await app.services.records.update(CALLER, "shop", "customer", customer, {"level": "b"}, None)
        assert stale(app) == [("payment", "level", PAYMENTS)]
    for passage, later in ((2, 2), (3, 4)):
        assert await asyncio.to_thread(compute_until_crash, migrated_database_url, passage, later), "it was over before"
    async with instance(migrated_database_url, later=4) as app:
        job = the_job(app)
        assert job.state == "running"
        assert 0 < job.done_count < PAYMENTS
        ((_, _, left),) = stale(app)
        assert 0 < left <= PAYMENTS - job.done_count
        assert await pending(app) == [["level"]]
        await compute(app)
        assert the_job(app).done_count == job.done_count  # the dead runner's lease has not run out yet
    async with instance(migrated_database_url, later=6) as app:
        await compute(app)
        job = the_job(app)
        assert (job.state, job.done_count, job.total_count) == ("done", PAYMENTS, PAYMENTS)
        assert stale(app) == []
        assert await pending(app) == []


async def test_a_cancelled_job_leaves_word_and_goes_on_when_asked(migrated_database_url: str):
    async with instance(migrated_database_url) as app:
        customer = await prepare(app)
        await app.services.records.update(CALLER, "shop", "customer", customer, {"level": "b"}, None)
        jobs = app.services.jobs
        jobs.cancel(the_job(app).id)
        await compute(app)
        assert the_job(app).state == "cancelled"
        assert await pending(app) == [["level"]]  # the values are what they were, and it is said
        jobs.retry(the_job(app).id)
        await compute(app)
        assert the_job(app).state == "done"
        assert stale(app) == []


async def test_an_instance_stops_while_it_computes(migrated_database_url: str):
    async with instance(migrated_database_url) as app:
        customer = await prepare(app)
        await app.services.records.update(CALLER, "shop", "customer", customer, {"level": "b"}, None)
        under_way = asyncio.create_task(app.services.job_runner.run_due(app.services.clock.now()))
        while the_job(app).done_count == 0:
            await asyncio.to_thread(the_job, app)
        stopping = asyncio.create_task(app.services.job_runner.stop())
    await asyncio.wait_for(asyncio.gather(under_way, stopping), 30)
    async with instance(migrated_database_url, later=2) as app:
        await compute(app)
        assert stale(app) == []
