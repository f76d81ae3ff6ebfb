"""Records from a sheet: columns found, cells read, names resolved, rows refused with their reasons; a job to watch, cancel and go on with."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import pytest
import xlsxwriter

from tests.support.desk import Desk, one
from tests.support.service import problem

pytestmark = pytest.mark.anyio
JSON = Any


def text_sheet(*lines: list[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue().encode()


def excel_sheet(*lines: list[Any]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        sheet = book.add_worksheet()
        for place, line in enumerate(lines):
            sheet.write_row(place, 0, line)
    return content.getvalue()


async def send(desk: Desk, entity: str, content: bytes, key: str = "", **params: str) -> httpx.Response:
    headers = {"content-type": "application/octet-stream"} | ({"idempotency-key": key} if key else {})
    return await desk.send("POST", f"records/{entity}/import", content=content, headers=headers, params=params)


async def finish(desk: Desk) -> None:
    runner, clock = desk.service.app.services.job_runner, desk.service.clock
    while await runner.run_due(clock.now()):
        await runner.settle()


async def bring_in(desk: Desk, entity: str, content: bytes, **params: str) -> JSON:
    """Bring a sheet in that has to be taken; return the job when it is over."""
    reply = await send(desk, entity, content, **params)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    return one(await desk.client.get(reply.headers["location"]))


async def refused(desk: Desk, job: JSON) -> dict[int, dict[str, str]]:
    """Line -> field -> code of the rows that were refused."""
    reply = await desk.send("GET", f"imports/{job['id']}/refused", params={"limit": 500})
    assert reply.status_code == 200, reply.text
    return {row["line"]: {e["field"]: e["code"] for e in row["errors"]} for row in reply.json()["data"]}


async def test_columns_by_key_or_label_and_cells_as_people_write_them(desk: Desk):
    desk.service.add_user("zhang", name="张三")
    await desk.create("region", name="华东")
    content = excel_sheet(
        ["name", "level栏", "region", "owner", "tags栏"],
        ["甲公司", "A 级", "华东", "张三", "重要;new"],
        ["乙公司", "B", "", "zhang", ""],
    )
    job = await bring_in(desk, "customer", content)
    assert (job["state"], job["done_count"], job["total_count"]) == ("done", 2, 2)
    assert job["result"] == {
        "created_count": 2, "updated_count": 0, "unchanged_count": 0, "refused_count": 0, "dry_run": False,
    }  # fmt: skip
    first, second = sorted(await desk.every("customer"), key=lambda customer: customer["created_at"] + customer["id"])
    assert (first["name"], first["level"], first["tags"]) == ("甲公司", "A", ["vip", "new"])
    assert (second["level"], second["region"], second["tags"]) == ("B", None, [])
    assert first["owner"] == second["owner"] is not None
    assert (await desk.every("region"))[0]["id"] == first["region"]


async def test_rows_that_break_a_rule_are_refused_with_reasons_and_come_back_as_a_sheet(desk: Desk):
    await desk.create("customer", name="甲")
    for _ in range(2):
        await desk.create("customer", name="双")
    content = text_sheet(
        ["title", "customer", "amount", "code"],
        ["好的订单", "甲", "1,200.50", "AB-1"],
        ["好的订单", "没有这家", "-5", ""],
        ["好的订单", "双", "", ""],
        ["x", "甲", "abc", ""],
        ["又一单", "甲", "", "AB-1"],
        ["=1+1", "甲", "", "AB-2"],
    )
    job = await bring_in(desk, "order", content)
    assert (job["state"], job["result"]["created_count"], job["result"]["refused_count"]) == ("done", 2, 4)
    found = await refused(desk, job)
    assert found[3] == {"customer": "reference", "amount": "minimum"}  # all at once
    assert found[4] == {"customer": "ambiguous"}
    assert found[5].keys() == {"title", "amount"}
    assert found[6] == {"code": "unique"}
    assert {order["amount"] for order in await desk.every("order")} == {Decimal("1200.50"), None}
    reply = await desk.send("GET", f"imports/{job['id']}/refused", params={"format": "csv"})
    lines = list(csv.reader(io.StringIO(reply.content.decode("utf-8-sig"))))
    assert lines[0] == ["title", "customer", "amount", "code", "未导入的原因"]
    assert lines[1][:4] == ["好的订单", "没有这家", "-5", ""]
    mended = [[*line[:1], "甲", "7", *line[3:]] if line[0] == "好的订单" else line for line in lines]
    again = await bring_in(desk, "order", text_sheet(*mended))  # as it is, with the column of reasons
    assert (again["result"]["created_count"], again["result"]["refused_count"]) == (2, 2)


async def test_unknown_columns_are_refused_at_once_unless_they_are_said_to_mean_something(desk: Desk):
    content = text_sheet(["客户名", "备注", "nmae"], ["甲", "随便", "乙"])
    found = problem(await send(desk, "customer", content), "import.invalid")
    assert [error["params"]["column"] for error in found["errors"]] == ["客户名", "备注", "nmae"]
    assert "name" in found["errors"][2]["detail"]
    problem(await send(desk, "customer", content, columns='{"别的": "name"}'), "query.invalid")
    problem(await send(desk, "customer", content, columns="[]"), "query.invalid")
    two = problem(await send(desk, "customer", content, columns='{"客户名": "name", "nmae": "name"}'), "import.invalid")
    assert [error["code"] for error in two["errors"]] == ["unknown", "duplicate"]
    job = await bring_in(desk, "customer", content, columns='{"客户名": "name", "备注": null, "nmae": null}')
    assert job["result"]["created_count"] == 1
    assert [customer["name"] for customer in await desk.every("customer")] == ["甲"]
    problem(await send(desk, "customer", b"\x00\x01"), "import.unreadable")


async def test_a_unique_set_makes_it_an_upsert_and_blank_cells_say_nothing(desk: Desk):
    customer = await desk.create("customer", name="甲")
    await desk.create("order", title="旧的", customer=customer["id"], code="AB-1", note="不变")
    content = text_sheet(["code", "title", "customer", "note"], ["AB-1", "新的", "", ""], ["AB-2", "另一个", "甲", ""])
    problem(await send(desk, "order", content, by="title"), "query.invalid")
    problem(await send(desk, "order", text_sheet(["title"], ["新的"]), by="code"), "import.invalid")
    job = await bring_in(desk, "order", content, by="code")
    assert (job["result"]["created_count"], job["result"]["updated_count"]) == (1, 1)
    orders = {order["code"]: order for order in await desk.every("order")}
    assert (orders["AB-1"]["title"], orders["AB-1"]["note"]) == ("新的", "不变")
    again = await bring_in(desk, "order", content, by="code")
    assert (again["result"]["unchanged_count"], again["result"]["refused_count"]) == (2, 0)


async def test_a_dry_run_says_what_would_be_refused_and_writes_nothing(desk: Desk):
    content = text_sheet(["name", "level"], ["甲", "A"], ["乙", "没有"])
    job = await bring_in(desk, "customer", content, dry_run="true")
    assert job["result"]["dry_run"] is True
    assert (job["result"]["created_count"], job["result"]["refused_count"]) == (1, 1)
    assert (await refused(desk, job))[3].keys() == {"level"}
    assert await desk.every("customer") == []


async def test_one_key_is_one_job(desk: Desk):
    content = text_sheet(["name"], ["甲"])
    first, second = await send(desk, "customer", content, "k1"), await send(desk, "customer", content, "k1")
    assert (second.status_code, second.headers["idempotency-replayed"]) == (202, "true")
    assert first.json() == second.json()
    problem(await send(desk, "customer", text_sheet(["name"], ["乙"]), "k1"), "request.key_reused")
    await finish(desk)
    assert len(await desk.every("customer")) == 1


async def test_cancelled_between_parts_it_keeps_what_is_in_and_goes_on_when_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runtime.imports.parts.IMPORT_ROWS", 3)
    monkeypatch.setattr("runtime.imports.records.IMPORT_ROWS", 3)
    content = text_sheet(["name", "level"], *([f"客户 {n}", "A" if n != 4 else "?"] for n in range(8)))
    reply = await send(desk, "customer", content)
    job_id = reply.json()["data"]["job_id"]
    jobs = desk.service.app.services.jobs
    claimed = jobs.claim(["import"])
    assert claimed is not None
    jobs.cancel(job_id)  # while it runs: it stops behind the part it is in
    jobs.release(claimed)
    await finish(desk)
    job = one(await desk.client.get(f"/api/jobs/{job_id}"))
    assert (job["state"], job["done_count"]) == ("cancelled", 3)
    assert len(await desk.every("customer")) == 3
    assert (await desk.client.post(f"/api/jobs/{job_id}/retry")).status_code == 200
    await finish(desk)
    job = one(await desk.client.get(f"/api/jobs/{job_id}"))
    assert (job["state"], job["result"]["created_count"], job["result"]["refused_count"]) == ("done", 7, 1)
    assert sorted(customer["name"] for customer in await desk.every("customer")) == [
        f"客户 {n}" for n in range(8) if n != 4
    ]
    page = (await desk.send("GET", f"imports/{job_id}/refused", params={"limit": 1})).json()
    assert ([row["line"] for row in page["data"]], page["meta"]) == ([6], {"after": None})


async def test_who_has_left_brings_nothing_in_and_others_do_not_see_what_was_refused(desk: Desk):
    desk.service.add_user("wang")
    desk.service.add_user("li")
    content = text_sheet(["name", "level"], ["甲", "?"])
    async with desk.service.client_of("wang", "records:read", "records:write") as client:
        wang = Desk(desk.service, client)
        job = await bring_in(wang, "customer", content)
        assert (await refused(wang, job)).keys() == {2}
        reply = await send(wang, "customer", text_sheet(["name"], ["乙"]))
    async with desk.service.client_of("li", "records:read", "records:write") as client:
        li = Desk(desk.service, client)
        problem(await li.send("GET", f"imports/{job['id']}/refused"), "job.not_found")
    async with desk.service.client_of("li", "records:read") as client:
        problem(await send(Desk(desk.service, client), "customer", content), "access.denied")
    users = desk.service.identity.users
    wang_user = users.find_by_username("wang")
    assert wang_user is not None
    users.update_user(wang_user.id, {"active": False})
    await finish(desk)
    left = desk.service.app.services.jobs.get_job(reply.json()["data"]["job_id"])
    assert left.state == "failed"
    assert await desk.every("customer") == []
