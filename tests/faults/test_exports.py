"""A list that is taken out while the processes that do it are killed: before a part is committed and behind it. Every row is there once."""

from __future__ import annotations

import asyncio
import csv
import io
import signal

import pytest
from python_calamine import load_workbook

from builder.kernel.limits import PAGE_RECORDS
from tests.faults.ticking import begin, open_later, tick_until_quiet
from tests.support.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
ROWS = 2 * PAGE_RECORDS + 7


async def test_killed_again_and_again_every_row_is_there_once(office: Office) -> None:
    await office.create_many("region", [{"name": f"区 {n:04d}"} for n in range(ROWS)])
    reply = await office.send("POST", "records/region/export", {"fields": ["name"], "sort": ["name"]})
    assert reply.status_code == 202, reply.text
    job_id = reply.json()["data"]["job_id"]
    days = 0.01
    for point in ("write.commit:2", "export.part:1"):
        with begin(office.url, days, point) as process:
            assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
        days += 0.01  # the lease of the one before has run out
    assert PAGE_RECORDS <= (await asyncio.to_thread(office.services.jobs.get_job, job_id)).done_count < ROWS
    await tick_until_quiet(open_later(office.url, days))
    content = (await office.send("GET", f"exports/{job_id}")).content.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(content)))
    assert [line[0] for line in lines[1:]] == [f"区 {n:04d}" for n in range(ROWS)]


async def test_killed_while_it_is_bound_the_workbook_is_whole(office: Office) -> None:
    await office.create_many("region", [{"name": f"区 {n:04d}"} for n in range(PAGE_RECORDS + 7)])
    body = {"fields": ["name"], "sort": ["name"], "format": "xlsx"}
    reply = await office.send("POST", "records/region/export", body)
    job_id = reply.json()["data"]["job_id"]
    days = 0.01
    for point in ("export.part:2", "write.commit:1", "export.piece:1"):
        with begin(office.url, days, point) as process:
            assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
        days += 0.01
    await tick_until_quiet(open_later(office.url, days))
    content = (await office.send("GET", f"exports/{job_id}")).content
    _, *rows = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert [row[0] for row in rows] == [f"区 {n:04d}" for n in range(PAGE_RECORDS + 7)]
