"""For operators: is it alive, is it ready, what does it count; and the pages that problems point at."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from builder.kernel.canonical import dump_json

router = APIRouter(tags=["operations"])


@router.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
async def healthz() -> Response:
    """Say that the process answers; asks nothing of anybody else."""
    return Response(dump_json({"status": "ok"}), media_type="application/json")
