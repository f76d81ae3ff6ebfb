"""Records as a sheet: cells as people read them and an import takes them back; a job to cancel and go on with; for its owner alone."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import httpx
import pytest

from builder.kernel.limits import PAGE_RECORDS
from tests.api.records.test_imports import bring_in, finish
from tests.support.desk import Desk, one
from tests.support.service import problem

pytestmark = pytest.mark.anyio
JSON = Any


async def order(desk: Desk, entity: str, key: str = "", **members: JSON) -> httpx.Response:
    headers = {"accept-language": "zh"} | ({"idempotency-key": key} if key else {})
    return await desk.send("POST", f"records/{entity}/export", members, headers=headers)


async def take_out(desk: Desk, entity: str, **members: JSON) -> bytes:
    reply = await order(desk, entity, **members)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    job = one(await desk.client.get(reply.headers["location"]))
    assert job["state"] == "done", job
    sheet = await desk.send("GET", f"exports/{job['id']}")
    assert sheet.status_code == 200, sheet.text
    assert sheet.headers["content-disposition"].startswith("attachment")
    return sheet.content


def lines_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


async def test_what_went_out_comes_back(desk: Desk) -> None:
    desk.service.add_user("zhang", name="张三")
    await desk.create("region", name="华东")
    user = desk.service.identity.users.find_by_username("zhang")
    assert user is not None
    region = (await desk.every("region"))[0]["id"]
    await desk.create("customer", name="=1+1", level="A", region=region, owner=user.id, tags=["vip", "new"])
    content = await take_out(desk, "customer", fields=["name", "level", "region", "owner", "tags"])
    assert content.startswith("\ufeff".encode())
    line = lines_of(content)[1]
    assert line[0] == "'=1+1"
    assert line[2:4] == ["华东", "张三"]
    job = await bring_in(desk, "customer", content)
    assert (job["result"]["created_count"], job["result"]["refused_count"]) == (1, 0)
    first, second = await desk.every("customer")
    for key in ("name", "level", "region", "owner", "tags"):
        assert first[key] == second[key]


async def test_filter_and_order_hold_and_the_rest_is_refused_at_once(desk: Desk) -> None:
    for name, level in (("a", "A"), ("b", "B"), ("c", "A")):
        await desk.create("customer", name=name, level=level)
    content = await take_out(desk, "customer", filter={"level": {"_eq": "A"}}, sort=["-name"], fields=["name"])
    assert [line[0] for line in lines_of(content)[1:]] == ["c", "a"]
    for members in ({"limit": 5}, {"format": "pdf"}, {"fields": ["region.name"]}):
        problem(await order(desk, "customer", **members), "query.invalid")


async def test_one_key_is_one_job_and_one_event(desk: Desk) -> None:
    first, second = await order(desk, "customer", "k1"), await order(desk, "customer", "k1")
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    with desk.service.app.services.database.snapshot() as connection:
        found = connection.exec_driver_sql("SELECT detail FROM dougong_security_event WHERE kind = 'export'").all()
    assert len(found) == 1
    assert '"entity":"customer"' in found[0][0]
    problem(await desk.send("GET", f"exports/{first.json()['data']['job_id']}"), "export.not_ready")


async def test_cancelled_between_parts_it_goes_on_when_asked_and_doubles_nothing(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr("runtime.exports.records.PAGE_RECORDS", 3)
    await desk.create_many("customer", [{"name": f"客户 {n}"} for n in range(8)])
    reply = await order(desk, "customer", fields=["name"], sort=["name"])
    job_id = reply.json()["data"]["job_id"]
    jobs = desk.service.app.services.jobs
    claimed = jobs.claim(["export"])
    assert claimed is not None
    jobs.cancel(job_id)
    jobs.release(claimed)
    await finish(desk)
    job = one(await desk.client.get(f"/api/jobs/{job_id}"))
    assert (job["state"], job["done_count"]) == ("cancelled", 3)
    problem(await desk.send("GET", f"exports/{job_id}"), "export.not_ready")
    assert (await desk.client.post(f"/api/jobs/{job_id}/retry")).status_code == 200
    await finish(desk)
    content = (await desk.send("GET", f"exports/{job_id}")).content
    assert [line[0] for line in lines_of(content)[1:]] == [f"客户 {n}" for n in range(8)]
    assert PAGE_RECORDS > 8


async def test_others_get_no_file_and_who_has_left_neither(desk: Desk) -> None:
    for name in ("wang", "li"):
        desk.service.add_user(name)
    async with desk.service.client_of("wang", "records:read", "records:write") as client:
        job_id = (await order(Desk(desk.service, client), "customer")).json()["data"]["job_id"]
        await finish(desk)
        assert (await Desk(desk.service, client).send("GET", f"exports/{job_id}")).status_code == 200
        waiting = (await order(Desk(desk.service, client), "customer")).json()["data"]["job_id"]
    async with desk.service.client_of("li", "records:read") as client:
        problem(await Desk(desk.service, client).send("GET", f"exports/{job_id}"), "job.not_found")
    wang = desk.service.identity.users.find_by_username("wang")
    assert wang is not None
    desk.service.identity.users.update_user(wang.id, {"active": False})
    await finish(desk)
    assert desk.service.app.services.jobs.get_job(waiting).state == "failed"


async def test_more_rows_than_an_import_takes_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.exports.records.EXPORT_ROWS", 2)
    await desk.create_many("customer", [{"name": name} for name in "abc"])
    problem(await order(desk, "customer"), "export.too_large")
    assert len(lines_of(await take_out(desk, "customer", filter={"name": {"_neq": "a"}}))) == 3


async def test_a_search_and_moments_in_english(desk: Desk) -> None:
    await desk.create_many("customer", [{"name": name} for name in ("alpha", "beta")])
    headers = {"accept-language": "en"}
    members = {"search": "alp", "fields": ["name", "created_at"]}
    reply = await desk.send("POST", "records/customer/export", members, headers=headers)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    content = (await desk.send("GET", f"exports/{reply.json()['data']['job_id']}")).content
    header, *rows = lines_of(content)
    assert len(header) == 2
    assert [row[0] for row in rows] == ["alpha"]


async def test_a_sheet_that_was_cleared_away_is_not_there(desk: Desk) -> None:
    await desk.create("customer", name="a")
    reply = await order(desk, "customer")
    await finish(desk)
    path = f"exports/{reply.json()['data']['job_id']}"
    assert (await desk.send("GET", path)).status_code == 200
    services = desk.service.app.services
    desk.service.clock.advance(timedelta(days=8))
    with services.database.transaction() as connection:
        services.jobs.start(connection, "upkeep.prune", {})
    await finish(desk)
    problem(await desk.send("GET", path), "job.not_found")
