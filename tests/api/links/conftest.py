"""Fixtures: the shared app on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.desk import Desk, publish_definition
from tests.support.links_app import APP, definition
from tests.support.service import running


@pytest.fixture
async def shared(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Desk]:
    """The app, and a client that may do everything with its records."""
    async with running(migrated_database_url) as service:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, definition())
        async with service.client_of("admin", "records:read", "records:write") as client:
            yield Desk(service, client, APP)
