"""Is it alive, is it ready: asked every few seconds by whoever starts, watches or balances servers, so without the framework."""

from __future__ import annotations

import asyncio

from builder.kernel.canonical import JSON
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.migrate import migration_state
from runtime.api.http import ROUTE, Receive, Scope, Send, send_json
from runtime.services import Services

ALIVE, READY = "/healthz", "/readyz"
READY_SECONDS = 3


class HealthApi:
    """The ASGI application of both."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @staticmethod
    def owns(path: str) -> bool:
        """Tell whether a path belongs here."""
        return path in (ALIVE, READY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[ROUTE] = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            raise Problem("request.method", extra={"allow": ["GET", "HEAD"]})
        answer = {"status": "ok"} if scope["path"] == ALIVE else await self._readiness()
        await send_json(send, 200, answer)

    async def _readiness(self) -> JSON:
        """Say whether requests can be served: the database answers, and its tables have the form this code expects."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._services.authenticator.current_epoch()
                found, wanted = await asyncio.to_thread(migration_state, self._services.database)
        except Exception as error:  # whatever it is, the answer is the same: not ready
            raise _not_ready("database", say("数据库没有应答", "The database does not answer")) from error
        if found != wanted:
            raise _not_ready(
                "migrations", say("数据库结构不是当前版本", "The database's tables are not in today's form")
            )
        return {"status": "ready", "checks": {"database": "ok", "migrations": found}}


def _not_ready(check: str, detail: Text) -> Problem:
    return Problem("service.unavailable", detail, retry_after_seconds=2, extra={"check": check})
