"""Fixtures of the tests of records: a desk on a database that has the shop app."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared


@pytest.fixture
async def desk(anyio_backend: str, prepared: Prepared) -> AsyncIterator[Desk]:
    """An instance with the shop app, and a client that may do everything with its records."""
    async with open_desk(prepared.url, prepared.token) as made:
        yield made
