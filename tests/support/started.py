"""Services of one app without routes, and what they ask of PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from runtime.services import Services


@asynccontextmanager
async def started(services: Services, package: dict[str, Any]) -> AsyncIterator[Services]:
    """Publish an app and start the database; stop and close it at the end."""
    create_app(services.registry, parse_definition(package), None)
    publish_draft(services.registry, package["app"]["key"], base_version=0, plan_hash=None)
    await services.database.start()
    try:
        yield services
    finally:
        await services.database.stop()
        services.database.close()


def asked_of_postgresql(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every statement is added that is sent from here on."""
    asked: list[str] = []
    for name in ("fetch", "execute", "executemany"):
        plain = getattr(asyncpg.Connection, name)

        def noting(self: Any, sql: str, *values: Any, _plain: Any = plain, **more: Any) -> Any:
            asked.append(sql)
            return _plain(self, sql, *values, **more)

        monkeypatch.setattr(asyncpg.Connection, name, noting)
    return asked
