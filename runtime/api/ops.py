"""For operators: is it alive, is it ready, what does it count; and the pages that problems point at."""

from __future__ import annotations

import asyncio
import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from builder.kernel.canonical import JSON, dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.migrate import migration_state
from runtime.access.gate import require_actor, require_role
from runtime.api.caller import Here, request_actor
from runtime.api.http import find_header, from_loopback
from runtime.api.problems import problem_page
from runtime.observe.metrics import CONTENT_TYPE
from runtime.services import Services

READY_SECONDS = 3
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

router = APIRouter(include_in_schema=False)


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> Response:
    """Say that the process answers; asks nothing of anybody else."""
    return _json({"status": "ok"})


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def readyz(here: Here) -> Response:
    """Say whether requests can be served: the database answers, and its tables have the form this code expects."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            await here.authenticator.current_epoch()
            found, wanted = await asyncio.to_thread(migration_state, here.database)
    except Exception as error:  # whatever it is, the answer is the same: not ready
        raise _not_ready("database", say("数据库没有应答", "The database does not answer")) from error
    if found != wanted:
        raise _not_ready("migrations", say("数据库结构不是当前版本", "The database's tables are not in today's form"))
    return _json({"status": "ready", "checks": {"database": "ok", "migrations": found}})


@router.get("/metrics")
async def metrics(request: Request, here: Here) -> Response:
    """Counts for Prometheus: for this machine, the bearer of ``DOUGONG_METRICS_TOKEN``, and admins."""
    if not from_loopback(request.scope) and not _has_metrics_token(here, request):
        require_role(require_actor(await request_actor(here, request.scope)), "admin")
    return Response(here.metrics.exposition(), headers={"content-type": CONTENT_TYPE})


@router.get("/problems/{code}")
async def problem(code: str, request: Request) -> Response:
    """Explain a code of problem documents, in both languages."""
    page = problem_page(code, as_html="text/html" in (find_header(request.scope, b"accept") or ""))
    if page is None:
        raise Problem("route.not_found")
    headers, body = page
    response = Response(body, headers={"content-security-policy": PAGE_POLICY, "cache-control": "public, max-age=3600"})
    response.raw_headers += headers
    return response


def _json(value: JSON) -> Response:
    return Response(dump_json(value), media_type="application/json")


def _not_ready(check: str, detail: Text) -> Problem:
    return Problem("service.unavailable", detail, retry_after_seconds=2, extra={"check": check})


def _has_metrics_token(here: Services, request: Request) -> bool:
    wanted = here.settings.metrics_token
    given = find_header(request.scope, b"authorization") or ""
    if wanted is None:
        return False
    return hmac.compare_digest(given.encode(), f"Bearer {wanted.get_secret_value()}".encode())
