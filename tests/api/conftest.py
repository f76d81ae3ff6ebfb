"""Fixtures of the API tests: a running service on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.service import Service, running


@pytest.fixture
async def service(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A running instance with an admin, a builder and a member."""
    async with running(migrated_database_url, files_folder=tmp_path / "files") as made:
        made.add_user("admin", "admin")
        made.add_user("builder", "builder")
        made.add_user("member", "member")
        yield made


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with service.client() as made:
        yield made
