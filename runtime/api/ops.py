"""For operators: what does it count; and the pages that problems point at."""

from __future__ import annotations

import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from builder.kernel.problems import Problem
from runtime.access.gate import require_actor, require_role
from runtime.api.caller import Here
from runtime.api.credentials import request_actor
from runtime.api.http import find_header, from_loopback
from runtime.api.problems import problem_page
from runtime.observe.metrics import CONTENT_TYPE
from runtime.services import Services

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

router = APIRouter(include_in_schema=False)


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


def _has_metrics_token(here: Services, request: Request) -> bool:
    wanted = here.settings.metrics_token
    given = find_header(request.scope, b"authorization") or ""
    if wanted is None:
        return False
    return hmac.compare_digest(given.encode(), f"Bearer {wanted.get_secret_value()}".encode())
