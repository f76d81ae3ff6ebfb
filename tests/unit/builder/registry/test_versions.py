"""Versions: listed, read, compared by key."""

from __future__ import annotations

import pytest

from builder.kernel.problems import Problem
from builder.registry.apps import export_app
from builder.registry.publishing import publish_draft
from builder.registry.versions import compare, list_versions
from tests.support.builder import create, entity, field, open_registry, package, redraft


def changes(before, after):
    return [tuple(change) for change in compare(before, after)]


def test_documents_and_fields_are_matched_by_key_not_by_place():
    before = package(entity("a", field("x"), field("y")), entity("b"))
    after = package(entity("a", field("y", help="h"), field("x")), entity("c"))
    assert changes(before, after) == [
        ("entities/a", "/fields/y/help", None, "h"),
        ("entities/a", "/fields", ["x", "y"], ["y", "x"]),
        ("entities/b", "", entity("b"), None),
        ("entities/c", "", None, entity("c")),
    ]
    assert changes(before, before) == []
    assert changes(package(time_zone="UTC"), package()) == [("app", "/time_zone", "UTC", None)]


def test_values_that_are_no_objects_are_compared_as_a_whole():
    before, after = (package(entity("a", field("x"), unique=keys)) for keys in ([["x"]], [["x"], ["y"]]))
    assert changes(before, after) == [("entities/a", "/unique", [["x"]], [["x"], ["y"]])]
    fields = (package(entity("a", field("x", default=default))) for default in ({"a": 1, "b": 2}, {"a": 1}))
    assert changes(*fields) == [("entities/a", "/fields/x/default/b", 2, None)]


def test_versions_are_listed_latest_first_with_who_and_why(migrated_database_url):
    with open_registry(migrated_database_url) as registry:
        create(registry, entity("a"))
        redraft(registry, entity("a", field("x")))
        publish_draft(registry, "shop", base_version=1, plan_hash=None, note="more", author="u1")
        with registry.database.snapshot() as connection:
            lines = list_versions(connection, "shop")
            with pytest.raises(Problem, match=r"app\.not_found"):
                list_versions(connection, "nothing")
        assert [(line.version, line.note, line.published_by) for line in lines] == [(2, "more", "u1"), (1, None, None)]
        assert lines[0].published_at == registry.clock.now()
        assert lines[1].hash == export_app(registry, "shop", 1).hash()
        for version in (0, 3, -1, 2**62, 2**70):
            with pytest.raises(Problem, match=r"version\.not_found"):
                export_app(registry, "shop", version)
