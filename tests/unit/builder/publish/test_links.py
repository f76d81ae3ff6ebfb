"""What becomes of links while their field is made, renamed, removed, retargeted, and made of a single reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from builder.registry.publishing import plan_draft, roll_back
from builder.registry.registry import Registry
from builder.registry.renaming import rename_entity
from tests.support.builder import (
    create,
    entity,
    field,
    findings,
    insert,
    open_registry,
    package,
    publish,
    published,
    redraft,
    rows,
)

JSON = Any


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        yield made
        assert findings(made) == []


def links(key: str = "links", to: str = "b", **options: JSON) -> JSON:
    attributes = [{"key": "share", "type": "integer", "label": "share", "default": 7}]
    return field(key, "multi_reference", **{"entity": to, "attributes": attributes, **options})


def pairs(registry: Registry, key: str = "a.links") -> list[tuple[str, str, int | None]]:
    return sorted((row["_source"], row["_target"], row["share"]) for row in rows(registry, key).values())


def kinds(registry: Registry) -> list[str]:
    return [step.kind for step in plan_draft(registry, "shop").steps if not step.kind.endswith("_index")]


B, C = entity("b", field("x")), entity("c", field("x"))


def linked(registry: Registry, key: str = "a") -> tuple[str, str, int]:
    target, source = insert(registry, "b", {"x": "b"}), insert(registry, key, {"x": "a"})
    insert(registry, f"{key}.links", {"_source": source, "_target": target, "share": 3})
    return source, target, 3


def test_a_field_makes_a_table_that_follows_its_names(registry: Registry) -> None:
    create(registry, entity("a", field("x")), B)
    redraft(registry, entity("a", field("x"), links()), B)
    plan = plan_draft(registry, "shop")
    assert "a.links" in [step.entity for step in plan.steps if step.kind == "create_entity"]
    publish(registry)
    one = linked(registry)
    publish(registry, entity("a", field("x"), links("partners", renamed_from="links")), B)
    assert pairs(registry, "a.partners") == [one]
    rename_entity(registry, "shop", "a", "z", None)
    publish(registry)
    assert pairs(registry, "z.partners") == [one]
    rename_entity(registry, "shop", "b", "bb", None)
    publish(registry)
    assert pairs(registry, "z.partners") == [one]
    assert published(registry).entities["z.partners"].physical.name == "shop__z__partners"


def test_removed_links_are_a_listed_loss_and_come_back(registry: Registry) -> None:
    create(registry, entity("a", field("x"), links()), B)
    one = linked(registry)
    redraft(registry, entity("a", field("x")), B)
    plan = plan_draft(registry, "shop")
    lossy = [(s.kind, i.affected_count) for s, i in zip(plan.steps, plan.impacts, strict=True) if i.risk == "lossy"]
    assert lossy == [("keep_entity", 1)]
    publish(registry)
    redraft(registry, entity("a", field("x"), links()), B)
    assert kinds(registry)[0] == "restore_entity"
    publish(registry)
    assert pairs(registry) == [one]
    publish(registry, entity("a", field("x")), B)
    roll_back(registry, "shop", 1, base_version=None)
    assert pairs(registry) == [one]


def test_links_that_lead_elsewhere_begin_anew(registry: Registry) -> None:
    create(registry, entity("a", field("x"), links()), B, C)
    one = linked(registry)
    publish(registry, entity("a", field("x"), links(to="c")), B, C)
    assert pairs(registry) == []
    publish(registry, entity("a", field("x"), links()), B, C)
    assert pairs(registry) == [one]


def test_a_single_reference_becomes_the_first_link(registry: Registry) -> None:
    create(registry, entity("a", field("x"), field("links", "reference", entity="b")), B)
    target = insert(registry, "b", {"x": "b"})
    source = insert(registry, "a", {"x": "a", "links": target})
    insert(registry, "a", {"x": "none"})
    redraft(registry, entity("a", field("x"), links()), B)
    plan = plan_draft(registry, "shop")
    told = {s.kind: (i.risk, i.affected_count) for s, i in zip(plan.steps, plan.impacts, strict=True)}
    assert told["link_references"] == ("backfill", 1)
    assert "lossy" not in [risk for risk, _ in told.values()]
    publish(registry)
    assert pairs(registry) == [(source, target, 7)]


def test_attributes_change_as_fields_do(registry: Registry) -> None:
    create(registry, entity("a", field("x"), links()), B)
    source, target, _ = linked(registry)
    text = [{"key": "share", "type": "text", "label": "share"}, {"key": "note", "type": "text", "label": "n"}]
    publish(registry, entity("a", field("x"), links(attributes=text)), B)
    (row,) = rows(registry, "a.links").values()
    assert row == {"_source": source, "_target": target, "share": "3", "note": None}


def test_equal_documents_are_equal_definitions() -> None:
    definition = parse_definition(package(entity("a", field("x"), links()), B))
    assert not run_checks(definition, None)
    again = parse_definition(package(entity("a", field("x"), links()), B))
    assert again == definition


@pytest.mark.parametrize(
    "fields, code",
    [
        ([links(attributes=[{"key": "x", "type": "integer", "label": "x"}])], "multi_reference.attribute"),
        ([links(required_if="TRUE")], "multi_reference.option"),
        ([links(unique=True)], "field.not_stored"),
        ([links(), field("r", "children", entity="b", via="x")], "children.via"),
    ],
)
def test_what_cannot_be_is_a_finding(fields: list[JSON], code: str) -> None:
    found = run_checks(parse_definition(package(entity("a", field("x"), *fields), B)), None)
    assert code in [finding.code for finding in found]


def test_the_name_of_a_table_of_links_is_taken_by_no_entity() -> None:
    found = run_checks(parse_definition(package(entity("a", links()), B, entity("a__links", field("x")))), None)
    assert "multi_reference.table" in [finding.code for finding in found]
