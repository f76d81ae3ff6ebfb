"""Health, metrics and documentation, on both databases."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from builder.store.migrate import VERSION_TABLE
from tests.support.service import PASSWORD, bearer, problem, running

pytestmark = pytest.mark.anyio


# --- health -----------------------------------------------------------------------------------------------------------


async def test_ready_when_the_database_answers_in_todays_form(client):
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.head("/healthz")).status_code == 200
    ready = (await client.get("/readyz")).json()
    assert ready.pop("checks").items() >= {"database": "ok"}.items()
    assert ready == {"status": "ready"}


async def test_alive_but_not_ready_when_the_database_is_away(service, client):
    await service.app.services.database.stop()

    assert problem(await client.get("/readyz"), "service.unavailable")["check"] == "database"
    assert (await client.get("/readyz")).headers["retry-after"] == "2"
    assert (await client.get("/healthz")).status_code == 200


async def test_not_ready_when_the_tables_have_another_form(service, client):
    with service.app.services.database.transaction() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '0000'"))

    assert problem(await client.get("/readyz"), "service.unavailable")["check"] == "migrations"


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_a_restarted_database_is_found_again(service, client, postgres_databases):
    secret = service.session_of("admin")
    assert (await client.get("/api/me", headers=bearer(secret))).status_code == 200
    with service.app.services.database.engine.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(sa.text(others))

    statuses = [(await client.get("/api/me", headers=bearer(secret))).status_code for _ in range(10)]
    login = {"username": "admin", "password": PASSWORD}
    logins = [(await client.post("/api/auth/login", json=login)).status_code for _ in range(3)]

    assert set(statuses + logins) <= {200, 503}
    assert (statuses[-1], logins[-1]) == (200, 200)


# --- metrics ----------------------------------------------------------------------------------------------------------


async def test_metrics_count_requests_by_route_and_tell_the_build(service, client):
    await client.get("/api/users/0197a1b2-0000-7000-8000-000000000000")
    await client.get("/nothing")

    reply = await client.get("/metrics")

    assert reply.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert 'dougong_requests_total{method="GET",route="/api/users/{user_id}",status="401"} 1.0' in reply.text
    assert 'dougong_requests_total{method="GET",route="unmatched",status="404"} 1.0' in reply.text
    assert re.search(r'dougong_build_info\{database="(sqlite|postgresql)",version="[\d.]+"\} 1\.0', reply.text)
    assert "dougong_requests_in_flight 1.0" in reply.text
    assert "process_resident_memory_bytes" in reply.text


async def test_metrics_are_for_this_machine_admins_and_the_token(migrated_database_url):
    async with running(migrated_database_url, metrics_token="scrape-me") as service:
        service.add_user("admin", "admin")
        service.add_user("member")
        async with service.client(address="203.0.113.5") as far, service.client() as near:
            problem(await far.get("/metrics"), "auth.required")
            problem(await far.get("/metrics", headers=bearer("scrape-you")), "auth.required")
            problem(await far.get("/metrics", headers=bearer(service.session_of("member"))), "access.denied")
            assert (await far.get("/metrics", headers=bearer("scrape-me"))).status_code == 200
            assert (await far.get("/metrics", headers=bearer(service.session_of("admin")))).status_code == 200
            assert (await near.get("/metrics")).status_code == 200
            # a proxy on this machine speaks for somebody else
            problem(await near.get("/metrics", headers={"x-forwarded-for": "203.0.113.5"}), "auth.required")


# --- documentation ----------------------------------------------------------------------------------------------------


async def test_the_documentation_needs_nothing_from_elsewhere(client):
    for path in ("/docs", "/setup"):
        page = await client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert named
        for address in named:
            assert address.startswith("/")
            assert (await client.get(address)).status_code == 200
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script>" not in page.text


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "docs.html", "redoc.standalone.js", "%2e%2e", "docs.js%00"])
async def test_only_named_files_are_served(client, name):
    problem(await client.get(f"/docs/{name}"), "route.not_found")
    problem(await client.get(f"/setup/{name}"), "route.not_found")


async def test_openapi_describes_problems_and_credentials(client):
    document = (await client.get("/openapi.json")).json()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {"/api/auth/login", "/api/me", "/api/users/{user_id}"} <= document["paths"].keys()
    for operation in operations:
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
        assert "422" not in operation["responses"]
        assert operation["description"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["paths"]["/api/auth/login"]["post"]["security"] == []
    assert "security" not in document["paths"]["/api/me"]["get"]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
