"""Fixtures of the tests of pipelines: a desk on a database that has the deals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import deals
from tests.support.desk import Desk, publish_definition
from tests.support.service import bearer, running


@pytest.fixture
async def desk(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """An instance with the deals, and an admin's client."""
    async with running(migrated_database_url, files_folder=tmp_path / "files") as service:
        service.add_user("boss", "admin")
        service.add_user("seller", "member")
        publish_definition(service.app.services.registry, deals.definition())
        token = service.token_of("boss", "records:read", "records:write")
        async with service.client(headers=bearer(token)) as client:
            yield Desk(service, client, deals.APP)
