"""An instance of the service for tests: on a database of its own, with a clock that is moved and a log that can be read."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from builder.kernel.clock import MovableClock
from runtime.app import App, create_app
from runtime.identity.users import User
from runtime.settings import Settings

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
ORIGIN = "http://dougong.test"
OWN_PAGE = {"origin": ORIGIN}
"""What a browser adds when our own page sends a request."""

HEADERS_OF_EVERY_ANSWER = (
    "x-request-id",
    "x-content-type-options",
    "content-security-policy",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cache-control",
)


class Service:
    """One running instance."""

    def __init__(self, database_url: str, **settings: Any) -> None:
        self.clock = MovableClock(START)
        self.log = io.BytesIO()
        self.links: list[str] = []
        self.app: App = create_app(
            Settings(**{"database_url": database_url, "background": False, "secret_keys": ("test",), **settings}),
            clock=self.clock,
            log_stream=self.log,
            announce=self.links.append,
        )
        self.identity = self.app.services.identity

    def client(self, *, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
        """A client without credentials, at a network address."""
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, **options)

    def add_user(self, username: str, role: str = "member", **values: Any) -> User:
        """Make a user whose password is ``PASSWORD``."""
        return self.identity.users.create_user({"username": username, "role": role, **values}, password=PASSWORD)

    def session_of(self, username: str) -> str:
        """Log a user in and return the session's secret."""
        return self.identity.sessions.log_in(username, PASSWORD, "").secret

    def token_of(self, username: str, *scopes: str, **values: Any) -> str:
        """Make a token that acts as a user and return its secret."""
        user = self.identity.users.find_by_username(username)
        assert user is not None
        return self.identity.tokens.create_token(user, "test", scopes, **values)[0]

    def client_of(self, username: str, *scopes: str, **options: Any) -> httpx.AsyncClient:
        """A client with a session of a user, or with a token if scopes are given."""
        secret = self.token_of(username, *scopes) if scopes else self.session_of(username)
        return self.client(headers=bearer(secret), **options)

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """What was logged, as objects."""
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in found if event is None or line["event"] == event]


@asynccontextmanager
async def running(database_url: str, **settings: Any) -> AsyncIterator[Service]:
    """Run an instance."""
    service = Service(database_url, **settings)
    async with service.app.running():
        yield service


def bearer(secret: str) -> dict[str, str]:
    """The header that presents a secret."""
    return {"authorization": f"Bearer {secret}"}


def problem(reply: httpx.Response, code: str) -> dict[str, Any]:
    """Check that an answer is a whole problem document with this code, and return it."""
    document: dict[str, Any] = reply.json()
    assert reply.headers["content-type"] == "application/problem+json", document
    assert (document["code"], document["status"]) == (code, reply.status_code), document
    assert document["type"] == f"/problems/{code}"
    assert document["instance"] == f"urn:request:{reply.headers['x-request-id']}"
    assert document["title"]
    assert document["detail"]
    for violation in document.get("errors", []):
        assert violation.keys() == {"code", "pointer", "detail", "params"}
        assert violation["pointer"] == "" or violation["pointer"].startswith("/")
    missing = [name for name in HEADERS_OF_EVERY_ANSWER if name not in reply.headers]
    assert missing == []
    return document


def pointers(document: dict[str, Any]) -> dict[str, str]:
    """Pointer -> code of a problem's violations."""
    return {violation["pointer"]: violation["code"] for violation in document.get("errors", [])}
