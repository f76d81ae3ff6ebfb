"""Users and departments brought in by directories and sheets, over HTTP on both databases."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.identity.audit import SYSTEM_ORIGIN
from runtime.identity.directory import UNSAID, ListedDepartment, ListedUser, Listing
from tests.support.service import problem

pytestmark = pytest.mark.anyio

COMPANY: dict[str, Any] = {
    "source": "dingtalk",
    "departments": [
        {"external_id": "2", "name": "华东区", "parent": "1", "manager": "u2"},
        {"external_id": "1", "name": "销售部", "manager": "u1"},
    ],
    "users": [
        {
            "external_id": "u3",
            "username": "wang",
            "name": "王五",
            "department": "2",
            "manager": "u2",
            "areas": ["华东"],
        },
        {"external_id": "u2", "username": "li", "name": "李四", "department": "2", "manager": "u1", "position": "主管"},
        {"external_id": "u1", "username": "zhang", "name": "张三", "department": "1", "email": "z@example.com"},
    ],
}


@pytest.fixture
async def admin(service):
    async with service.client_of("admin") as made:
        yield made


async def sync(admin, body, **params):
    reply = await admin.post("/api/directory/sync", json=body, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]


def deeds(report, kind="users"):
    return {item["name"]: item["deed"] for item in report[kind]}


async def test_a_directory_comes_in_whole_in_any_order_and_the_same_again_changes_nothing(service, admin):
    tried = await sync(admin, COMPANY, dry_run=True)
    assert tried["change_count"] == 5
    assert len(service.identity.users.list_users()) == 3

    first = await sync(admin, COMPANY)
    assert deeds(first) == dict.fromkeys(("zhang", "li", "wang"), "created")

    users = {user.username: user for user in service.identity.users.list_users()}
    departments = {d.key: d for d in service.identity.departments.list_departments()}
    assert users["wang"].manager_id == users["li"].id
    assert users["wang"].areas == ("华东",)
    assert (users["li"].position, users["li"].role) == ("主管", "member")
    east = departments["hua_dong_qu"]
    assert (east.parent_id, east.manager_id) == (departments["xiao_shou_bu"].id, users["li"].id)
    assert users["wang"].department_id == east.id
    again = await sync(admin, COMPANY)
    assert again["change_count"] == 0
    events = service.identity.audit.list_events
    from runtime.identity.audit import Search

    assert [event.detail["changes"] for event in events(Search(kind="directory.synced"))] == [5]


async def test_who_is_gone_is_switched_off_but_never_an_admin(service, admin):
    boss = service.identity.users.find_by_username("admin")
    whole = COMPANY | {"users": [*COMPANY["users"], {"external_id": "u0", "username": "admin"}]}
    await sync(admin, whole)
    assert service.identity.users.get_user(boss.id).source == "dingtalk"
    secret = service.token_of("wang", "records:read")

    rest = await sync(admin, COMPANY | {"mode": "full", "users": COMPANY["users"][1:]})

    assert deeds(rest)["wang"] == "switched_off"
    assert not service.identity.users.find_by_username("wang").active
    assert service.identity.users.get_user(boss.id).active
    async with service.client(headers={"authorization": f"Bearer {secret}"}) as program:
        problem(await program.get("/api/me"), "auth.required")
    left = await sync(admin, {"source": "dingtalk", "users": [{**COMPANY["users"][0], "active": True}]})
    assert deeds(left) == {"wang": "changed"}


async def test_everything_wrong_with_a_directory_is_told_at_once_and_nothing_comes_in(service, admin):
    body = {
        "source": "wecom",
        "departments": [{"external_id": "a", "name": "甲", "parent": "nowhere"}],
        "users": [
            {"external_id": "1", "username": "fine"},
            {"external_id": "2", "username": "x y"},
            {"external_id": "3", "username": "mail", "email": "nobody", "manager": "9"},
        ],
    }
    document = problem(await admin.post("/api/directory/sync", json=body), "identity.invalid")
    assert {error["pointer"]: error["code"] for error in document["errors"]} == {
        "/departments/0/parent": "unknown",
        "/users/1/username": "username",
        "/users/2/email": "email",
        "/users/2/manager": "unknown",
    }
    circle = {
        "source": "wecom",
        "users": [
            {"external_id": "1", "username": "aa", "manager": "2"},
            {"external_id": "2", "username": "bb", "manager": "1"},
        ],
    }
    found = problem(await admin.post("/api/directory/sync", json=circle), "identity.invalid")
    assert [error["code"] for error in found["errors"]] == ["circle"]
    assert len(service.identity.users.list_users()) == 3


async def test_one_directory_does_not_take_over_the_people_of_another(service, admin):
    await sync(admin, COMPANY)
    other = {"source": "wecom", "users": [{"external_id": "x", "username": "wang", "name": "另一个"}]}
    document = problem(await admin.post("/api/directory/sync", json=other), "identity.invalid")
    assert [error["pointer"] for error in document["errors"]] == ["/users/0"]
    assert service.identity.users.find_by_username("wang").name == "王五"


# --- sheets -----------------------------------------------------------------------------------------------------------


def workbook(*rows):
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)
    return content.getvalue()


HEADER = ("工号", "姓名", "部门", "直属上级", "职位", "负责区域", "手机", "在职")
ROWS = (
    (1001, "赵一", "销售部", "", "总监", "", 13800138000, "是"),
    (1002, "钱二", "销售部/华南区", 1001, "主管", "华南、西南", "", ""),
    (1003, "孙三", "销售部/华南区", 1002, "", "", "", "离职"),
)


def as_csv(encoding):
    return "\n".join(",".join(str(cell) for cell in row) for row in (HEADER, *ROWS)).encode(encoding)


@pytest.mark.parametrize("content", [workbook(HEADER, *ROWS), as_csv("utf-8-sig"), as_csv("gb18030")])
async def test_a_sheet_brings_people_in(service, admin, content):
    reply = await admin.post("/api/directory/import", content=content)
    assert reply.status_code == 200, reply.text
    assert deeds(reply.json()["data"]) == dict.fromkeys(("1001", "1002", "1003"), "created")
    users = {user.username: user for user in service.identity.users.list_users()}
    assert (users["1002"].manager_id, users["1002"].areas) == (users["1001"].id, ("华南", "西南"))
    assert (users["1001"].phone, users["1003"].active) == ("13800138000", False)
    departments = {d.id: d for d in service.identity.departments.list_departments()}
    south = departments[users["1002"].department_id]
    assert (south.name, departments[south.parent_id].name) == ("华南区", "销售部")


async def test_a_sheet_says_which_columns_and_cells_are_wrong(service, admin):
    found = problem(
        await admin.post("/api/directory/import", content="姓名,负责区城\n甲,乙".encode()), "import.invalid"
    )
    assert {(e["code"], e["params"]["column"]) for e in found["errors"]} == {
        ("unknown", "负责区城"),
        ("required", "username"),
    }
    assert "负责区域" in found["errors"][0]["detail"]
    wrong = "用户名,启用\n,是\nabc,也许".encode()
    found = problem(await admin.post("/api/directory/import", content=wrong), "import.invalid")
    assert [(e["params"]["line"], e["code"]) for e in found["errors"]] == [(2, "required"), (3, "option")]
    assert len(service.identity.users.list_users()) == 3


def bomb():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 50_000_000)
    return content.getvalue()


@pytest.mark.parametrize(
    "content, code",
    [
        (b"", "import.unreadable"),
        (b"PK\x03\x04 not a zip", "import.unreadable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 not a workbook", "import.unreadable"),
        (b"\x00\x01\x02", "import.unreadable"),
        (bomb(), "import.too_large"),
        ("用户名\n".encode() + b"x" * 40_000, "import.too_large"),
        (b"," * 1000 + b"x", "import.too_large"),
        (workbook(HEADER, *ROWS)[:-400], "import.unreadable"),
    ],
)
async def test_what_is_no_sheet_is_refused(admin, content, code):
    problem(await admin.post("/api/directory/import", content=content), code)


async def test_only_admins_bring_people_in(service):
    for name in ("member", "builder"):
        async with service.client_of(name) as other:
            problem(await other.post("/api/directory/sync", json=COMPANY), "access.denied")
            problem(await other.post("/api/directory/import", content=as_csv("utf-8")), "access.denied")


# --- the law ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["aa", "bb", "cc", "dd", "ee"])


@st.composite
def listings(draw):
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    parents = {name: draw(st.sampled_from([None, *names[:place]])) for place, name in enumerate(names)}
    users = [
        ListedUser(
            name, f"user.{name}", department=draw(st.sampled_from([UNSAID, None, *names])), manager=parents[name]
        )
        for name in draw(st.permutations(names))
    ]
    departments = [ListedDepartment(name, f"部门{name}", parents[name]) for name in draw(st.permutations(names))]
    return Listing("law", draw(st.sampled_from(["full", "partial"])), tuple(departments), tuple(users))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_listings=st.lists(listings(), min_size=1, max_size=3))
def test_any_listing_said_twice_is_as_said_once(service, given_listings):
    for listing in given_listings:
        service.identity.directory.sync(listing, by=SYSTEM_ORIGIN)
        before = (service.identity.users.list_users(), service.identity.departments.list_departments())
        assert service.identity.directory.sync(listing, by=SYSTEM_ORIGIN).changes == 0
        assert (service.identity.users.list_users(), service.identity.departments.list_departments()) == before
        if listing.mode == "full":
            active = {user.external_id for user in before[0] if user.active and user.source == "law"}
            assert active == {user.external_id for user in listing.users}
