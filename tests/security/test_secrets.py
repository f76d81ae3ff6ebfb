"""Canary secrets: whatever happens, they are in no log, no answer that is not meant to show them, and no table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from builder.store.tables import metadata
from tests.support.service import OWN_PAGE, bearer, running

pytestmark = pytest.mark.anyio

CANARY = "canary-Zx81-password"


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_is_logged_stored_or_repeated_CVE_2024_47822_CVE_2025_53886(database_url, log_format):
    async with running(
        database_url, log_format=log_format, log_level="debug", metrics_token=CANARY + "-metrics"
    ) as service:
        shown = [CANARY, service.links[0].partition("#")[2]]
        async with service.client() as client:
            await client.post("/api/auth/setup", json={"link": shown[1], "username": "chief", "password": CANARY})
            session = client.cookies["dougong_session"]
            made = await client.post(
                "/api/auth/tokens", json={"name": "a", "scopes": ["records:read"]}, headers=OWN_PAGE
            )
            token = made.json()["data"]["secret"]
            invited = await client.post("/api/users", json={"username": "bob"}, headers=OWN_PAGE)
            link = invited.json()["data"]["link"]["link"].partition("#")[2]
            shown += [session, token, link]
            replies = [
                await client.post("/api/auth/login", json={"username": "chief", "password": CANARY + "x"}),
                await client.post("/api/auth/login", json={"username": CANARY, "password": [CANARY]}),
                await client.post("/api/auth/login", content=CANARY.encode()),
                await client.post("/api/auth/setup", json={"link": link + "x", "password": CANARY}),
                await client.get("/api/me?token=" + token, headers=bearer(token)),
                await client.get("/api/me", headers=bearer(token + "x")),
                await client.get("/metrics", headers=bearer(CANARY + "-metrics")),
                await client.get("/api/auth/tokens"),
                await client.get("/api/users"),
                await client.get("/openapi.json"),
                await client.patch(
                    "/api/auth/password", json={"current": CANARY + "y", "password": CANARY}, headers=OWN_PAGE
                ),
            ]
        with service.app.services.database.snapshot() as connection:
            stored = [str(connection.execute(sa.select(table)).all()) for table in metadata.sorted_tables]

        for secret in shown:
            assert secret.encode() not in service.log.getvalue()
            assert [reply.request.url for reply in replies if secret in reply.text] == []
            assert [text for text in stored if secret in text] == []
        assert len(service.log.getvalue().splitlines()) >= len(replies)


async def test_what_the_database_was_given_is_not_in_the_log_of_a_failure_CVE_2022_2062(migrated_database_url):
    async with running(migrated_database_url) as service:

        def fail() -> None:
            with service.app.services.database.transaction() as connection:
                connection.execute(sa.text("SELECT :value FROM nowhere"), {"value": CANARY})

        service.app.web.add_api_route("/fail", fail)
        async with service.client() as client:
            reply = await client.get("/fail")

        assert reply.status_code == 500
        assert CANARY not in reply.text
        (failed,) = service.lines("failed")
        assert "SELECT" in failed["exception"]
        assert CANARY not in failed["exception"]
