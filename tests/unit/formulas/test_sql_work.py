"""The work of making SQL grows with the formula, not with two to the power of its depth."""

from __future__ import annotations

import pytest

from formulas.checker import check
from formulas.sql import to_sql
from formulas.sqlforms.core import Emitter
from formulas.tree import Call, walk
from tests.property.formulas.differential import Fields, Table
from tests.unit.formulas.world import CONTEXT


@pytest.mark.parametrize("terms", [3, 6, 8])
def test_each_part_is_made_once(terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Call] = []
    original = Emitter._call

    def counting(emitter: Emitter, call: Call) -> object:
        made.append(call)
        return original(emitter, call)

    monkeypatch.setattr(Emitter, "_call", counting)
    text = "(" + " + ".join(f"money * {at + 2}" for at in range(terms)) + ") / count > 5"
    tree = check(text, Fields(), "rows").tree
    table = Table("sqlite")
    try:
        to_sql(tree, table, "sqlite", CONTEXT)
    finally:
        table.close()
    assert len(made) <= sum(isinstance(each, Call) for each in walk(tree))
