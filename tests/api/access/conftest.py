"""A running instance with the trade app: departments, people with roles, customers and orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.rights_app import APP, definition
from tests.support.service import running
from tests.support.trading import Trading, open_trading

__all__ = ["APP", "definition"]


@pytest.fixture
async def trading(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[Trading]:
    """The app with its people and records."""
    async with (
        running(migrated_database_url, files_folder=tmp_path / "files") as service,
        open_trading(service) as made,
    ):
        yield made
