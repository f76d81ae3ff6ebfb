"""Users and departments over HTTP, on both databases."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.service import PASSWORD, bearer, pointers, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def admin(service):
    async with service.client_of("admin") as made:
        yield made


async def test_a_user_without_a_password_gets_a_link_to_choose_one(admin, client):
    made = (await admin.post("/api/users", json={"username": "Li.Lei", "name": "李雷"})).json()["data"]
    assert made["user"]["username"] == "li.lei"
    assert made["user"]["has_password"] is False
    path, _, secret = made["link"]["link"].partition("#")
    assert path == "/setup"
    assert made["link"]["expires_at"] == "2026-11-23T08:00:00.000Z"

    reply = await client.post("/api/auth/setup", json={"link": secret, "password": PASSWORD, "username": "ignored"})

    assert reply.json()["data"]["user"]["username"] == "li.lei"
    again = await client.post("/api/auth/setup", json={"link": secret, "password": "yet another one"})
    problem(again, "auth.link_invalid")
    assert (await client.post("/api/auth/login", json={"username": "li.lei", "password": PASSWORD})).status_code == 200


async def test_a_new_link_lets_a_user_in_who_forgot_the_password(service, admin, client):
    user = service.identity.users.find_by_username("member")
    old = service.session_of("member")
    link = (await admin.post(f"/api/users/{user.id}/link")).json()["data"]["link"]

    reply = await client.post(
        "/api/auth/setup", json={"link": link.partition("#")[2], "password": "a fresh password", "mode": "bearer"}
    )

    assert reply.json()["data"]["user"]["id"] == user.id
    problem(await client.get("/api/me", headers=bearer(old)), "auth.required")


async def test_a_link_is_no_way_back_for_somebody_switched_off(service, admin, client):
    user = service.identity.users.find_by_username("member")
    link = (await admin.post(f"/api/users/{user.id}/link")).json()["data"]["link"]
    await admin.patch(f"/api/users/{user.id}", json={"active": False})

    reply = await client.post("/api/auth/setup", json={"link": link.partition("#")[2], "password": "a fresh password"})

    problem(reply, "auth.link_invalid")


async def test_users_are_listed_by_name_in_pages(admin):
    first = (await admin.get("/api/users?limit=2")).json()["data"]
    rest = (await admin.get(f"/api/users?limit=2&after={first[-1]['username']}")).json()["data"]

    assert [user["username"] for user in first + rest] == ["admin", "builder", "member"]
    assert "password_hash" not in first[0]


async def test_a_user_name_is_taken_once(admin):
    reply = await admin.post("/api/users", json={"username": "ＭEMBER"})

    problem(reply, "identity.conflict")


async def test_everything_wrong_with_a_user_is_told_at_once(admin):
    body = {"username": "a b", "email": "nobody", "manager_id": str(uuid4()), "department_id": "x", "password": "short"}

    reply = await admin.post("/api/users", json=body)

    assert pointers(problem(reply, "identity.invalid")) == {
        "/username": "username",
        "/email": "email",
        "/manager_id": "unknown",
        "/department_id": "unknown",
        "/password": "password_length",
    }


async def test_changes_keep_what_is_not_named(service, admin):
    user = service.identity.users.find_by_username("member")
    department = (await admin.post("/api/departments", json={"key": "sales", "name": "销售部"})).json()["data"]

    await admin.patch(
        f"/api/users/{user.id}", json={"email": "m@example.com", "department_id": department["id"].upper()}
    )
    reply = await admin.patch(f"/api/users/{user.id}", json={"name": "韩梅梅"})

    changed = reply.json()["data"]
    assert (changed["name"], changed["email"], changed["role"]) == ("韩梅梅", "m@example.com", "member")
    assert (changed["department_id"], changed["revision"]) == (department["id"], 3)
    cleared = (await admin.patch(f"/api/users/{user.id}", json={"email": None})).json()["data"]
    assert cleared["email"] is None


async def test_managers_form_no_circle(service, admin):
    users = {name: service.identity.users.find_by_username(name).id for name in ("admin", "builder", "member")}
    await admin.patch(f"/api/users/{users['member']}", json={"manager_id": users["builder"]})
    await admin.patch(f"/api/users/{users['builder']}", json={"manager_id": users["admin"]})

    for manager in ("admin", "member", "builder"):
        reply = await admin.patch(f"/api/users/{users['admin']}", json={"manager_id": users[manager]})
        assert pointers(problem(reply, "identity.invalid")) == {"/manager_id": "circle"}


async def test_the_last_admin_stays(service, admin):
    user = service.identity.users.find_by_username("admin")
    for change in ({"active": False}, {"role": "builder"}):
        problem(await admin.patch(f"/api/users/{user.id}", json=change), "identity.conflict")
    service.identity.users.create_user({"username": "invited", "role": "admin"})
    problem(await admin.patch(f"/api/users/{user.id}", json={"role": "builder"}), "identity.conflict")
    service.add_user("second", "admin")

    assert (await admin.patch(f"/api/users/{user.id}", json={"role": "builder"})).status_code == 200
    problem(await admin.get("/api/users"), "access.denied")


@pytest.mark.parametrize("user_id", ["not-an-id", "0197a1b2-0000-7000-8000-000000000000", "%20"])
async def test_an_unknown_user_is_absent(admin, user_id):
    problem(await admin.get(f"/api/users/{user_id}"), "identity.not_found")
    problem(await admin.patch(f"/api/users/{user_id}", json={"name": "x"}), "identity.not_found")
    problem(await admin.post(f"/api/users/{user_id}/link"), "identity.not_found")


async def test_departments_are_a_tree_with_unique_keys(service, admin):
    top = (await admin.post("/api/departments", json={"key": "sales", "name": "销售部"})).json()["data"]
    reply = await admin.post("/api/departments", json={"key": "east", "name": "华东", "parent_id": top["id"]})
    assert reply.status_code == 201

    problem(await admin.post("/api/departments", json={"key": "sales", "name": "again"}), "identity.conflict")
    wrong = await admin.post("/api/departments", json={"key": "Bad Key", "name": " ", "parent_id": str(uuid4())})
    assert pointers(problem(wrong, "identity.invalid")) == {"/key": "key", "/name": "name", "/parent_id": "unknown"}
    async with service.client_of("member") as member:
        listed = (await member.get("/api/departments")).json()["data"]
    assert [(each["key"], each["parent_id"]) for each in listed] == [("east", top["id"]), ("sales", None)]


ADMIN_ONLY = [
    ("GET", "/api/users"),
    ("POST", "/api/users"),
    ("GET", "/api/users/x"),
    ("PATCH", "/api/users/x"),
    ("POST", "/api/users/x/link"),
    ("POST", "/api/departments"),
]


@pytest.mark.parametrize("method, path", ADMIN_ONLY)
async def test_only_admins_manage_users(service, client, method, path):
    body = {"json": {"username": "evil", "role": "admin"} if "users" in path else {"key": "a", "name": "b"}}
    body = {} if method == "GET" or path.endswith("link") else body
    if method == "PATCH":
        body = {"json": {"role": "admin"}}
    problem(await client.request(method, path, **body), "auth.required")
    for name, scopes in [("member", ()), ("builder", ()), ("admin", ("builder", "records:read"))]:
        async with service.client_of(name, *scopes) as other:
            problem(await other.request(method, path, **body), "access.denied")
    assert len(service.identity.users.list_users()) == 3


async def test_an_admins_token_with_the_scope_may_manage_users(service):
    async with service.client_of("admin", "admin") as program:
        assert (await program.get("/api/users")).status_code == 200


async def test_colleagues_are_chosen_from_a_list_by_everybody_of_the_house(service, admin):
    users = {name: service.identity.users.find_by_username(name).id for name in ("admin", "builder", "member")}
    await admin.post("/api/users", json={"username": "robot", "kind": "service"})
    service.add_user("dealer", kind="external")
    await admin.patch(f"/api/users/{users['builder']}", json={"active": False})
    await admin.patch(f"/api/users/{users['admin']}", json={"name": "韩梅梅", "email": "han@example.com"})
    async with service.client_of("member") as member:
        people = (await member.get("/api/people")).json()["data"]
        assert [person["username"] for person in people] == ["admin", "member"]
        assert people[0].keys() == {"id", "username", "name", "department_id", "position", "active"}
        assert [p["id"] for p in (await member.get("/api/people?search=梅")).json()["data"]] == [users["admin"]]
        assert (await member.get("/api/people?search=example.com")).json()[
            "data"
        ] == []  # nobody's address is found out
        assert [p["username"] for p in (await member.get("/api/people?limit=1&after=admin")).json()["data"]] == [
            "member"
        ]
        asked = f"{users['builder']},{users['member']},{uuid4()},nobody"
        named = (await member.get("/api/people", params={"ids": asked})).json()["data"]
        assert [(person["username"], person["active"]) for person in named] == [("builder", False), ("member", True)]
    async with service.client_of("dealer") as outsider:
        problem(await outsider.get("/api/people"), "access.denied")
        problem(await outsider.get("/api/people", params={"ids": users["member"]}), "access.denied")
