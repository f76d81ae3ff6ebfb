"""A plan says what will happen: in which class, to how many records, with which statements on either database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.publish.order import order_moves
from builder.registry.publishing import plan_draft, publish_draft
from builder.registry.registry import Registry
from builder.store import tables
from tests.support.builder import create, entity, field, findings, insert, open_registry, publish, published, redraft


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        yield made


def steps(registry: Registry, language: Any = "en") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plan_draft(registry, "shop").to_json(language)["steps"]
    return found


def _insert_many(registry: Registry, count: int, blank: int) -> None:
    """Write rows in bulk, some of them with a blank x."""
    table, now = published(registry).entities["a"].table, registry.clock.now()
    row = {"revision": 1, "created_at": now, "updated_at": now}
    values = [
        {**row, "id": registry.ids.record_id(), "x": None if number < blank else f"value {number}"}
        for number in range(count)
    ]
    with registry.database.transaction() as connection:
        connection.execute(sa.insert(table), values)


def test_a_new_rule_says_how_many_records_break_it(registry):
    create(registry, entity("a", field("x")))
    _insert_many(registry, 4_820, 312)
    redraft(registry, entity("a", field("x", required=True)))
    (step,) = steps(registry)
    assert (step["kind"], step["risk"], step["affected_count"], step["total_count"]) == (
        "change_rules",
        "safe",
        312,
        4820,
    )
    assert step["note"] == "312 of 4,820 records would break it; they stay as they are until next changed"
    assert len(step["sample_ids"]) == 10
    assert step["ddl"] == {"sqlite": [], "postgresql": []}
    (step,) = steps(registry, "zh")
    assert step["note"] == "4,820 条记录中有 312 条违反新规则;它们保持原样,下次修改时须改正"
    assert step["summary"] == "修改字段 a.x:required"


@pytest.mark.parametrize(
    "before, after, broken",
    [
        ({}, {"max_length": 3}, 1),
        ({}, {"pattern": "[0-9]+"}, 2),
        ({}, {"required": True, "max_length": 3}, 2),
        ({"max_length": 10}, {"max_length": 200}, 0),
        ({}, {"label": "other", "help": "x", "default": "y"}, 0),
        ({"required": True}, {}, 0),
    ],
)
def test_values_are_measured_against_the_new_rules(registry, before, after, broken):
    create(registry, entity("a", field("x", **before)))
    for value in ("1", "12a", "text", None):
        insert(registry, "a", {"x": value})
    redraft(registry, entity("a", {**field("x"), **after}))
    (step,) = steps(registry)
    assert (step["affected_count"], step["total_count"], len(step["sample_ids"])) == (broken, 4, broken)


def test_an_option_that_goes_is_told_with_the_records_that_have_it(registry):
    options = [{"key": key, "label": key} for key in "ab"]
    create(registry, entity("a", field("x", "select", options=options)))
    ids = [insert(registry, "a", {"x": key}) for key in "aba"]
    redraft(registry, entity("a", field("x", "select", options=options[1:])))
    (step,) = steps(registry)
    assert (step["affected_count"], step["sample_ids"]) == (2, [ids[0], ids[2]])


@pytest.mark.parametrize(
    "entity_after, blocked, count",
    [
        (entity("a", field("x", unique=True), field("y")), True, 2),
        (entity("a", field("x"), field("y"), unique=[["x", "y"]]), False, 0),
        (entity("a", field("x"), field("y"), unique=[["y"]]), False, 0),  # blanks do not count
        (entity("a", field("x"), field("y"), field("z", default="1", unique=True)), True, 3),
        (entity("a", field("x"), field("y"), field("z", default="1"), unique=[["z", "x"]]), True, 2),
        (entity("a", field("x"), field("y"), field("z", unique=True)), False, 0),
        (entity("a", field("x"), field("y"), field("z", "auto_number")), False, 0),
        (entity("a", field("x", "integer", unique=True), field("y")), True, 3),
        (entity("a", field("w", "integer", unique=True, renamed_from="x"), field("y")), True, 3),
        (entity("b", field("x", unique=True), field("y"), renamed_from="a"), True, 2),
    ],
)
def test_records_that_share_a_value_block_a_unique_rule(registry, entity_after, blocked, count):
    create(registry, entity("a", field("x"), field("y")))
    for x, y in (("1", None), ("1", "p"), ("01", "q")):
        insert(registry, "a", {"x": x, "y": y})
    redraft(registry, entity_after)
    plan = plan_draft(registry, "shop")
    counts = [impact.affected_count for impact in plan.impacts if impact.risk == "blocked"]
    assert counts == ([count] if blocked else [])
    if blocked:
        with pytest.raises(Problem, match=r"publish\.blocked"):
            publish(registry)
        assert published(registry).version == 1
    else:
        publish(registry)
    assert findings(registry) == []


def test_duplicates_that_come_back_from_aside_block_too(registry):
    create(registry, entity("a", field("x")))
    for _ in range(2):
        insert(registry, "a", {"x": "same"})
    publish(registry, entity("a"))
    redraft(registry, entity("a", field("x", unique=True)))
    assert plan_draft(registry, "shop").risk == "blocked"


def test_steps_come_in_words_of_both_languages(registry):
    create(registry, entity("a", field("x"), field("y")), entity("b"))
    redraft(
        registry,
        entity("c", field("z", renamed_from="x", unique=True), field("n", "integer"), renamed_from="a"),
        entity("d", field("c", "reference", entity="c")),
    )
    said = [(step["risk"], step["summary"]) for step in steps(registry) if "Drop the index" not in step["summary"]]
    assert said == [
        ("safe", "Remove the entity b; its data stays in shop__b__kept2 and can come back"),
        ("safe", "Rename the entity a to c"),
        ("safe", "Create the entity d"),
        ("safe", "Remove the field c.y; its data is kept and can come back"),
        ("safe", "Rename the field c.x to z"),
        ("safe", "Add the field c.n (n)"),
        ("safe", "Index created_at, id of c"),
        ("safe", "z of c become unique"),
        ("safe", "Index created_at, id of d"),
        ("safe", "Index c of d"),
        ("safe", "Change label, unique of the field c.z"),
        ("safe", 'Change label of the entity "c" (entities/c)'),
    ]
    assert all(step["summary"] for step in steps(registry, "zh"))


def test_the_statements_of_a_plan_are_the_ones_that_run(registry, dialect):
    create(
        registry,
        entity("a", field("x"), field("r", "reference", entity="b"), field("s", "user"), field("k", indexed=True)),
        entity("b"),
        entity("gone", field("a", "reference", entity="a")),
    )
    publish(registry, entity("a", field("x"), field("s", "user"), field("k", indexed=True)), entity("b"))
    redraft(
        registry,
        entity(
            "a", field("y", "integer", renamed_from="x"), field("r", "reference", entity="c"), field("k", unique=True)
        ),
        entity("c", field("other", "reference", entity="d"), renamed_from="b"),
        entity("d", field("other", "reference", entity="c"), field("no", "auto_number")),
        entity("gone", field("a", "reference", entity="a")),
    )
    plan = plan_draft(registry, "shop")
    assert plan.hash == plan_draft(registry, "shop").hash
    shown = [statement for step in plan.ddl for statement in step[dialect]]
    ran: list[str] = []
    sa.event.listen(
        registry.database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: ran.append(" ".join(statement.split())),
    )
    publish_draft(registry, "shop", base_version=2, plan_hash=plan.hash, accept_lossy=True)
    assert [statement for statement in ran if statement in set(shown)] == shown
    made = [s for s in ran if s.startswith(("CREATE", "ALTER", "DROP"))]
    assert [statement for statement in made if statement not in set(shown)] == []
    assert findings(registry) == []


def test_a_plan_that_was_not_seen_is_not_run(registry):
    create(registry, entity("a", field("x")))
    redraft(registry, entity("a", field("x"), field("y")))
    seen = plan_draft(registry, "shop")
    insert(registry, "a", {"x": "1"})
    assert plan_draft(registry, "shop").hash == seen.hash  # records come and go; what is done stays the same
    redraft(registry, entity("a", field("x"), field("z")))
    with pytest.raises(Problem, match=r"publish\.plan_changed"):
        publish_draft(registry, "shop", base_version=1, plan_hash=seen.hash)
    assert published(registry).version == 1


def test_moves_are_ordered_and_circles_untied():
    assert order_moves({}) == []
    assert order_moves({"a": "a"}) == []
    for moves in ({"a": "b", "b": "c", "c": "d"}, {"a": "b", "b": "c", "c": "a"}, {"a": "b", "b": "a", "x": "y"}):
        names = {old: old for old in moves}
        for old, new in order_moves(moves):
            assert new not in names.values(), "the name is free"
            names[next(origin for origin, now in names.items() if now == old)] = new
        assert names == moves


def test_values_that_do_not_fit_are_shown_to_who_may_see_them_and_kept_nowhere(registry):
    create(registry, entity("a", field("x")))
    ids = [insert(registry, "a", {"x": value}) for value in ("12", "twelve", None)]
    redraft(registry, entity("a", field("x", "integer")))
    plan = plan_draft(registry, "shop")
    assert plan.open  # no roles: everybody reads
    shown = [step for step in plan.to_json("en", values=True)["steps"] if step["kind"] == "convert_field"]
    assert shown[0]["samples"] == [{"id": ids[1], "value": "twelve"}]
    assert shown[0]["sample_ids"] == [ids[1]]
    assert [step["samples"] for step in plan.to_json("en")["steps"]] == [[]] * len(plan.steps)
    publish_draft(registry, "shop", base_version=1, plan_hash=plan.hash, accept_lossy=True)
    with registry.database.snapshot() as connection:
        kept = connection.execute(sa.text("SELECT plan FROM dougong_version")).scalars().all()
    assert not any("twelve" in str(each) for each in kept)


def test_files_that_a_field_takes_no_more_are_counted(registry):
    create(registry, entity("a", field("x", "file")))
    files = {name: registry.ids.record_id() for name in ("photo", "paper")}
    holders = [insert(registry, "a", {"x": [files[name]]}) for name in ("photo", "paper")]
    now = registry.clock.now()
    line = {"app": "shop", "bytes": 5, "sha256": "0" * 64, "created_at": now, "state": "used", "state_at": now}
    with registry.database.transaction() as connection:
        for name, media_type in (("photo", "image/png"), ("paper", "application/pdf")):
            row = {**line, "id": files[name], "name": name, "media_type": media_type}
            connection.execute(sa.insert(tables.file).values(row))
        for name, holder in zip(files, holders, strict=True):
            use = {"app": "shop", "entity": "a", "record_id": holder, "file_id": files[name]}
            connection.execute(sa.insert(tables.file_use).values(use))
    redraft(registry, entity("a", field("x", "image")))
    (step,) = steps(registry)
    assert (step["affected_count"], step["total_count"], step["sample_ids"]) == (1, 2, [holders[1]])
