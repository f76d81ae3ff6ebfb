"""A leaver's records and open work go to somebody else in one step, through the one write path, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from runtime.jobs.rows import LEASE
from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared
from tests.support.service import bearer, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(anyio_backend: str, prepared: Prepared) -> AsyncIterator[Desk]:
    """The shop with an admin, a leaver, an heir and somebody below the leaver."""
    async with open_desk(prepared.url, prepared.token) as made:
        add = made.service.add_user
        add("chief", "admin")
        boss = add("boss").id
        leaver = add("leaver", manager_id=boss)
        add("heir", manager_id=leaver.id)
        add("below", manager_id=leaver.id)
        made.service.identity.departments.create_department("left", "离任部", None, leaver.id)
        yield made


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[Any]:
    async with desk.service.client_of("chief") as made:
        yield made


def uid(desk: Desk, name: str) -> str:
    user = desk.service.identity.users.find_by_username(name)
    assert user is not None
    return user.id


async def run_jobs(desk: Desk) -> None:
    await desk.service.app.services.ticker.until_quiet()
    runner = desk.service.app.services.job_runner
    while runner._under_way is not None:
        await runner._under_way
        await runner.run_due(desk.service.clock.now())


async def test_everything_goes_over_and_says_so_in_the_history(desk: Desk, admin: Any) -> None:
    leaver, heir = uid(desk, "leaver"), uid(desk, "heir")
    mine = [await desk.create("customer", name=f"客户{n}", owner=leaver) for n in range(5)]
    other = await desk.create("customer", name="别人的", owner=uid(desk, "boss"))
    contact = await desk.create("contact", customer=mine[0]["id"], name="联系人", owner=leaver)

    seen = (await admin.get(f"/api/users/{leaver}/holdings")).json()["data"]
    assert {(item["entity"], item["field"], item["count"]) for item in seen["records"]} == {
        ("customer", "owner", 5),
        ("contact", "owner", 1),
    }
    assert (seen["report_count"], seen["department_count"]) == (2, 1)

    secret = desk.service.session_of("leaver")
    reply = await admin.post(f"/api/users/{leaver}/handover", json={"to": heir})
    assert reply.status_code == 202, reply.text
    async with desk.service.client(headers=bearer(secret)) as gone:
        problem(await gone.get("/api/me"), "auth.required")
    await run_jobs(desk)

    job = (await admin.get(f"/api/jobs/{reply.json()['data']['id']}")).json()["data"]
    assert (job["state"], job["done_count"], job["result"]["refused"]) == ("done", 6, [])
    for record in mine:
        assert (await desk.get("customer", record["id"]))["owner"] == heir
    assert (await desk.get("contact", contact["id"]))["owner"] == heir
    assert (await desk.get("customer", other["id"]))["owner"] == uid(desk, "boss")
    timeline = (await desk.send("GET", f"records/customer/{mine[0]['id']}/timeline")).json()["data"]
    assert timeline[0]["door"] == "handover"
    users = desk.service.identity.users
    assert users.get_user(uid(desk, "below")).manager_id == heir
    assert users.get_user(heir).manager_id == uid(desk, "boss")
    led = [d.key for d in desk.service.identity.departments.list_departments() if d.manager_id == heir]
    assert led == ["left"]
    assert not users.get_user(leaver).active
    empty = (await admin.get(f"/api/users/{leaver}/holdings")).json()["data"]
    assert empty == {"records": [], "approval_count": 0, "report_count": 0, "department_count": 0}


async def test_a_job_whose_runner_died_goes_on_in_another_and_the_dead_one_counts_for_nothing(
    desk: Desk, admin: Any
) -> None:
    leaver, heir = uid(desk, "leaver"), uid(desk, "heir")
    for number in range(4):
        await desk.create("customer", name=f"客户{number}", owner=leaver)
    reply = await admin.post(f"/api/users/{leaver}/handover", json={"to": heir, "deactivate": False})
    jobs = desk.service.app.services.jobs
    dead = jobs.claim(["handover"])
    assert dead is not None
    await run_jobs(desk)
    assert (await admin.get(f"/api/jobs/{reply.json()['data']['id']}")).json()["data"]["state"] == "running"
    desk.service.clock.advance(LEASE + timedelta(seconds=1))
    await run_jobs(desk)
    job = (await admin.get(f"/api/jobs/{reply.json()['data']['id']}")).json()["data"]
    assert (job["state"], job["done_count"]) == ("done", 4)
    assert not jobs.end(dead, "failed")


async def test_a_job_stops_after_the_step_it_is_in_and_keeps_what_it_did(desk: Desk, admin: Any) -> None:
    leaver, heir = uid(desk, "leaver"), uid(desk, "heir")
    await desk.create("customer", name="甲", owner=leaver)
    reply = await admin.post(f"/api/users/{leaver}/handover", json={"to": heir, "deactivate": False})
    job_id = reply.json()["data"]["id"]
    assert (await admin.post(f"/api/jobs/{job_id}/cancel")).json()["data"]["state"] == "cancelled"
    problem(await admin.post(f"/api/jobs/{job_id}/cancel"), "job.ended")
    await run_jobs(desk)
    assert (await desk.page("customer"))[0]["owner"] == leaver
    async with desk.service.client_of("below") as stranger:
        problem(await stranger.get(f"/api/jobs/{job_id}"), "job.not_found")
        assert (await stranger.get("/api/jobs")).json()["data"] == []


async def test_the_heir_is_somebody_else_who_is_there(desk: Desk, admin: Any) -> None:
    leaver = uid(desk, "leaver")
    problem(await admin.post(f"/api/users/{leaver}/handover", json={"to": leaver}), "identity.invalid")
    await admin.patch(f"/api/users/{uid(desk, 'heir')}", json={"active": False})
    problem(await admin.post(f"/api/users/{leaver}/handover", json={"to": uid(desk, "heir")}), "identity.invalid")
    async with desk.service.client_of("below") as stranger:
        problem(await stranger.post(f"/api/users/{leaver}/handover", json={"to": leaver}), "access.denied")
