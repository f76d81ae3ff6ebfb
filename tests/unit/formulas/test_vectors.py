"""Facts from public spreadsheet documentation hold on every back end.

A number in the data file is written as documented: a result may differ by one unit of its last shown place, a whole one by
1e-10, since quotients are rounded to 10 places.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from tests.unit.formulas.world_batch import BACKENDS, answer, open_batch, same

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))


def close(found: Any, expected: Any) -> bool:
    if isinstance(expected, str) and isinstance(found, int | Decimal) and not isinstance(found, bool):
        try:
            shown = Decimal(expected)
        except InvalidOperation:
            return False
        exponent = shown.as_tuple().exponent
        assert isinstance(exponent, int)
        unit = Decimal(0) if exponent >= 0 else Decimal(1).scaleb(exponent)
        return abs(Decimal(found) - shown) <= max(unit, Decimal("1e-10"))
    return same(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_public_facts(backend: str) -> None:
    batch = open_batch(backend)
    found = [
        (vector["source"], vector["formula"], vector["expected"], answer(batch, vector["formula"]))
        for vector in VECTORS
    ]
    batch.close()
    assert [case for case in found if not close(case[3], case[2])] == []


def test_there_are_several_hundred_with_sources() -> None:
    assert len(VECTORS) >= 2_480
    assert all(vector["source"] for vector in VECTORS)
