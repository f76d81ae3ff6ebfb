"""References are found by the models' own marks; renames between two definitions are followed."""

from __future__ import annotations

from typing import Any

import pytest

from builder.definition.kinds import ENTITIES, KINDS
from builder.definition.parse import parse_definition
from builder.definition.references import find_references, set_at
from builder.definition.renames import follow_renames
from builder.definition.schema import document_schema, package_schema
from tests.support.builder import entity, field, package


def test_every_place_that_names_another_document_is_found():
    definition = parse_definition(
        package(
            entity(
                "customer", field("name"), field("orders", "children", entity="order", via="buyer"), title_field="name"
            ),
            entity("order", field("buyer", "reference", entity="customer"), unique=[["buyer"]], indexes=[["buyer"]]),
        )
    )
    found = {(r.document.key, r.pointer, r.kind, r.key, r.field) for r in find_references(definition)}
    assert found == {
        ("customer", "/title_field", "field", "customer", "name"),
        ("customer", "/fields/1/entity", "entity", "order", ""),
        ("customer", "/fields/1/via", "field", "order", "buyer"),
        ("order", "/fields/0/entity", "entity", "customer", ""),
        ("order", "/unique/0/0", "field", "order", "buyer"),
        ("order", "/indexes/0/0", "field", "order", "buyer"),
    }


def test_a_value_is_replaced_at_a_pointer():
    document = {"a/b": [{"c~d": 1}, 2]}
    set_at(document, "/a~1b/0/c~0d", "x")
    set_at(document, "/a~1b/1", "y")
    assert document == {"a/b": [{"c~d": "x"}, "y"]}


@pytest.mark.parametrize(
    "before, after, pairs",
    [
        ("a b", "a b", {"a": "a", "b": "b"}),
        ("a", "b<a", {"b": "a"}),
        ("a", "b", {}),
        ("a", "b<a a", {"b": "a"}),  # a is new: the old one is b now
        ("a b", "b<a", {"b": "a"}),  # the old b is gone
        ("a b", "b<a a<b", {"b": "a", "a": "b"}),
        ("a b", "c<b b<a", {"c": "b", "b": "a"}),
        ("b<a", "b<a a", {"b": "b"}),  # followed before; a is new
        ("b<a a", "b<a a", {"b": "b", "a": "a"}),
        ("b<a", "c<b", {"c": "b"}),
        ("b<a", "c<a", {}),  # nothing was called a any more
        ("a", "b<a c<a", {"b": "a"}),
        ("a", "b<x", {}),
    ],
)
def test_a_mark_is_followed_once_and_wins_over_a_key(before, after, pairs):
    def fields(words: str) -> Any:
        named = [word.split("<") for word in words.split()]
        options = [field(key, **({"renamed_from": was[0]} if was else {})) for key, *was in named]
        return parse_definition(package(entity("e", *options))).entities[0].fields

    assert follow_renames(fields(before), fields(after)) == pairs


def test_the_published_schema_is_complete_and_closed():
    schema = package_schema()
    assert schema["required"] == ["app"]
    assert set(schema["properties"]) == {kind.name for kind in KINDS}
    assert schema["additionalProperties"] is False
    options = document_schema(ENTITIES)["properties"]["fields"]["items"]["discriminator"]["mapping"]
    assert {"text", "money", "reference", "children"} <= set(options)
    assert schema["$defs"]["TextField"]["properties"]["max_length"]["description"]
