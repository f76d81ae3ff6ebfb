"""Every way in which the framework's routes can refuse has the one shape; every code has a page."""

from __future__ import annotations

import httpx
import pytest

from builder.kernel.problems import CODES, Problem
from runtime.api.problems import problem_reply
from tests.support.service import PASSWORD, Service, pointers, problem

pytestmark = pytest.mark.anyio

LOGIN = "/api/auth/login"
JSON = {"content-type": "application/json"}


@pytest.fixture
def dialect():
    return "sqlite"  # nothing here depends on the database


async def test_an_unknown_address(client):
    for path in (
        "/",
        "/api",
        "/api/nothing",
        "/api/users/",
        "//api/me",
        "/healthz/x",
        "/api/%2e%2e/healthz",
        "/%ff",
        "/api/users/%00",
    ):
        problem(await client.get(path), "route.not_found")


async def test_a_method_that_is_not_there(client):
    reply = await client.delete("/api/me")

    problem(reply, "request.method")
    assert reply.headers["allow"] == "GET"
    problem(await client.request("FOO", LOGIN), "request.method")


@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "xml", ""]
)
async def test_a_body_that_is_not_declared_as_json(client, declared):
    headers = {"content-type": declared} if declared else {}

    problem(await client.post(LOGIN, content=b'{"username":"a","password":"b"}', headers=headers), "request.media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"username":"a"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"username":NaN}',
        b"\x00",
    ],
)
async def test_a_body_that_is_not_what_the_route_reads(client, body):
    problem(await client.post(LOGIN, content=body, headers=JSON), "request.malformed")


async def test_all_violations_at_once_with_pointers(client):
    body = {"username": 5, "mode": "magic", "surprise": 1}

    found = problem(await client.post(LOGIN, json=body, headers={"accept-language": "en"}), "request.malformed")

    assert pointers(found) == {
        "/username": "string_type",
        "/password": "missing",
        "/mode": "literal_error",
        "/surprise": "extra_forbidden",
    }
    assert [each["detail"] for each in found["errors"]] == [
        "This has to be 'cookie' or 'bearer'",
        "This member is required",
        "There is no such member",
        "This has to be a string",
    ]


async def test_alternatives_are_told_in_the_language_asked_for(client):
    body = {"username": "a", "password": "b", "mode": "magic"}
    found = problem(await client.post(LOGIN, json=body, headers={"accept-language": "zh"}), "request.malformed")
    assert found["errors"][0]["detail"] == "只能是 'cookie'、'bearer'"


async def test_values_that_were_sent_are_not_repeated_CVE_2025_30353(client):
    for body in ({"username": "a", "password": ["canary"]}, {"username": "a", "password": "canary" * 500}):
        reply = await client.post(LOGIN, json=body)
        problem(reply, "request.malformed")
        assert "canary" not in reply.text


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=1e1", "after=" + "x" * 65])
async def test_a_wrong_query_parameter_is_named(service, query):
    async with service.client_of("admin") as admin:
        found = problem(await admin.get(f"/api/users?{query}"), "request.malformed")

    assert found["errors"][0]["params"] == {"in": "query", "name": query.partition("=")[0]}


async def test_ten_megabytes_are_too_much(service, client):
    body = b'{"username":"' + b"x" * 10_000_000 + b'"}'

    problem(await client.post(LOGIN, content=body, headers=JSON), "limit.body")

    async def parts():
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    problem(await client.post(LOGIN, content=parts(), headers=JSON), "limit.body")
    assert service.lines("failed") == []


async def test_a_route_that_fails_is_answered_and_logged_once(migrated_database_url):
    service = Service(migrated_database_url)

    def fail() -> None:
        raise RuntimeError("canary")

    def refuse() -> None:
        raise Problem("record.not_found")

    service.app.web.add_api_route("/fail", fail)
    service.app.web.add_api_route("/refuse", refuse)
    async with service.app.running(), service.client() as client:
        reply = await client.get("/fail")
        problem(await client.get("/refuse"), "record.not_found")

    assert "canary" not in reply.text
    problem(reply, "service.internal")
    (failed,) = service.lines("failed")
    assert "RuntimeError: canary" in failed["exception"]
    assert [line["status"] for line in service.lines("request")] == [500, 404]


@pytest.mark.parametrize("code", CODES)
async def test_every_code_has_a_page_and_a_whole_document(client, code):
    page = (await client.get(f"/problems/{code}")).json()
    status, headers, body = problem_reply(Problem(code), "en", "0123456789")

    assert page == {"code": code, "status": status, "title": CODES[code].title._asdict()}
    assert (
        problem(httpx.Response(status, headers=[*headers, *_EDGE_HEADERS], content=body), code)["title"]
        == CODES[code].title.en
    )


_EDGE_HEADERS = [
    (name.encode(), b"0123456789")
    for name in (
        "x-request-id",
        "x-content-type-options",
        "content-security-policy",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cache-control",
    )
]


async def test_a_page_about_a_code_for_people(client):
    reply = await client.get("/problems/auth.refused", headers={"accept": "text/html"})

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "用户名或密码不正确" in reply.text
    assert "Wrong user name or password" in reply.text
    problem(await client.get("/problems/<script>"), "route.not_found")


async def test_heads_and_cookies_that_make_no_sense(client):
    await client.post(LOGIN, json={"username": "admin", "password": PASSWORD})
    secret = client.cookies["dougong_session"]
    client.cookies.clear()

    for cookie, status in [
        (f"dougong_session={secret}", 200),
        (f'a=b; dougong_session="{secret}"; c', 200),
        (f"other={secret}", 401),
        ("dougong_session", 401),
        ("dougong_session=", 401),
        ("=;;=; ,", 401),
        ("dougong_session=" + "x" * 5_000, 401),
        (f"dougong_session=wrong; dougong_session={secret}", 401),
    ]:
        reply = await client.get("/api/me", headers={"cookie": cookie.encode()})
        assert reply.status_code == status, cookie
