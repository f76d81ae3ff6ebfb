"""Pages served without a CDN: the API documentation (Swagger UI) and the page behind one-time links; and our OpenAPI document.

Each file is named here; no path of a request is ever joined to a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import FileResponse

from builder.kernel.problems import CODES, Problem
from runtime.api.problems import PROBLEM_TYPE

_PAGES = Path(__file__).parent / "pages"
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' {styles}; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DAY = "public, max-age=86400"

_FILES: Mapping[str, tuple[Path, str]] = {
    "/docs/docs.js": (_PAGES, "text/javascript"),
    "/docs/swagger-ui-bundle.js": (_SWAGGER, "text/javascript"),
    "/docs/swagger-ui.css": (_SWAGGER, "text/css"),
    "/docs/favicon.png": (_SWAGGER, "image/png"),
    "/setup/setup.js": (_PAGES, "text/javascript"),
    "/setup/setup.css": (_PAGES, "text/css"),
    "/shared/shared.js": (_PAGES, "text/javascript"),
}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> FileResponse:
    """Show the API documentation; ``?of=/api/{app}/openapi.json`` shows an app's."""
    return _page("docs.html", styles="'unsafe-inline'")  # Swagger UI sets style attributes


@router.get("/setup")
async def setup() -> FileResponse:
    """Show the form behind a one-time link."""
    return _page("setup.html", styles="")


@router.get("/shared")
async def shared() -> FileResponse:
    """Show what a share link shows."""
    return _page("shared.html", styles="")


@router.get("/docs/{name}")
@router.get("/setup/{name}")
@router.get("/shared/{name}")
async def asset(request: Request) -> FileResponse:
    """Serve one of the files that the pages name."""
    path = request.scope["path"]
    if path not in _FILES:
        raise Problem("route.not_found")
    folder, media_type = _FILES[path]
    return FileResponse(folder / path.rpartition("/")[2], media_type=media_type, headers={"cache-control": _DAY})


def _page(name: str, *, styles: str) -> FileResponse:
    return FileResponse(
        _PAGES / name, media_type="text/html", headers={"content-security-policy": _POLICY.format(styles=styles)}
    )


# --- OpenAPI ----------------------------------------------------------------------------------------------------------

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "description": "address of a page about the code"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "urn:request:<id of the request>"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "pointer", "detail", "params"],
                "properties": {
                    "code": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer into the body (RFC 6901)"},
                    "detail": {"type": "string"},
                    "params": {"type": "object"},
                },
            },
        },
        "retry_after": {"type": "integer", "description": "seconds"},
    },
}
_PROBLEM_ANSWER: dict[str, Any] = {
    "description": "A problem",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_OPEN = (
    "/api/auth/login",
    "/api/auth/setup",
    "/api/auth/ways",
    "/api/auth/reset",
    "/api/auth/oidc/login",
    "/api/auth/oidc/callback",
    "/api/auth/oidc/backchannel",
    "/api/shared/open",
    "/api/{app}/forms/{form}",
)
"""What is called without credentials."""


def own_openapi(web: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the fixed routes, with problems instead of the framework's own error shape."""
    if web.openapi_schema:
        return web.openapi_schema
    document = get_openapi(
        title=web.title,
        version=web.version,
        routes=web.routes,
        description="Identity and builder. Apps have a document each.",
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "an API token, or a session's secret"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "dougong_session"},
    }
    document["security"] = [{"bearer": []}, {"cookie": []}]
    for path in _OPEN:
        for operation in document["paths"][path].values():
            operation["security"] = []
    for operation in _operations(document):
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = _PROBLEM_ANSWER
    web.openapi_schema = document
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document.get("paths", {}).values() for operation in path.values()]
