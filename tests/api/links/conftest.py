"""Fixtures: the shared app on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.desk import Desk, open_desk, publish_definition
from tests.support.filled import Filled
from tests.support.links_app import APP, definition
from tests.support.service import Service


async def fill(service: Service, options: dict[str, Any]) -> str:
    """Publish the app; return a token that may do everything with its records."""
    service.add_user("admin", "admin")
    publish_definition(service.app.services.registry, definition(**options))
    return service.token_of("admin", "records:read", "records:write")


@pytest.fixture
async def shared(anyio_backend: str, filled: Filled) -> AsyncIterator[Desk]:
    """The app, and a client that may do everything with its records."""
    async with open_desk(*filled(fill, {}), APP) as made:
        yield made


@pytest.fixture
async def clearing(anyio_backend: str, filled: Filled) -> AsyncIterator[Desk]:
    """The app in which a seller who goes takes the links along; one to three are needed."""
    options = {"on_delete": "clear", "required": True, "min_count": 1, "max_count": 3}
    async with open_desk(*filled(fill, options), APP) as made:
        yield made
