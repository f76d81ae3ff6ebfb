"""The four back ends give the same value for random formulas on awkward rows; an error is null in SQL.

`DOUGONG_DIFFERENTIAL` sets the number of formulas for a longer run by hand; each is one case per row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from formulas.checker import check
from formulas.errors import CellError, FormulaErrors
from formulas.evaluate import DictRow, program
from tests.property.formulas.differential import ROWS, Fields, Table, formulas
from tests.unit.formulas.world import CONTEXT

PIECE = 50
FORMULAS = int(os.environ.get("DOUGONG_DIFFERENTIAL", "2600"))
FIELDS = Fields()


@pytest.fixture(scope="module")
def tables() -> Iterator[tuple[Table, Table]]:
    opened = Table("sqlite"), Table("postgresql")
    yield opened
    for table in opened:
        table.close()


def checked(text: str) -> Any:
    """The tree, or None for a formula that is too large for the language."""
    try:
        return check(text, FIELDS, "rows").tree
    except FormulaErrors as found:
        errors = found
    assert {error.kind for error in errors.errors} == {"LIMIT"}, (text, errors)
    return None


@settings(
    max_examples=max(FORMULAS // PIECE, 1),
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
@given(
    texts=st.lists(
        st.sampled_from("nnntttbbbdmL").flatmap(lambda kind: formulas(kind, 2)), min_size=PIECE, max_size=PIECE
    )
)
def test_back_ends_agree(tables: tuple[Table, Table], texts: list[str]) -> None:
    pairs = [(text, tree) for text in texts if (tree := checked(text)) is not None]
    runnable = [program(tree) for _, tree in pairs]
    rows = [DictRow(row) for row in ROWS]
    exact = [[one.run(row, CONTEXT) for row in rows] for one in runnable]
    slow = [[one.run(row, CONTEXT, "asteval") for row in rows] for one in runnable]
    expected = [[None if isinstance(value, CellError) else value for value in values] for values in exact]
    found = [table.values([tree for _, tree in pairs]) for table in tables]
    for at, (text, _) in enumerate(pairs):
        assert same_values(slow[at], exact[at]), text
        assert found[0][at] == expected[at], ("sqlite", text)
        assert found[1][at] == expected[at], ("postgresql", text)


def same_values(left: list[Any], right: list[Any]) -> bool:
    """Equal, errors by their kind."""
    return [value.kind if isinstance(value, CellError) else value for value in left] == [
        value.kind if isinstance(value, CellError) else value for value in right
    ]
