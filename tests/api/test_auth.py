"""Logging in and out, one-time links, passwords and tokens, over HTTP on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.service import OWN_PAGE, PASSWORD, START, bearer, pointers, problem, running

pytestmark = pytest.mark.anyio

LOGIN = {"username": "admin", "password": PASSWORD}


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_a_login_sets_a_cookie_that_scripts_cannot_read_CVE_2026_46550_CVE_2026_42239(client):
    reply = await client.post("/api/auth/login", json=LOGIN)

    assert reply.status_code == 200
    assert reply.json()["data"]["user"]["username"] == "admin"
    assert reply.json()["data"]["secret"] is None
    name_value, *flags = reply.headers["set-cookie"].split("; ")
    assert name_value.startswith("dougong_session=dgs_")
    assert sorted(flags) == ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=lax"]
    assert (await client.get("/api/me")).json()["data"]["username"] == "admin"


async def test_behind_https_the_cookie_is_for_https_only(migrated_database_url):
    async with running(migrated_database_url, public_url="https://crm.example.com") as service:
        service.add_user("admin", "admin")
        async with service.client() as client:
            reply = await client.post("/api/auth/login", json=LOGIN)

    assert "; Secure" in reply.headers["set-cookie"]
    assert reply.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_program_may_take_the_secret_instead_of_a_cookie(client):
    reply = await client.post("/api/auth/login", json={**LOGIN, "mode": "bearer"})

    assert "set-cookie" not in reply.headers
    secret = reply.json()["data"]["secret"]
    assert (await client.get("/api/me", headers=bearer(secret))).json()["data"]["username"] == "admin"


async def test_a_user_name_is_the_same_in_any_case_and_width(client):
    reply = await client.post("/api/auth/login", json={**LOGIN, "username": " ＡDmin "})

    assert reply.status_code == 200


async def test_unknown_wrong_off_and_passwordless_answer_alike_CVE_2024_39896(service, client):
    gone = service.add_user("gone")
    service.identity.users.update_user(gone.id, {"active": False})
    service.identity.users.create_user({"username": "invited"})
    replies = [
        await client.post("/api/auth/login", json={"username": name, "password": password})
        for name, password in [("nobody", PASSWORD), ("admin", "wrong"), ("gone", PASSWORD), ("invited", PASSWORD)]
    ]

    documents = [problem(reply, "auth.refused") for reply in replies]
    assert len({document["detail"] for document in documents}) == 1


async def test_a_session_ends_at_logout_at_once(service, client):
    await client.post("/api/auth/login", json=LOGIN)
    assert (await client.get("/api/me")).status_code == 200
    secret = client.cookies["dougong_session"]

    reply = await client.post("/api/auth/logout", headers=OWN_PAGE)

    assert reply.status_code == 204
    assert "Max-Age=0" in reply.headers["set-cookie"]
    problem(await client.get("/api/me", headers=bearer(secret)), "auth.required")


async def test_a_session_ends_by_itself(service, client):
    await client.post("/api/auth/login", json=LOGIN)
    service.clock.advance(timedelta(hours=168) - timedelta(milliseconds=1))
    assert (await client.get("/api/me")).status_code == 200

    service.clock.advance(timedelta(milliseconds=1))

    problem(await client.get("/api/me"), "auth.required")


async def test_a_bad_authorization_header_is_not_passed_over_for_a_good_cookie(client):
    await client.post("/api/auth/login", json=LOGIN)

    for value in ("Bearer dgt_wrong", "Bearer ", "Basic YWRtaW46eA==", "", "Bearer " + "x" * 10_000):
        reply = await client.get("/api/me", headers={"authorization": value})
        problem(reply, "auth.required")
        assert reply.headers["www-authenticate"] == 'Bearer realm="dougong"'


# --- throttling -------------------------------------------------------------------------------------------------------


async def test_the_eleventh_guess_waits_for_the_window_to_end(service, client):
    for _ in range(10):
        problem(await client.post("/api/auth/login", json={**LOGIN, "password": "wrong"}), "auth.refused")
    service.clock.advance(timedelta(minutes=5))

    reply = await client.post("/api/auth/login", json=LOGIN)

    assert problem(reply, "auth.throttled")["retry_after"] == 601
    assert reply.headers["retry-after"] == "601"
    service.clock.advance(timedelta(seconds=601))
    assert (await client.post("/api/auth/login", json=LOGIN)).status_code == 200


async def test_the_guesses_of_one_address_count_together(service):
    async with service.client(address="203.0.113.9") as client:
        for number in range(10):
            await client.post("/api/auth/login", json={"username": f"user{number}", "password": "wrong"})

        problem(await client.post("/api/auth/login", json=LOGIN), "auth.throttled")
    async with service.client(address="203.0.113.10") as elsewhere:
        assert (await elsewhere.post("/api/auth/login", json=LOGIN)).status_code == 200


async def test_ipv6_addresses_of_one_network_count_together(service):
    for number in range(10):
        async with service.client(address=f"2001:db8:0:1::{number:x}") as client:
            await client.post("/api/auth/login", json={"username": f"user{number}", "password": "wrong"})

    async with service.client(address="2001:db8:0:1:ffff::1") as client:
        problem(await client.post("/api/auth/login", json=LOGIN), "auth.throttled")


async def test_right_passwords_do_not_use_the_guesses_up(client):
    for _ in range(12):
        assert (await client.post("/api/auth/login", json=LOGIN)).status_code == 200


# --- one-time links ---------------------------------------------------------------------------------------------------


async def test_the_first_start_announces_a_link_that_makes_one_admin(database_url):
    async with running(database_url) as service, service.client() as client:
        (link,) = service.links
        address, _, secret = link.partition("#")
        assert address == "http://127.0.0.1:8000/setup"
        body = {"link": secret, "username": "Chief", "password": PASSWORD, "name": "王总"}

        reply = await client.post("/api/auth/setup", json=body)

        assert reply.status_code == 200
        assert (await client.get("/api/me")).json()["data"] | {"id": ""} == {
            "id": "",
            "username": "chief",
            "name": "王总",
            "role": "admin",
            "scopes": None,
            "department_id": None,
            "kind": "person",
            "position": None,
            "areas": [],
        }
        problem(await client.post("/api/auth/setup", json=body | {"username": "second"}), "auth.link_invalid")
        assert len(service.identity.users.list_users()) == 1


async def test_people_of_a_demo_are_not_the_first_admin(database_url):
    async with running(database_url) as service, service.client() as client:
        service.identity.users.create_user(
            {"username": "sample", "role": "admin"}
        )  # without a password, as samples are
        service.add_user("member")
        body = {"link": service.links[0].partition("#")[2], "username": "chief", "password": PASSWORD}

        assert (await client.post("/api/auth/setup", json=body)).status_code == 200
    async with running(database_url) as again:
        assert again.links == []


async def test_every_link_for_the_first_admin_dies_with_the_first_admin(database_url):
    async with running(database_url) as first:
        pass
    async with running(database_url) as second, second.client() as client:
        secrets = [link.partition("#")[2] for link in first.links + second.links]
        assert len(secrets) == 2
        used = await client.post(
            "/api/auth/setup", json={"link": secrets[1], "username": "chief", "password": PASSWORD}
        )

        late = await client.post("/api/auth/setup", json={"link": secrets[0], "username": "evil", "password": PASSWORD})

        assert used.status_code == 200
        problem(late, "auth.link_invalid")
    async with running(database_url) as third:
        assert third.links == []


async def test_a_link_lasts_a_day(database_url):
    async with running(database_url) as service, service.client() as client:
        secret = service.links[0].partition("#")[2]
        service.clock.advance(timedelta(hours=24))

        reply = await client.post("/api/auth/setup", json={"link": secret, "username": "chief", "password": PASSWORD})

        problem(reply, "auth.link_invalid")


async def test_a_weak_password_does_not_use_the_link_up(database_url):
    async with running(database_url) as service, service.client() as client:
        body = {"link": service.links[0].partition("#")[2], "username": "chief"}

        for password, code in [
            ("short", "password_length"),
            ("aaaaaaaaaaaa", "password_weak"),
            ("my-Chief-12", "password_weak"),
            ("x" * 300, "password_length"),
        ]:
            reply = await client.post("/api/auth/setup", json={**body, "password": password})
            assert pointers(problem(reply, "identity.invalid")) == {"/password": code}
        assert (await client.post("/api/auth/setup", json={**body, "password": PASSWORD})).status_code == 200


async def test_the_first_admin_may_come_from_the_settings(database_url):
    settings = {"admin_username": "Boss", "admin_password": PASSWORD}
    for _ in range(2):
        async with running(database_url, **settings) as service, service.client() as client:
            reply = await client.post("/api/auth/login", json={"username": "boss", "password": PASSWORD})
            assert reply.json()["data"]["user"]["role"] == "admin"
            assert service.links == []


# --- passwords --------------------------------------------------------------------------------------------------------


async def test_a_new_password_ends_all_other_sessions(service, client):
    other = service.session_of("member")
    async with service.client_of("member") as mine:
        assert (await mine.get("/api/me")).status_code == 200
        assert (await client.get("/api/me", headers=bearer(other))).status_code == 200

        reply = await mine.patch("/api/auth/password", json={"current": PASSWORD, "password": "another good one"})

        assert reply.status_code == 204
        assert (await mine.get("/api/me")).status_code == 200
        problem(await client.get("/api/me", headers=bearer(other)), "auth.required")
    login = {"username": "member", "password": PASSWORD}
    problem(await client.post("/api/auth/login", json=login), "auth.refused")
    assert (await client.post("/api/auth/login", json=login | {"password": "another good one"})).status_code == 200


async def test_a_new_password_needs_the_current_one(service):
    async with service.client_of("member") as mine:
        for _ in range(10):
            reply = await mine.patch("/api/auth/password", json={"current": "wrong", "password": "another good one"})
            assert pointers(problem(reply, "auth.refused")) == {"/current": "wrong"}

        reply = await mine.patch("/api/auth/password", json={"current": PASSWORD, "password": "another good one"})

        problem(reply, "auth.throttled")


# --- tokens -----------------------------------------------------------------------------------------------------------


async def test_a_token_acts_for_its_user_within_its_scopes(service, client):
    async with service.client_of("builder") as mine:
        body = {"name": "nightly import", "scopes": ["records:write", "records:read", "app:lead"]}
        reply = await mine.post("/api/auth/tokens", json=body)
    made = reply.json()["data"]

    assert reply.status_code == 201
    assert made["secret"].startswith("dgt_")
    who = (await client.get("/api/me", headers=bearer(made["secret"]))).json()["data"]
    assert (who["username"], who["scopes"]) == ("builder", ["app:lead", "records:read", "records:write"])


async def test_a_tokens_secret_is_shown_once(service):
    async with service.client_of("member") as mine:
        made = (await mine.post("/api/auth/tokens", json={"name": "a", "scopes": ["records:read"]})).json()["data"]

        (listed,) = (await mine.get("/api/auth/tokens")).json()["data"]

    assert listed == made | {"secret": None}


async def test_a_revoked_token_is_refused_from_the_next_request_on(service, client):
    async with service.client_of("member") as mine:
        made = (await mine.post("/api/auth/tokens", json={"name": "a", "scopes": ["records:read"]})).json()["data"]
        assert (await client.get("/api/me", headers=bearer(made["secret"]))).status_code == 200

        assert (await mine.delete(f"/api/auth/tokens/{made['id']}")).status_code == 204

        problem(await client.get("/api/me", headers=bearer(made["secret"])), "auth.required")
        problem(await mine.delete(f"/api/auth/tokens/{made['id']}"), "identity.not_found")
        assert (await mine.get("/api/auth/tokens")).json()["data"] == []


async def test_a_token_expires(service, client):
    secret = service.token_of("member", "records:read", expires_at=START + timedelta(days=1))
    assert (await client.get("/api/me", headers=bearer(secret))).status_code == 200

    service.clock.advance(timedelta(days=1))

    problem(await client.get("/api/me", headers=bearer(secret)), "auth.required")


async def test_a_token_is_no_cookie(service, client):
    client.cookies.set("dougong_session", service.token_of("admin", "admin"))

    problem(await client.get("/api/me"), "auth.required")


@pytest.mark.parametrize(
    "body, found",
    [
        ({"scopes": []}, {"/scopes": "scopes"}),
        ({"scopes": ["app:lead"]}, {"/scopes": "scopes"}),
        ({"scopes": ["records:raed"]}, {"/scopes/0": "unknown"}),
        ({"scopes": ["records:read", "app:Bad Key"]}, {"/scopes/1": "unknown"}),
        ({"scopes": ["records:read", "admin"]}, {"/scopes/1": "above_role"}),
        ({"scopes": ["records:read"], "expires_at": "2026-11-22T08:00:00Z"}, {"/expires_at": "past"}),
        ({"scopes": ["records:read"], "name": "  "}, {"/name": "name"}),
    ],
)
async def test_what_a_token_cannot_be(service, body, found):
    async with service.client_of("builder") as mine:
        reply = await mine.post("/api/auth/tokens", json={"name": "a", **body})

    assert pointers(problem(reply, "identity.invalid")) == found


async def test_tokens_of_others_are_absent_except_for_admins(service):
    async with service.client_of("member") as mine, service.client_of("builder") as theirs:
        made = (await mine.post("/api/auth/tokens", json={"name": "a", "scopes": ["records:read"]})).json()["data"]
        problem(await theirs.delete(f"/api/auth/tokens/{made['id']}"), "identity.not_found")
        assert (await theirs.get("/api/auth/tokens")).json()["data"] == []
    async with service.client_of("admin") as admin:
        assert (await admin.delete(f"/api/auth/tokens/{made['id']}")).status_code == 204


async def test_there_is_an_end_to_tokens(service):
    for _ in range(100):
        service.token_of("member", "records:read")

    async with service.client_of("member") as mine:
        reply = await mine.post("/api/auth/tokens", json={"name": "a", "scopes": ["records:read"]})

    problem(reply, "identity.conflict")
