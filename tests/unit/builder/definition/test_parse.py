"""Documents are parsed strictly: every error at once, with its place and, where a name is near, a hint."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.definition.kinds import APP, ENTITIES, KINDS, dump_definition, dump_document
from builder.definition.parse import DocumentInvalid, parse_definition, parse_document
from builder.kernel.limits import VIOLATIONS_SHOWN
from tests.support.builder import entity, field, package


def errors(document: Any, kind: Any = ENTITIES) -> dict[str, str]:
    with pytest.raises(DocumentInvalid) as caught:
        parse_document(kind, document)
    return {violation.pointer: f"{violation.code}: {violation.message.en}" for violation in caught.value.violations}


def test_every_error_of_a_document_comes_at_once_with_pointer_and_hint():
    document = entity("customer", field("name", labl="x"), field("size", "integr"), field("No"), 5, {}, keyy=1)
    document["fields"][0].pop("label")
    assert errors(document) == {
        "/keyy": 'unknown: There is no member "keyy"; did you mean "key"?',
        "/fields/0/labl": 'unknown: There is no member "labl"; did you mean "label"?',
        "/fields/0/label": 'required: "label" is missing',
        "/fields/1/type": 'unknown: There is no type "integr"; did you mean "integer"?',
        "/fields/2/key": "pattern: Expected a key, not a label: a lower-case letter, then lower-case letters, digits and _, at most 40 in all",
        "/fields/3": "type: Expected an object",
        "/fields/4/type": 'required: "type" is missing',
    }


@pytest.mark.parametrize(
    "document, pointer, code",
    [
        (None, "", "type"),
        ([], "", "type"),
        ("text", "", "type"),
        ({}, "/key", "required"),
        ({"key": 1, "label": "x"}, "/key", "type"),
        ({"key": "a" * 41, "label": "x"}, "/key", "pattern"),
        ({"key": "a\x00", "label": "x"}, "/key", "pattern"),
        ({"key": "a\n", "label": "x"}, "/key", "pattern"),
        ({"key": "a", "label": ""}, "/label", "minLength"),
        ({"key": "a", "label": {"zh": "甲"}}, "/label/en", "required"),
        ({"key": "a", "label": ["x"]}, "/label", "type"),
        ({"key": "a", "label": "x", "fields": {}}, "/fields", "type"),
        (entity("a", {"key": "b", "type": ["text"], "label": "b"}), "/fields/0/type", "type"),
        (entity("a", {"key": "b", "type": {"x": 1}, "label": "b"}), "/fields/0/type", "type"),
        (entity("a", field("b", "integer", minimum=Decimal("1.5"))), "/fields/0/minimum", "type"),
        (entity("a", field("b", "integer", minimum="1")), "/fields/0/minimum", "type"),
        (entity("a", field("b", required="yes")), "/fields/0/required", "type"),
        (entity("a", field("b"), unique=[["b"] * 9]), "/unique/0", "maxItems"),
        (entity("a", field("b"), unique=[[]]), "/unique/0", "minItems"),
    ],
)
def test_a_wrong_document_says_where(document, pointer, code):
    assert errors(document)[pointer].startswith(f"{code}: ")


def test_rules_between_members_speak_too():
    assert errors(entity("a", field("b", min_length=9, max_length=3)))["/fields/0"].endswith(
        "min_length is larger than max_length"
    )
    zone = errors({"key": "a", "label": "x", "time_zone": "Mars/Olympus"}, APP)["/time_zone"]
    assert "use an IANA name such as Asia/Shanghai" in zone


def test_no_more_violations_than_a_page_can_show():
    assert len(errors(entity("a", *({"key": "b"} for _ in range(200))))) <= VIOLATIONS_SHOWN


def test_a_package_points_into_itself():
    wrong = package(entity("a", field("b", "txt")), entity("b", colour=1), time_zone="x")
    wrong["entitys"] = []
    with pytest.raises(DocumentInvalid) as caught:
        parse_definition(wrong)
    pointers = {violation.pointer for violation in caught.value.violations}
    assert pointers == {"/entitys", "/app/time_zone", "/entities/0/fields/0/type", "/entities/1/colour"}


@pytest.mark.parametrize(
    "value, pointer", [([], ""), ({}, "/app"), ({"app": {"key": "a", "label": "a"}, "entities": 1}, "/entities")]
)
def test_something_else_is_not_a_package(value, pointer):
    with pytest.raises(DocumentInvalid) as caught:
        parse_definition(value)
    assert [violation.pointer for violation in caught.value.violations] == [pointer]


def test_keys_that_are_left_out_are_made_from_labels_and_are_free():
    document = {
        "label": "客户 Customer",
        "fields": [
            {"type": "text", "label": "名称"},
            {"type": "text", "label": {"zh": "名称", "en": "Name"}},
            {"key": "ming_cheng", "type": "text", "label": "x"},
            {"type": "text", "label": "名称"},
            {"type": "text", "label": "Id"},
            {"type": "text", "label": "2026"},
            {"type": "text", "label": "很" * 60},
            {"type": "text", "label": "很" * 60},
        ],
    }
    parsed = dump_document(parse_document(ENTITIES, document))
    keys = [f["key"] for f in parsed["fields"]]
    assert parsed["key"] == "ke_hu_customer"
    assert keys[:6] == ["ming_cheng_2", "name", "ming_cheng", "ming_cheng_3", "id_2", "f_2026"]
    assert len(set(keys)) == len(keys)
    assert all(len(key) <= 40 and "__" not in key for key in keys)


def test_the_key_of_an_app_made_from_its_label_fits():
    assert len(parse_document(APP, {"label": "一个名字特别长的应用程序软件系统"}).model_dump()["key"]) <= 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda t: st.lists(t) | st.dictionaries(st.text(), t)
    )
)
def test_anything_else_than_a_document_is_refused_without_an_accident(value):
    for kind in KINDS:
        with pytest.raises(DocumentInvalid):
            parse_document(kind, value)


def test_what_was_parsed_is_written_as_it_was_with_defaults_left_out():
    given_ = package(
        entity(
            "a",
            field("b", max_length=200, required=False),
            field("c", "decimal", minimum=Decimal("0.10")),
            title_field="b",
        )
    )
    written = dump_definition(parse_definition(given_))
    assert written["entities"][0]["fields"] == [
        {"key": "b", "type": "text", "label": "b"},
        {"key": "c", "type": "decimal", "label": "c", "minimum": Decimal("0.1")},
    ]
    assert dump_definition(parse_definition(written)) == written
    assert parse_definition(written).hash() == parse_definition(given_).hash()
