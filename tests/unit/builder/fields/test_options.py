"""Options of field types that make no sense are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from builder.fields import BY_TYPE
from builder.fields.base import Invalid

OPTION = {"key": "a", "label": "甲"}


@pytest.mark.parametrize(
    "type_, options, reason",
    [
        ("text", {"min_length": 6, "max_length": 5}, "min_length is larger"),
        ("text", {"max_length": 1_001}, "less than or equal to 1000"),
        ("text", {"pattern": "(?=a)"}, "RE2"),
        ("text", {"pattern": "("}, "RE2"),
        ("text", {"max_lenght": 5}, "not permitted"),
        ("long_text", {"min_length": 6, "max_length": 5}, "min_length is larger"),
        ("long_text", {"max_length": 100_001}, "less than or equal to 100000"),
        ("integer", {"minimum": 2, "maximum": 1}, "minimum is larger"),
        ("integer", {"maximum": 2**53}, "less than or equal"),
        ("decimal", {"digits": 19}, "less than or equal to 18"),
        ("decimal", {"digits": 2, "scale": 3}, "scale is larger"),
        ("decimal", {"minimum": 2, "maximum": 1}, "minimum is larger"),
        ("money", {"currency": "RMB¥"}, "pattern"),
        ("percent", {"scale": 11}, "less than or equal to 10"),
        ("date", {"minimum": "2026-02-30"}, "date"),
        ("date", {"minimum": "2026-02-02", "maximum": "2026-02-01"}, "minimum is larger"),
        ("phone", {"region": "US"}, "'CN' or 'any'"),
        ("url", {"max_length": 5}, "greater than or equal to 20"),
        ("select", {}, "required"),
        ("select", {"options": []}, "at least 1"),
        ("select", {"options": [OPTION, OPTION]}, 'two options have the key "a"'),
        ("select", {"options": [OPTION, {"key": "b", "label": {"zh": "甲", "en": "B"}}]}, 'the label "甲"'),
        ("select", {"options": [{"key": "a b", "label": "x"}]}, "pattern"),
        ("select", {"options": [{**OPTION, "color": "red"}]}, "pattern"),
        ("select", {"options": [{"key": f"k{n}", "label": str(n)} for n in range(1_001)]}, "at most 1000"),
        ("multi_select", {"options": [OPTION], "min_count": 3, "max_count": 2}, "minimum is larger"),
        ("reference", {}, "required"),
        ("reference", {"entity": "x", "on_delete": "ignore"}, "restrict"),
        ("children", {"entity": "x"}, "required"),
        ("rating", {"maximum": 11}, "less than or equal to 10"),
        ("time", {"minimum": "18:00:00", "maximum": "09:00:00"}, "minimum is larger"),
        ("time", {"minimum": "09:00:00Z"}, "neither an offset"),
        ("duration", {"minimum": 2, "maximum": 1}, "minimum is larger"),
        ("tags", {"min_count": 3, "max_count": 2}, "minimum is larger"),
        ("phone", {"region": "any", "mobile_only": True}, "needs the region CN"),
        ("text", {"format": "passport"}, "'mobile', 'social_credit_code'"),
        ("composite", {"parts": []}, "at least 1"),
        ("composite", {"parts": [{"key": "a", "label": "A", "type": "json"}]}, "a part has one of the types"),
        ("composite", {"parts": [{"key": "a", "label": "A", "type": "text", "max_length": 0}]}, "part 'a', max_length"),
        ("composite", {"parts": [{"key": "a", "label": "A", "type": "text", "unique": True}]}, "unique has no meaning"),
        ("composite", {"parts": [{"key": "a", "label": "A", "type": "text"}] * 2}, 'two parts have the key "a"'),
    ],
)
def test_refused_options(type_: str, options: dict[str, Any], reason: str):
    with pytest.raises(ValidationError) as caught:
        BY_TYPE[type_].of(**options)
    assert reason in str(caught.value)


def test_an_offered_option_wins_its_label_from_a_hidden_one():
    hidden = {"key": "old", "label": "甲", "hidden": True}
    for options in ([OPTION, hidden], [hidden, OPTION]):
        assert BY_TYPE["select"].of(options=options).coerce("甲") == "a"


def test_a_key_wins_from_a_label():
    options = [{"key": "x", "label": "y"}, {"key": "y", "label": "z"}]
    assert BY_TYPE["select"].of(options=options).coerce("y") == "y"


def test_a_near_miss_is_offered_an_option_that_can_be_chosen():
    options = [{"key": "negotiate", "label": "谈判"}, {"key": "negotiated", "label": "旧", "hidden": True}]
    field = BY_TYPE["select"].of(options=options)
    with pytest.raises(Invalid) as caught:
        field.coerce("negotiatd")
    assert 'did you mean "negotiate"' in caught.value.message.en
    assert "“negotiate”" in caught.value.message.zh
