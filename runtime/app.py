"""The composition root: the only place where an instance is put together. Nothing here is global; call it twice for two instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import BinaryIO

from fastapi import FastAPI

from builder.kernel.clock import Clock, SystemClock
from builder.kernel.ids import Ids, SystemIds
from builder.store.database import Database, open_database
from builder.store.migrate import migrate_database
from runtime.api import faults, ops
from runtime.api.edge import Edge
from runtime.api.http import Receive, Scope, Send
from runtime.identity.actors import Authenticator
from runtime.observe.logs import make_log
from runtime.observe.metrics import Metrics
from runtime.services import Services
from runtime.settings import Settings, load_settings


class App:
    """The ASGI application of one instance. ``services`` is what it stands on; ``running()`` is its life."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.web = _make_web(self)
        self._edge = Edge(
            self._dispatch, settings=services.settings, ids=services.ids, log=services.log, metrics=services.metrics
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._edge(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        # RECORDS: the raw ASGI application for /api/{app}/records/… and /api/{app}/events is asked here, before the framework
        await self.web(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Migrate, open connections, prepare the first start; on the way out finish what is under way and close."""
        database = self.services.database
        await asyncio.to_thread(migrate_database, database)
        await database.start()
        try:
            yield self
        finally:
            await database.stop()
            database.close()


def make_services(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, log_stream: BinaryIO | None = None
) -> Services:
    """Open the database and make the services, without serving (the command line uses them too)."""
    clock = clock or SystemClock()
    database = _open(settings)
    return Services(
        settings=settings,
        database=database,
        clock=clock,
        ids=ids or SystemIds(clock),
        log=make_log(clock, form=settings.log_format, level=settings.log_level, stream=log_stream),
        metrics=Metrics(version=version("dougong"), dialect=database.dialect),
        authenticator=Authenticator(database, clock),
    )


def create_app(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, log_stream: BinaryIO | None = None
) -> App:
    """Make one instance.

    Args:
        clock, ids: the machine's by default; tests and scenarios give their own.
        log_stream: where the log goes; standard error by default.
    """
    return App(make_services(settings, clock=clock, ids=ids, log_stream=log_stream))


def app_from_environment() -> App:
    """Make an instance from the environment and the settings file: ``uvicorn --factory runtime.app:app_from_environment``."""
    return create_app(load_settings())


def _open(settings: Settings) -> Database:
    return open_database(
        settings.database_url, durable=settings.sqlite_durable, connections=settings.postgres_connections
    )


def _make_web(app: App) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with app.running():
            yield

    web = FastAPI(
        title="Dougong",
        version=version("dougong"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=faults.HANDLERS,
    )
    web.state.services = app.services
    web.include_router(ops.router)
    # BUILDER: the routers of builder.api are included here
    return web
