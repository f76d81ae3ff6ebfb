"""Lengths of time as people say them."""

import pytest

from builder.definition.spans import read_span


@pytest.mark.parametrize(
    "text, zh, en",
    [
        ("4320 min", "3 天", "3 days"),
        ("90 min", "90 分钟", "90 minutes"),
        ("120 min", "2 小时", "2 hours"),
        ("0 min", "0 分钟", "0 minutes"),
        ("48 h", "48 小时", "48 hours"),
        ("3 working d", "3 个工作日", "3 working days"),
        ("120 working min", "120 个工作分钟", "120 working minutes"),
    ],
)
def test_a_length_is_said_in_the_largest_unit_that_it_fills(text: str, zh: str, en: str):
    words = read_span(text).words()
    assert (words.zh, words.en) == (zh, en)
