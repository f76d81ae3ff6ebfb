"""What becomes of an entity's records while it is renamed, removed, brought back and gone back to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from builder.registry.apps import delete_app, describe_deletion
from builder.registry.aside import list_aside, purge_kept
from builder.registry.publishing import plan_draft, roll_back
from builder.registry.registry import Registry
from builder.registry.renaming import rename_entity
from builder.store import tables
from tests.support.builder import (
    column,
    create,
    entity,
    field,
    findings,
    insert,
    open_registry,
    publish,
    published,
    redraft,
    rows,
)


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        yield made
        assert findings(made) == []


def kinds(registry: Registry) -> list[str]:
    return [step.kind for step in plan_draft(registry, "shop").steps if not step.kind.endswith("_index")]


A = entity("a", field("x"), field("r", "reference", entity="b"), field("up", "reference", entity="a"))
B = entity("b", field("x"))


def test_a_removed_entity_keeps_its_records_and_brings_them_back_with_their_references(registry):
    create(registry, A, B)
    target = insert(registry, "b", {"x": "b1"})
    first = insert(registry, "a", {"x": "a1", "r": target})
    insert(registry, "a", {"x": "a2", "up": first})
    redraft(registry, B)
    plan = plan_draft(registry, "shop")
    lossy = [(s.kind, i.affected_count) for s, i in zip(plan.steps, plan.impacts, strict=True) if i.risk == "lossy"]
    assert lossy == [("keep_entity", 2)]
    publish(registry)
    assert rows(registry, "b").keys() == {target}
    redraft(registry, A, B)
    assert kinds(registry)[0] == "restore_entity"
    publish(registry)
    assert (column(registry, "a", "r"), column(registry, "a", "up")) == ([target, None], [None, first])


def test_both_ends_of_a_reference_leave_and_come_back(registry):
    create(registry, A, B)
    insert(registry, "a", {"r": insert(registry, "b", {"x": "b1"})})
    publish(registry, entity("c"))
    assert {line.entity for line in list_aside(registry, "shop")} == {"a", "b"}
    publish(registry, B, entity("c"))
    publish(registry, A, B, entity("c"))
    assert column(registry, "a", "r") == list(rows(registry, "b"))


def test_a_reference_that_stands_aside_follows_its_target_through_renames(registry):
    create(registry, A, B)
    target = insert(registry, "b", {"x": "b1"})
    insert(registry, "a", {"r": target})
    without = entity("a", field("x"), field("up", "reference", entity="a"))
    publish(registry, without, B)
    publish(registry, without, entity("d", field("x"), renamed_from="b"))
    publish(registry, without, entity("e", field("x"), renamed_from="d"))
    publish(registry, entity("a", field("r", "reference", entity="e")), entity("e", field("x")))
    assert column(registry, "a", "r") == [target]
    publish(registry, entity("e", field("x")))  # now the entity itself stands aside, …
    publish(registry, entity("f", field("x"), renamed_from="e"))  # … its target is renamed once more, …
    publish(registry, entity("a", field("r", "reference", entity="f")), entity("f", field("x")))
    assert column(registry, "a", "r") == [target]


def test_entities_swap_their_keys_with_records_counters_and_history(registry):
    number = field("no", "auto_number", pattern="{seq:3}")
    create(registry, entity("a", number, field("r", "reference", entity="b")), entity("b", number, field("x")))
    target = insert(registry, "b", {"no": "007", "x": "b1"})
    insert(registry, "a", {"no": "001", "r": target})
    with registry.database.transaction() as connection:
        own = {"app": "shop", "field": "no", "period": ""}
        values = [{**own, "entity": "a", "value": 1}, {**own, "entity": "b", "value": 7}]
        connection.execute(sa.insert(tables.counter), values)
    for key, new_key in (("a", "t"), ("b", "a"), ("t", "b")):
        rename_entity(registry, "shop", key, new_key, None)
    assert set(kinds(registry)) == {"rename_entity"}
    publish(registry)
    assert (column(registry, "a", "x"), column(registry, "b", "r")) == (["b1"], [target])
    with registry.database.snapshot() as connection:
        found = connection.execute(sa.select(tables.counter.c.entity, tables.counter.c.value))
        assert {row.entity: row.value for row in found} == {"a": 7, "b": 1}
    roll_back(registry, "shop", 1)
    assert (column(registry, "b", "x"), column(registry, "a", "r")) == (["b1"], [target])


def test_counters_of_an_entity_that_left_wait_for_it(registry):
    """Its key is taken by another entity with numbers of its own; both go on counting where they were."""
    number = field("no", "auto_number", pattern="{seq:3}")
    create(registry, entity("a"), entity("b"))
    for key, count in (("a", 1), ("b", 2)):
        for _ in range(count):
            insert(registry, key, {})
    publish(registry, entity("a", number), entity("b", number))
    publish(registry, entity("a", number, renamed_from="b"))
    assert findings(registry) == []
    publish(registry, entity("c", number, renamed_from="a"), entity("a", number))
    with registry.database.snapshot() as connection:
        found = connection.execute(sa.select(tables.counter.c.entity, tables.counter.c.value))
        assert {row.entity: row.value for row in found} == {"a": 1, "c": 2}


def test_an_entity_takes_the_key_of_one_that_left(registry):
    create(registry, entity("a", field("x")), entity("b", field("x")))
    insert(registry, "a", {"x": "a1"})
    insert(registry, "b", {"x": "b1"})
    publish(registry, entity("a", field("x"), renamed_from="b"))
    assert column(registry, "a", "x") == ["b1"]
    publish(registry, entity("c", field("x"), renamed_from="a"))
    publish(registry, entity("c", field("x")), entity("a", field("x")))
    assert column(registry, "a", "x") == ["a1"]
    roll_back(registry, "shop", 1)
    assert (column(registry, "a", "x"), column(registry, "b", "x")) == (["a1"], ["b1"])


def test_two_entities_that_had_one_key_in_turn_are_told_apart_when_gone_back_to(registry):
    create(registry, entity("a", field("x")), entity("b", field("x")))
    insert(registry, "a", {"x": "a1"})
    insert(registry, "b", {"x": "b1"})
    publish(registry, entity("b", field("x")))
    publish(registry, entity("a", field("x"), renamed_from="b"))
    publish(registry, entity("c"))
    assert sorted((line.entity, line.version) for line in list_aside(registry, "shop")) == [("a", 2), ("a", 4)]
    roll_back(registry, "shop", 1)
    assert (column(registry, "a", "x"), column(registry, "b", "x")) == (["a1"], ["b1"])


def test_an_entity_that_took_the_key_of_another_is_not_taken_for_it_when_gone_back_to(registry):
    create(registry, entity("a", field("x")))
    insert(registry, "a", {"x": "a1"})
    publish(registry, entity("b", field("x")))
    insert(registry, "b", {"x": "b1"})
    publish(registry, entity("a", field("x"), renamed_from="b"))
    roll_back(registry, "shop", 1)
    assert column(registry, "a", "x") == ["a1"]
    roll_back(registry, "shop", 2)
    assert column(registry, "b", "x") == ["b1"]


def test_a_circle_of_new_entities_is_made_and_guarded(registry):
    create(
        registry,
        entity("a", field("r", "reference", entity="b"), field("self", "reference", entity="a")),
        entity("b", field("r", "reference", entity="c")),
        entity("c", field("r", "reference", entity="a")),
    )
    with pytest.raises(sa.exc.IntegrityError):
        insert(registry, "c", {"r": "0193f7a0-1b2c-7d3e-8f40-112233445566"})


def test_going_back_to_a_version_publishes_exactly_its_definition(registry):
    first = create(registry, A, B).published.app.definition
    publish(registry, entity("z", field("y", renamed_from="x"), renamed_from="b"))
    made = roll_back(registry, "shop", 1)
    assert made.published.app.definition == first
    assert (made.published.app.version, made.plan.base_version) == (3, 2)
    assert kinds(registry) == []  # the draft is the same again


def test_a_purged_entity_is_made_anew_when_gone_back_to(registry):
    create(registry, entity("a", field("x", "auto_number"), field("y")), B)
    insert(registry, "a", {"x": "000001"})
    publish(registry, entity("a", field("x", "auto_number")), B)
    publish(registry, B)
    line = next(line for line in list_aside(registry, "shop") if line.field is None)
    purge_kept(registry, "shop", line.id, confirm=line.id)
    assert list_aside(registry, "shop") == []
    roll_back(registry, "shop", 1)
    assert rows(registry, "a") == {}


def test_deleting_an_app_leaves_nothing_of_it(registry):
    create(registry, A, B)
    insert(registry, "a", {"r": insert(registry, "b", {"x": "b1"})})
    publish(registry, B)
    assert describe_deletion(registry, "shop") == {
        "app": "shop",
        "records": {"b": 1},
        "kept_records": {"shop__a__kept2": 1},
        "followed_by": [],
        "events": 0,
        "versions": 2,
    }
    delete_app(registry, "shop", confirm="shop")
    assert findings(registry) == []
    create(registry, A, B)
    assert (published(registry).version, rows(registry, "a")) == (1, {})
