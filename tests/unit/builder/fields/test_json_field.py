"""The json field's schema: what is refused, and that no schema or value can make checking it run away."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from builder.definition.entity import Entity
from builder.fields.base import Invalid
from builder.fields.json import JsonField


def make(schema: dict[str, Any]) -> JsonField:
    return JsonField.of(schema=schema)


def refused(schema: dict[str, Any], value: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        make(schema).coerce(value)
    assert caught.value.code == "schema"
    return caught.value


@pytest.mark.parametrize(
    "schema, reason",
    [
        ({"type": "strin"}, "at /type"),
        ({"properties": []}, "at /properties"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "Draft 2020-12"),
        ({"$ref": "https://example.com/schema.json"}, "is refused"),
        ({"$ref": "file:///etc/passwd"}, "is refused"),
        ({"$ref": "other.json#/a"}, "is refused"),
        ({"items": {"allOf": [{"not": {"$ref": "//example.com"}}]}}, "is refused"),
        ({"$defs": {"a": {"$ref": "https://example.com"}}}, "is refused"),
        ({"$ref": "#/$defs/missing"}, "points at nothing"),
        ({"$ref": "#/properties/a"}, "is refused"),
        ({"$id": "https://example.com/a"}, "$id is not supported"),
        ({"properties": {"a": {"$id": "b"}}}, "$id is not supported"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not supported"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties is not supported"),
        ({"pattern": "(?=a)"}, "RE2"),
        ({"pattern": "("}, "pattern"),
        ({"enum": ["x" * 70_000]}, "larger than"),
    ],
)
def test_an_unsafe_or_wrong_schema_is_refused_remote_ref(schema, reason):
    with pytest.raises(ValidationError) as caught:
        make(schema)
    assert reason in str(caught.value)


def test_a_deep_schema_is_refused():
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"not": schema}
    with pytest.raises(ValidationError, match="deep"):
        make(schema)


def test_words_that_look_like_keywords_are_only_names_elsewhere():
    schema = {
        "properties": {"$id": {"const": "$ref"}, "pattern": {"enum": [{"$ref": "https://example.com"}]}},
        "default": {"$ref": "https://example.com"},
    }
    assert make(schema).coerce({"$id": "$ref"}) == {"$id": "$ref"}


def test_a_violation_names_the_place_and_the_rule():
    schema = {"properties": {"a/b": {"items": {"type": "integer"}}}}
    violation = refused(schema, {"a/b": [1, "x"]})
    assert violation.params == {"pointer": "/a~1b/1", "rule": "type"}
    assert "/a~1b/1" in violation.message.zh
    assert "/a~1b/1" in violation.message.en


def test_a_long_value_is_not_repeated_in_the_message():
    assert len(refused({"type": "integer"}, "x" * 100_000).message.en) < 300


def test_exact_numbers_are_compared_exactly():
    field = make({"minimum": Decimal("0.1"), "multipleOf": Decimal("0.01")})
    assert field.coerce(Decimal("0.1")) == Decimal("0.1")
    assert field.coerce(Decimal("1.13")) == Decimal("1.13")
    refused({"multipleOf": Decimal("0.01")}, Decimal("1.131"))


def test_a_boolean_is_no_number():
    refused({"type": "number"}, True)
    refused({"type": "integer"}, False)
    assert make({"uniqueItems": True}).coerce([1, True, 0, False]) == [1, True, 0, False]
    refused({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": Decimal("2.0"), "a": 1}])


# --- nothing runs away (the suite's time limit would end these) -----------------------------------------------------


def test_a_catastrophic_pattern_is_linear():
    refused({"pattern": "^(a|a)*(a+)+$"}, "a" * 100_000 + "!")


def test_references_that_double_at_each_step_are_stopped():
    definitions: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    violation = refused({"$ref": "#/$defs/a0", "$defs": {**definitions, "a60": {}}}, 1)
    assert "too complex" in violation.message.en


def test_a_schema_that_refers_to_itself_without_end_is_stopped():
    assert "too complex" in refused({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, 1).message.en
    assert "too complex" in refused({"$ref": "#"}, 1).message.en


def test_a_long_list_against_many_rules_is_stopped():
    schema = {"items": {"allOf": [{"minimum": n} for n in range(500)]}}
    assert "too complex" in refused(schema, [1000] * 50_000).message.en


def test_many_unlike_items_are_compared_in_one_pass():
    items = [{"n": n} for n in range(15_000)]
    assert make({"uniqueItems": True}).coerce(items) == items


def test_arithmetic_beyond_the_precision_is_stopped():
    refused({"multipleOf": Decimal("1E-30")}, 10**39)


def test_counting_starts_again_with_each_value():
    field = make({"items": {"type": "integer"}})
    value = list(range(40_000))
    for _ in range(4):
        assert field.coerce(value) == value


# --- as part of a document ----------------------------------------------------------------------------------------


def test_the_schema_is_a_member_of_the_document_and_kept_as_it_is():
    schema = {
        "const": None,
        "default": None,
        "properties": {"b": {"minimum": Decimal("0.10")}, "a": {"enum": [None, "x"]}},
    }
    document = {"key": "e", "label": "E", "fields": [{"type": "json", "key": "j", "label": "J", "schema": schema}]}
    entity = Entity.model_validate(document, strict=False)
    assert entity.model_dump(exclude_none=True)["fields"][0]["schema"] == schema
    assert entity.model_dump(exclude_defaults=True)["fields"][0]["schema"] == schema
    assert Entity.model_validate(entity.model_dump(), strict=False) == entity
    described = Entity.model_json_schema()["$defs"]["JsonField"]["properties"]
    assert "schema" in described
    assert "json_schema" not in described


def test_the_value_schema_stands_alone_anywhere():
    plain = {"type": "object", "properties": {"a": {"const": 1}}}
    assert make(plain).value_schema() == plain
    linked = {
        "title": "Box",
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"const": 1}},
    }
    assert make(linked).value_schema() == {"title": "Box", "type": "object"}


def test_using_a_field_does_not_change_what_it_equals():
    one, other = make({"type": "integer"}), make({"type": "integer"})
    one.coerce(5)
    assert one == other
    assert one.model_dump() == other.model_dump()
