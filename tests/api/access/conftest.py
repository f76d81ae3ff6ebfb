"""A running instance with the trade app: departments, people with roles, customers and orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.filled import Filled
from tests.support.rights_app import APP, definition
from tests.support.trading import Trading, open_trading

__all__ = ["APP", "definition"]


@pytest.fixture
async def trading(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    """The app with its people and records."""
    async with open_trading(filled, tmp_path / "files") as made:
        yield made
