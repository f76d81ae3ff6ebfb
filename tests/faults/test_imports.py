"""A sheet that is brought in while the processes that do it are killed: before a part is committed and behind it. Every row is in once."""

from __future__ import annotations

import asyncio
import signal

import pytest
import sqlalchemy as sa

from builder.kernel.limits import IMPORT_ROWS
from tests.faults.ticking import audit_later, begin, open_later, tick_until_quiet
from tests.support.office import Office, on

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
ROWS = 3 * IMPORT_ROWS + 7
COPIED = {
    "type": "create_record",
    "entity": "region",
    "run": "after",
    "values": [{"field": "name", "formula": "title"}],
}


def sheet() -> bytes:
    """Orders with unique codes; every hundredth names a customer that there is not."""
    rows = [f"单 {n},{'无' if n % 100 == 0 else '甲'},C{'AB'[n % 2]}-{n}" for n in range(1, ROWS + 1)]
    return "\n".join(["title,customer,code", *rows]).encode()


async def test_killed_again_and_again_every_row_is_in_once(office: Office) -> None:
    office.automate(on({"type": "created"}, COPIED, condition='RIGHT(code, 2) = "50"'))
    await office.create("customer", name="甲")
    headers = {"content-type": "application/octet-stream", "idempotency-key": "sheet-1"}
    jobs = set()
    for _ in range(2):  # the answer got lost: once more
        reply = await office.send("POST", "records/order/import", content=sheet(), headers=headers)
        assert reply.status_code == 202, reply.text
        jobs.add(reply.json()["data"]["job_id"])
    (job_id,) = jobs
    days, done = 0.01, 0
    for point in ("write.commit:2", "import.part:1"):
        with begin(office.url, days, point) as process:
            assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
        days += 0.01  # the lease of the one before has run out
        done = await behind(office, job_id)
    assert IMPORT_ROWS <= done < ROWS
    await tick_until_quiet(open_later(office.url, days))
    job = office.services.jobs.get_job(job_id)
    refused = ROWS // 100
    assert (job.state, job.done_count) == ("done", ROWS)
    assert job.result["created_count"] == ROWS - refused
    assert job.result["refused_count"] == refused == len(office.services.imports.refused(job_id, after=0, limit=500))
    titles = [order["title"] for order in await office.every("order")]
    assert sorted(titles) == sorted(f"单 {n}" for n in range(1, ROWS + 1) if n % 100)
    copies = sorted(region["name"] for region in await office.every("region"))
    assert copies == sorted(f"单 {n}" for n in range(1, ROWS + 1) if n % 100 == 50)
    with office.services.database.snapshot() as connection:
        left = connection.scalar(sa.text("SELECT count(*) FROM dougong_import_part WHERE rows IS NOT NULL"))
    assert left == 0
    assert await asyncio.to_thread(audit_later, office.url) == []


async def behind(office: Office, job_id: str) -> int:
    """How many rows it has done with."""
    job = await asyncio.to_thread(office.services.jobs.get_job, job_id)
    return job.done_count
