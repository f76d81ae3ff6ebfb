from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from formulas.sql import Dialect
from tests.unit.formulas.world import Base


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def base(request: pytest.FixtureRequest) -> Iterator[Base]:
    """Both databases in turn, filled with the small world."""
    opened = Base(cast("Dialect", request.param))
    yield opened
    opened.close()
