"""The part of the API that stands on the framework: people, rights, connections, definitions, pages. Records do without (``runtime.app``)."""

from __future__ import annotations

from fastapi import FastAPI

from runtime.api import (
    absences,
    auth,
    building,
    connections,
    directory,
    docs,
    faults,
    forms,
    grants,
    handover,
    hooks,
    inbox,
    jobs,
    notices,
    ops,
    personal_data,
    providers,
    scenarios,
    security_events,
    shares,
    users,
)
from runtime.services import Services


def make_web(services: Services) -> FastAPI:
    """Put the routes of one instance together."""
    web = FastAPI(
        title="Dougong",
        version="1",  # of the API; which release this is, is nobody's business who is not let in
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers=faults.HANDLERS,
    )
    web.state.services = services
    web.openapi = lambda: docs.own_openapi(web)  # type: ignore[method-assign] # the documented way to replace it
    identity = (
        auth.router,
        providers.router,
        users.router,
        directory.router,
        handover.router,
        grants.router,
        security_events.router,
    )
    outward = (connections.router, hooks.router, inbox.router, notices.router, jobs.router)
    sharing = (shares.router, forms.router, personal_data.router)
    for router in (absences.router, ops.router, *sharing, *identity, *outward, docs.router, scenarios.router):
        web.include_router(router)
    web.include_router(building.builder_router(services))
    return web
