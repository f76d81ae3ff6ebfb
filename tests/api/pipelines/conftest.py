"""Fixtures of the tests of pipelines: a desk on a database that has the deals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import deals
from tests.support.desk import Desk, open_desk, publish_definition
from tests.support.filled import Filled
from tests.support.service import Service


async def fill(service: Service) -> str:
    """An admin's token for the deals."""
    service.add_user("boss", "admin")
    service.add_user("seller", "member")
    publish_definition(service.app.services.registry, deals.definition())
    return service.token_of("boss", "records:read", "records:write")


@pytest.fixture
async def desk(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Desk]:
    """An instance with the deals, and an admin's client."""
    async with open_desk(*filled(fill), deals.APP, files_folder=tmp_path / "files") as made:
        yield made
