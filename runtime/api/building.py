"""The builder's routes in this instance: with our roles, and with our one write path for sample records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from anyio import from_thread
from fastapi import APIRouter
from starlette.requests import Request

from builder.api.context import Context
from builder.api.router import make_router
from builder.packages.package import Package
from runtime.access.gate import require_role
from runtime.api.caller import actor_of
from runtime.identity.actors import Actor, Role
from runtime.install import load_sample
from runtime.services import Services


def builder_router(services: Services) -> APIRouter:
    """Return the routes of ``/builder/v1``."""

    def load(package: Package) -> int:
        # the routes run in threads; records are written where the event loop is
        return from_thread.run(load_sample, services, package)

    return make_router(Context(services.registry, _authorize, load, services.settings.language))


def _authorize(role: str) -> Callable[..., Awaitable[Actor]]:
    async def authorized(request: Request) -> Actor:
        return require_role(await actor_of(request), cast("Role", role), request.path_params.get("app"))

    return authorized
