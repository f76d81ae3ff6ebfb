"""Fixtures of the API tests: a running service on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.filled import Filled
from tests.support.service import Service, running


async def fill(service: Service) -> None:
    """Make an admin, a builder and a member."""
    for role in ("admin", "builder", "member"):
        service.add_user(role, role)


@pytest.fixture
async def service(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Service]:
    """A running instance with an admin, a builder and a member."""
    async with running(filled(fill)[0], files_folder=tmp_path / "files") as made:
        yield made


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with service.client() as made:
        yield made
