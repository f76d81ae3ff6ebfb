"""All routes of the builder. Order matters: fixed words stand before ``{kind}``."""

from __future__ import annotations

from fastapi import APIRouter

from builder.api import apps, assignments, calendars, catalog, documents, packages, publishing
from builder.api.context import Context

PREFIX = "/builder/v1"


def make_router(context: Context) -> APIRouter:
    """Return the routes for one instance."""
    router = APIRouter(prefix=PREFIX, generate_unique_id_function=lambda route: f"{route.tags[0]}_{route.name}")
    for module in (assignments, catalog, packages, apps, calendars, publishing, documents):
        router.include_router(module.make(context))
    return router
