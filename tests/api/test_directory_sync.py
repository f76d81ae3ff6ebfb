"""People of DingTalk and WeCom, brought in through a connection; each vendor played by a receiver with its pages and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared
from tests.support.receiver import HttpReceiver, Received, Reply, http_receiver
from tests.support.service import problem

pytestmark = pytest.mark.anyio
JSON = Any
BUSY = {"dingtalk": 90018, "wecom": 45009}


@dataclass
class Company:
    """A company as a vendor tells of it: departments by (id, name, parent), people by id."""

    kind: str
    departments: list[tuple[int, str, int]] = field(
        default_factory=lambda: [(1, "斗拱公司", 0), (2, "销售部", 1), (3, "华东区", 2)]
    )
    people: dict[str, JSON] = field(default_factory=dict)
    busy: int = 0
    """How often the next questions are put off."""
    broken: JSON = None

    def answer(self, received: Received) -> Reply:
        """Answer as the vendor does."""
        parts = urlsplit(received.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.busy:
            self.busy -= 1
            return Reply(200, {"errcode": BUSY[self.kind], "errmsg": "too many requests"})
        if parts.path.endswith("/gettoken"):
            right = {"appsecret": "s3cret"} if self.kind == "dingtalk" else {"corpsecret": "s3cret"}
            if not right.items() <= query.items():
                return Reply(200, {"errcode": 40001, "errmsg": "invalid credential"})
            return Reply(200, {"errcode": 0, "access_token": "t0ken", "expires_in": 7200})
        if query.get("access_token") != "t0ken":
            return Reply(200, {"errcode": 40014, "errmsg": "invalid access_token"})
        if self.broken is not None:
            return Reply(200, self.broken)
        return Reply(200, {"errcode": 0, **getattr(self, f"_{self.kind}")(parts.path, query, received)})

    def _dingtalk(self, path: str, _query: dict[str, str], received: Received) -> JSON:
        asked = received.json
        shown = [{"dept_id": n, "name": name, **({"parent_id": up} if up else {})} for n, name, up in self.departments]
        if path.endswith("/department/get"):
            return {"result": next(one for one in shown if one["dept_id"] == asked["dept_id"])}
        if path.endswith("/listsub"):
            return {"result": [one for one in shown if one.get("parent_id") == asked["dept_id"]]}
        assert path == "/topapi/v2/user/list"
        members = [
            {
                "userid": key,
                "name": person["name"],
                "mobile": person.get("phone", ""),
                "title": person.get("position", ""),
                "dept_id_list": person["departments"],
                "leader": asked["dept_id"] in person.get("leads", []),
            }
            for key, person in self.people.items()
            if asked["dept_id"] in person["departments"]
        ]
        at, size = asked["cursor"], 2  # pages are smaller than asked for
        more = len(members) > at + size
        page = {"list": members[at : at + size], "has_more": more, **({"next_cursor": at + size} if more else {})}
        return {"result": page}

    def _wecom(self, path: str, query: dict[str, str], _received: Received) -> JSON:
        if path == "/cgi-bin/department/list":
            return {"department": [{"id": n, "name": name, "parentid": up} for n, name, up in self.departments]}
        assert path == "/cgi-bin/user/list"
        department = int(query["department_id"])
        return {
            "userlist": [
                {
                    "userid": key,
                    "name": person["name"],
                    "position": person.get("position", ""),
                    "department": person["departments"],
                    "main_department": person["departments"][0],
                    "is_leader_in_dept": [int(one in person.get("leads", [])) for one in person["departments"]],
                    "direct_leader": person.get("boss", []),
                    "status": person.get("status", 1),
                    **({"mobile": person["phone"]} if "phone" in person else {}),
                }
                for key, person in self.people.items()
                if department in person["departments"]
            ]
        }


PEOPLE: dict[str, JSON] = {
    "boss01": {"name": "王总", "departments": [1], "leads": [1], "phone": "13800000001"},
    "li": {"name": "李四", "departments": [2], "leads": [2], "position": "销售总监", "boss": ["boss01"]},
    "zhang": {"name": "张三", "departments": [3, 2], "phone": "13800000003", "boss": ["li"]},
    "zhao": {"name": "赵六", "departments": [3], "boss": ["li"]},
    "sun": {"name": "孙七", "departments": [3], "boss": ["gone"]},
}
KINDS = ["dingtalk", "wecom"]


@pytest.fixture
async def desk(anyio_backend: str, prepared: Prepared) -> AsyncIterator[Desk]:
    async with open_desk(prepared.url, prepared.token, outbound_allow=("127.0.0.1",), sqlite_durable=False) as made:
        made.service.add_user("chief", "admin", email="chief@example.com")
        yield made


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[Any]:
    async with desk.service.client_of("chief") as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with http_receiver() as made:
        yield made


async def connect(admin: Any, receiver: HttpReceiver, kind: str, secret: str = "s3cret", **options: JSON) -> Company:
    company = Company(kind, people={key: dict(person) for key, person in PEOPLE.items()})
    receiver.answer = company.answer
    name = {"dingtalk": "app_key", "wecom": "corp_id"}[kind]
    body = {
        "key": "people",
        "kind": f"{kind}_directory",
        "options": {name: "us", "url": receiver.url, **options},
        "secrets": {{"dingtalk": "app_secret", "wecom": "corp_secret"}[kind]: secret},
    }
    reply = await admin.post("/api/connections", json=body)
    assert reply.status_code == 201, reply.text
    return company


async def sync(desk: Desk, admin: Any, **params: JSON) -> JSON:
    reply = await admin.post("/api/directory/sync/people", params=params)
    assert reply.status_code == 202, reply.text
    await desk.service.app.services.ticker.until_quiet()
    reply = await admin.get(f"/api/jobs/{reply.json()['data']['id']}")
    return reply.json()["data"]


def user(desk: Desk, name: str) -> Any:
    found = desk.service.identity.users.find_by_username(name)
    assert found is not None, name
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_people_and_departments_come_in_with_who_leads_whom(
    desk: Desk, admin: Any, receiver: HttpReceiver, kind: str
):
    await connect(admin, receiver, kind)
    tried = await sync(desk, admin, dry_run=True)
    assert (tried["state"], tried["result"]["people"]["change_count"]) == ("done", 8)
    assert desk.service.identity.users.find_by_username("zhang") is None
    job = await sync(desk, admin)
    report = job["result"]["people"]
    assert (report["department_count"], report["user_count"], report["change_count"]) == (3, 5, 8)
    rooms = {room.name: room for room in desk.service.identity.departments.list_departments()}
    assert rooms["华东区"].parent_id == rooms["销售部"].id
    assert rooms["销售部"].parent_id == rooms["斗拱公司"].id
    assert rooms["销售部"].manager_id == user(desk, "li").id
    zhang = user(desk, "zhang")
    assert (zhang.name, zhang.phone, zhang.department_id) == ("张三", "13800000003", rooms["华东区"].id)
    assert user(desk, "li").position == "销售总监"
    if kind == "wecom":
        assert zhang.manager_id == user(desk, "li").id
        assert user(desk, "sun").manager_id is None  # his superior is not shown to us
    again = await sync(desk, admin)
    assert again["result"]["people"]["change_count"] == 0
    events = (await admin.get("/api/security-events", params={"kind": "directory.synced"})).json()["data"]
    assert len(events) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_gone_is_switched_off_but_never_a_crowd_by_mistake(
    desk: Desk, admin: Any, receiver: HttpReceiver, kind: str
):
    company = await connect(admin, receiver, kind)
    await sync(desk, admin)
    del company.people["zhao"]
    assert (await sync(desk, admin))["result"]["people"]["leaver_count"] == 1
    assert not user(desk, "zhao").active
    company.people.clear()  # the app lost its permission
    failed = await sync(desk, admin)
    assert failed["state"] == "failed"
    assert "4" in failed["error"]
    assert user(desk, "zhang").active
    done = await sync(desk, admin, accept_leavers=True)
    assert done["state"] == "done"
    assert not user(desk, "zhang").active


@pytest.mark.parametrize("kind", KINDS)
async def test_a_busy_vendor_is_asked_again_and_a_refusal_is_told_without_the_secret(
    desk: Desk, admin: Any, receiver: HttpReceiver, kind: str
):
    company = await connect(admin, receiver, kind)
    company.busy = 1
    waiting = await sync(desk, admin)
    assert waiting["state"] == "waiting"
    desk.service.clock.advance(timedelta(minutes=1))
    await desk.service.app.services.ticker.until_quiet()
    assert user(desk, "zhang").active
    for broken in (
        {"errcode": 60011, "errmsg": "no privilege"},
        {"errcode": 0},
        {"errcode": [-1]},
        ["no object"],
        "text",
    ):
        company.broken = broken
        failed = await sync(desk, admin)
        assert failed["state"] == "failed", broken
        assert "s3cret" not in failed["error"]
        assert "t0ken" not in failed["error"]
    company.broken = None
    await admin.patch("/api/connections/people", json={"secrets": {_secret(kind): "wrong"}})
    failed = await sync(desk, admin)
    assert failed["state"] == "failed"
    assert "invalid credential" in failed["error"]


def _secret(kind: str) -> str:
    return {"dingtalk": "app_secret", "wecom": "corp_secret"}[kind]


async def test_it_is_brought_in_every_night_unless_it_is_not_to_be(desk: Desk, admin: Any, receiver: HttpReceiver):
    await connect(admin, receiver, "wecom")
    ticker = desk.service.app.services.ticker
    await ticker.until_quiet()
    desk.service.clock.advance(timedelta(days=1))
    await ticker.until_quiet()
    assert user(desk, "zhang").active
    assert (
        await admin.patch("/api/connections/people", json={"options": {"corp_id": "us", "nightly": False}})
    ).status_code == 200
    asked = len(receiver.requests)
    desk.service.clock.advance(timedelta(days=1))
    await ticker.until_quiet()
    assert len(receiver.requests) == asked


async def test_a_directory_that_is_busy_at_night_holds_up_no_other(desk: Desk, admin: Any, receiver: HttpReceiver):
    await connect(admin, receiver, "wecom")
    async with http_receiver() as elsewhere:
        elsewhere.answer = lambda _: Reply(200, {"errcode": 45009, "errmsg": "too many requests"})
        options = {"corp_id": "them", "url": elsewhere.url}
        body = {"key": "a_first", "kind": "wecom_directory", "options": options, "secrets": {"corp_secret": "s"}}
        assert (await admin.post("/api/connections", json=body)).status_code == 201
        ticker = desk.service.app.services.ticker
        await ticker.until_quiet()
        desk.service.clock.advance(timedelta(days=1))
        await ticker.until_quiet()
        assert elsewhere.requests
    assert user(desk, "zhang").active


async def test_user_names_can_be_phones(desk: Desk, admin: Any, receiver: HttpReceiver):
    await connect(admin, receiver, "wecom", username="phone")
    await sync(desk, admin)
    assert user(desk, "13800000003").name == "张三"
    assert user(desk, "zhao").name == "赵六"  # shows no phone


async def test_a_directory_takes_no_messages_and_only_admins_ask_it(desk: Desk, admin: Any, receiver: HttpReceiver):
    await connect(admin, receiver, "dingtalk")
    reply = await admin.post("/api/connections/people/test", json={})
    assert problem(reply, "connection.failed")
    reply = await admin.post("/api/directory/sync/peopel")
    assert problem(reply, "connection.not_found")
    desk.service.add_user("clerk")
    async with desk.service.client_of("clerk") as clerk:
        assert (await clerk.post("/api/directory/sync/people")).status_code == 403
    kinds = {one["kind"]: one["carries"] for one in (await admin.get("/api/channels")).json()["data"]}
    assert kinds["wecom_directory"] == "people"
