"""The lead app as its people live with it: reminders that reach the group, that their owner sees, explains and answers; the pool and the stages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builder.packages import dump_package, get_template
from runtime.channels.dingtalk import sign
from tests.support.desk import Desk, publish_definition
from tests.support.receiver import HttpReceiver, Reply, http_receiver
from tests.support.service import Service, bearer, problem, running

JSON = Any
pytestmark = pytest.mark.anyio
SPECIFICATION = {
    "title": "吊塔",
    "material": "304 不锈钢",
    "dimensions": "2400 × 800 mm",
    "tolerance": "±0.05 mm",
    "surface": "电解抛光",
    "hardness": "HV 200",
    "quantity": 12,
    "standard": "YY/T 0636",
    "environment": "洁净手术室",
    "interface": "M12 法兰",
    "inspection": "全检",
    "packaging": "木箱",
    "needed_on": "2026-05-20",
}
LEAD = {"source": "expo_scan", "product_line": "rehab", "region": "north"}
"""Nobody sells in the north: such leads go to the pool."""


class House:
    """The people of a sales department, each at a desk."""

    def __init__(self, service: Service, world: HttpReceiver) -> None:
        self.service = service
        self.world = world
        self.ids: dict[str, str] = {}
        self.desks: dict[str, Desk] = {}

    def __getitem__(self, name: str) -> Desk:
        return self.desks[name]

    async def pass_time(self, **length: float) -> None:
        """Let time pass and everything happen that is due."""
        self.service.clock.advance(timedelta(**length))
        await self.service.app.services.ticker.until_quiet()

    async def connect(self, key: str, kind: str, secrets: dict[str, str] | None = None, **options: JSON) -> None:
        body = {"key": key, "kind": kind, "options": {"url": f"{self.world.url}/{key}", **options}}
        reply = await self["admin"].client.post("/api/connections", json={**body, "secrets": secrets or {}})
        assert reply.status_code == 201, reply.text

    async def timers(self, name: str, lead: str) -> dict[str, JSON]:
        reply = await self[name].send("GET", f"records/lead/{lead}/timers")
        assert reply.status_code == 200, reply.text
        return {timer["reminder"]: timer for timer in reply.json()["data"]["timers"]}


@pytest.fixture
async def house(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    settings = {"files_folder": tmp_path / "files", "outbound_allow": ("127.0.0.1",), "sqlite_durable": False}
    async with (
        running(migrated_database_url, **settings) as service,
        http_receiver() as world,
        AsyncExitStack() as stack,
    ):
        service.clock.advance(
            datetime(2027, 3, 1, 1, 30, tzinfo=UTC) - service.clock.now()
        )  # a Monday, 9:30 in Shanghai
        made = House(service, world)
        departments = service.identity.departments
        sales = departments.create_department("sales", "销售").id
        east = departments.create_department("sales_east", "华东", sales).id
        people: dict[str, tuple[str, str | None]] = {
            "director": (sales, None),
            "wang": (east, "director"),
            "zhang": (east, "wang"),
            "lina": (east, "wang"),
        }
        for name, key in (("gong", "delivery"), ("qian", "finance")):
            people[name] = (departments.create_department(key, key).id, None)
        made.ids["admin"] = service.add_user("admin", "admin").id
        for number, (name, (department, above)) in enumerate(people.items()):
            values: JSON = {
                "department_id": department,
                "manager_id": made.ids.get(above or ""),
                "phone": f"1390000000{number}",
            }
            made.ids[name] = service.add_user(name, **values).id
        package = dump_package(get_template("lead"))
        publish_definition(service.app.services.registry, {k: v for k, v in package.items() if k != "sample"})
        roles = {"director": "director", "wang": "supervisor", "zhang": "seller", "lina": "seller"}
        roles |= {"gong": "support", "qian": "support"}
        for name, role in roles.items():
            service.identity.grants.give("lead", role, "user", made.ids[name])
        for name in made.ids:
            client = await stack.enter_async_context(service.client(headers=bearer(service.session_of(name))))
            client.headers["origin"] = "http://dougong.test"
            made.desks[name] = Desk(service, client, "lead")
        yield made


async def test_a_neglected_lead_is_told_in_the_group_by_names_and_its_people_see_why(house: House) -> None:
    await house.connect("dingtalk", "dingtalk", {"access_token": "T", "secret": "SEC"})
    lead = await house["wang"].create("lead", title="第一医院", stage="assigned", owner=house.ids["zhang"], **LEAD)
    for name in ("zhang", "wang", "director"):
        told = await house.timers(name, lead["id"])
        assert set(told) == {"follow_up", "untouched"}, name
        assert "24 小时后" in told["follow_up"]["why"]["zh"]
    assert (await house["lina"].send("GET", f"records/lead/{lead['id']}/timers")).status_code == 404
    house.world.answer = lambda _: Reply(200, {"errcode": 310000, "errmsg": "sign not match"})
    await house.pass_time(hours=24)
    (got,) = house.world.requests
    milliseconds = int(house.service.clock.now().timestamp() * 1000)
    assert got.path == f"/dingtalk?access_token=T&timestamp={milliseconds}&sign={sign('SEC', milliseconds)}"
    assert got.json["at"]["atMobiles"] == ["13900000002", "13900000001"]  # zhang, and wang above
    assert "24 小时未跟进" in got.json["markdown"]["text"]
    assert "最近一次沟通：暂无。" in got.json["markdown"]["text"]
    (dead,) = (await house["admin"].client.get("/api/deliveries?state=dead")).json()["data"]
    assert "sign not match" in dead["last_error"]
    house.world.answer = lambda _: Reply(200, {"errcode": 0})
    assert (await house["admin"].client.post(f"/api/deliveries/{dead['id']}/replay")).status_code == 200
    answered = await house["zhang"].send("POST", f"records/lead/{lead['id']}/timers/follow_up/acknowledge")
    assert answered.status_code == 200, answered.text
    await house.pass_time(hours=25)
    assert len(house.world.requests) == 2  # the one sent again; the chain is acknowledged
    assert (await house["wang"].get("lead", lead["id"]))["alert"] is None
    assert (await house.timers("wang", lead["id"]))["follow_up"]["state"] == "acknowledged"


async def test_who_takes_a_lead_from_the_pool_has_it_assigned_until_it_goes_back(house: House) -> None:
    zhang, lina, wang = house["zhang"], house["lina"], house["wang"]
    leads = [(await wang.create("lead", title=f"北{n}", **LEAD))["id"] for n in range(3)]
    pool = (await zhang.send("GET", "pools/distribution")).json()["data"]
    assert {row["record_id"] for row in pool} == set(leads)

    async def stands(lead: str) -> tuple[str, str | None]:
        found = await house["director"].get("lead", lead)
        return found["stage"], found["owner"]

    for lead in leads[:2]:
        assert (await zhang.send("POST", f"records/lead/{lead}/claim")).status_code == 204
        assert await stands(lead) == ("assigned", house.ids["zhang"])
        assert set(await house.timers("zhang", lead)) == {"follow_up", "untouched"}
    given = await wang.change("lead", leads[2], owner=house.ids["lina"])
    assert given["stage"] == "assigned"
    again = await zhang.send("POST", f"records/lead/{leads[2]}/claim")
    assert "有人比您先一步" in problem(again, "pool.taken")["detail"]
    problem(await lina.send("POST", f"records/lead/{leads[0]}/claim"), "pool.taken")
    body = {"reason": "不对口"}
    assert (await zhang.send("POST", f"records/lead/{leads[0]}/release", body)).status_code == 204
    assert (await lina.send("POST", f"records/lead/{leads[2]}/transitions/release", body)).status_code == 200
    for lead in (leads[0], leads[2]):
        assert await stands(lead) == ("to_assign", None)
    pool = (await lina.send("GET", "pools/distribution")).json()["data"]
    assert {row["record_id"] for row in pool} == {leads[0], leads[2]}
    problem(await zhang.send("POST", f"records/lead/{leads[0]}/claim"), "pool.refused")  # not again within 24 hours
    assert (await lina.send("POST", f"records/lead/{leads[0]}/claim")).status_code == 204
    await house.pass_time(hours=73)
    assert [await stands(lead) for lead in leads] == [("to_assign", None)] * 3
    subjects = [notice["subject"] for notice in (await zhang.client.get("/api/inbox")).json()["data"]]
    assert "线索“北1”已收回公海" in subjects
    assert house.service.lines("tick.failed") == []


async def test_support_reaches_departments_that_do_not_see_the_lead_and_its_end_reaches_the_seller(
    house: House,
) -> None:
    zhang, gong, qian = house["zhang"], house["gong"], house["qian"]
    values = {"owner": house.ids["zhang"], "budget": 500_000, "company": "第一医院"}
    lead = await house["wang"].create("lead", title="手术室", **values, **LEAD)
    assert lead["stage"] == "assigned"  # it comes with its owner
    asking = {"support_needed": ["technical", "finance"]}
    problem(await zhang.patch("lead", lead["id"], asking), "record.invalid")  # the specification is missing
    sheet = await zhang.create("spec_sheet", **SPECIFICATION)
    await zhang.change("lead", lead["id"], **asking, spec_sheet=sheet["id"])

    async def subjects(name: str) -> list[str]:
        return [notice["subject"] for notice in (await house[name].client.get("/api/inbox")).json()["data"]]

    assert (await subjects("gong"), await subjects("qian")) == (["急:手术室 支援"], ["急:手术室 支援"])
    tasks = {task["kind"]: task for task in await gong.page("support_task")}
    context = tasks["technical"]["context"]["values"]
    assert context["company"] == "第一医院"
    specified = {key.removeprefix("spec_sheet."): value for key, value in context.items() if "." in key}
    assert {key: specified.get(key) for key in SPECIFICATION if key != "title"} == {
        key: value for key, value in SPECIFICATION.items() if key != "title"
    }
    assert (await gong.send("GET", f"records/spec_sheet/{sheet['id']}")).status_code == 404
    assert tasks["technical"]["context"]["names"]["product_line"]["zh"] == "康复设备"
    assert (await gong.send("GET", f"records/lead/{lead['id']}")).status_code == 404
    done = {"state": "done", "result": "好"}
    await gong.change("support_task", tasks["technical"]["id"], owner=house.ids["gong"], **done)
    problem(await qian.patch("support_task", tasks["technical"]["id"], {"result": "x"}), "record.not_found")
    assert "“手术室”的支援已全部完成" not in await subjects("zhang")
    await qian.change("support_task", tasks["finance"]["id"], owner=house.ids["qian"], **done)
    assert "“手术室”的支援已全部完成" in await subjects("zhang")
