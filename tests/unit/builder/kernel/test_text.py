"""Sentences in both languages."""

from __future__ import annotations

import pytest

from builder.kernel.text import counted, errors_found


@pytest.mark.parametrize(
    "count, words", [(0, "0 scenarios"), (1, "1 scenario"), (2, "2 scenarios"), (21, "21 scenarios")]
)
def test_one_is_not_several(count: int, words: str) -> None:
    assert counted(count, "scenario") == words


def test_some_words_become_others() -> None:
    assert [counted(count, "person", "people") for count in (1, 2)] == ["1 person", "2 people"]
    assert errors_found(1).en == "There is 1 error"
    assert errors_found(3).en == "There are 3 errors"
