"""A page of another site cannot make a visitor's browser act for them (cross-site request forgery), nor log them in as somebody else."""

from __future__ import annotations

import pytest

from tests.support.service import ORIGIN, PASSWORD, Service, bearer, problem, running

pytestmark = pytest.mark.anyio

OWN = [
    {"origin": ORIGIN},
    {"origin": ORIGIN.upper()},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": ORIGIN},
]
FOREIGN = [
    {},
    {"origin": "https://evil.test"},
    {"origin": "null"},
    {"origin": ORIGIN + ".evil.test"},
    {"origin": "http://dougong.test:8080"},
    {"origin": "http://["},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "nonsense"},
    {"sec-fetch-site": "cross-site", "origin": ORIGIN},
]


@pytest.fixture
def dialect():
    return "sqlite"  # decided before the database is asked


@pytest.fixture
async def service(anyio_backend, migrated_database_url):
    async with running(migrated_database_url) as made:
        made.add_user("admin", "admin")
        yield made


@pytest.fixture
async def browser(service: Service):
    """A browser with a session cookie."""
    async with service.client(cookies={"dougong_session": service.session_of("admin")}) as made:
        yield made


@pytest.mark.parametrize("headers", OWN)
async def test_our_own_page_may_change_things(service, browser, headers):
    reply = await browser.post("/api/departments", json={"key": "sales", "name": "销售"}, headers=headers)

    assert reply.status_code == 201


@pytest.mark.parametrize("headers", [*FOREIGN[:-1]])
async def test_another_sites_page_changes_nothing(service, browser, headers):
    for method, path in [
        ("POST", "/api/departments"),
        ("PATCH", "/api/auth/password"),
        ("DELETE", "/api/auth/tokens/x"),
    ]:
        body = {"json": {"key": "sales", "name": "x"}} if method == "POST" else {}
        body = {"json": {"current": PASSWORD, "password": "taken over now"}} if method == "PATCH" else body
        problem(await browser.request(method, path, headers=headers, **body), "access.origin")

    assert service.identity.departments.list_departments() == []
    assert service.session_of("admin")  # the old password still holds


async def test_reading_needs_no_origin(browser):
    assert (await browser.get("/api/me", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_a_bearer_is_sent_by_nobody_by_accident(service):
    async with service.client(headers=bearer(service.session_of("admin"))) as program:
        body = {"key": "sales", "name": "销售"}
        assert (
            await program.post("/api/departments", json=body, headers={"origin": "https://a.test"})
        ).status_code == 201


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/setup"])
@pytest.mark.parametrize("headers", [headers for headers in FOREIGN[1:-1] if headers.get("origin") != ""])
async def test_another_site_cannot_log_a_visitor_in(service, path, headers):
    body = {"username": "admin", "password": PASSWORD} | ({"link": "x"} if path.endswith("setup") else {})
    async with service.client() as visitor:
        reply = await visitor.post(path, json=body, headers=headers)

    problem(reply, "access.origin")
    assert "set-cookie" not in reply.headers


async def test_a_form_cannot_log_a_visitor_in(service):
    async with service.client() as visitor:
        reply = await visitor.post(
            "/api/auth/login",
            content=b'{"username":"admin","password":"correct horse battery"}',
            headers={"content-type": "text/plain"},
        )

    problem(reply, "request.media_type")


async def test_the_configured_address_and_configured_pages_count(migrated_database_url):
    settings = {"public_url": "https://crm.example.com", "cors_origins": "https://shop.example.com"}
    async with running(migrated_database_url, **settings) as service:
        service.add_user("admin", "admin")
        async with service.client(cookies={"dougong_session": service.session_of("admin")}) as browser:
            for index, (headers, status) in enumerate(
                [
                    ({"origin": "https://crm.example.com"}, 201),
                    ({"origin": "https://shop.example.com", "sec-fetch-site": "same-site"}, 201),
                    ({"origin": "http://crm.example.com"}, 403),
                    ({"origin": "https://example.com"}, 403),
                ]
            ):
                body = {"key": f"d{index}", "name": "x"}
                assert (await browser.post("/api/departments", json=body, headers=headers)).status_code == status
