"""What becomes of a field's values while it is renamed, converted, removed, brought back and gone back to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.registry.aside import list_aside, purge_kept
from builder.registry.publishing import plan_draft, roll_back
from builder.registry.registry import Registry
from builder.registry.renaming import rename_field
from builder.store import tables
from tests.support.builder import column, create, entity, field, findings, insert, open_registry, publish, redraft


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        yield made
        assert findings(made) == []


def kinds(registry: Registry) -> list[str]:
    return [step.kind for step in plan_draft(registry, "shop").steps if not step.kind.endswith("_index")]


def counters(registry: Registry) -> dict[tuple[str, str, str], int]:
    row = tables.counter
    with registry.database.snapshot() as connection:
        found = connection.execute(sa.select(row.c.entity, row.c.field, row.c.period, row.c.value))
        return {(entity_key, key, period): value for entity_key, key, period, value in found}


def test_a_removed_field_keeps_its_values_and_brings_them_back(registry):
    create(registry, entity("a", field("x"), field("y")))
    insert(registry, "a", {"x": "1", "y": "2"})
    redraft(registry, entity("a", field("y")))
    plan = plan_draft(registry, "shop")
    assert [(s.kind, i.risk, i.affected_count) for s, i in zip(plan.steps, plan.impacts, strict=True)] == [
        ("keep_field", "lossy", 1)
    ]
    with pytest.raises(Problem, match=r"publish\.lossy"):
        publish(registry, lossy=False)
    publish(registry)
    insert(registry, "a", {"y": "3"})
    redraft(registry, entity("a", field("x"), field("y")))
    assert kinds(registry) == ["restore_field"]
    publish(registry)
    assert column(registry, "a", "x") == ["1", None]
    assert list_aside(registry, "shop") == []


def test_an_empty_column_is_no_loss(registry):
    create(registry, entity("a", field("x"), field("y")))
    insert(registry, "a", {"y": "2"})
    redraft(registry, entity("a", field("y")))
    assert plan_draft(registry, "shop").risk == "safe"


@pytest.mark.parametrize(
    "kind, values, there, back",
    [
        ("integer", ["7", "007", "x", None], [7, 7, None, None], ["7", "007", "x", None]),
        ("decimal", ["1.50", "1.5", "", None], [Decimal("1.50"), Decimal("1.50"), None, None], ["1.50", "1.5", None, None]),
        ("boolean", ["true", "是", "no!", None], [True, True, None, None], ["true", "是", "no!", None]),
        ("multi_select", ["a", "b", "c", None], [("a",), ("b",), None, None], ["a", "b", "c", None]),
    ],
)  # fmt: skip
def test_values_that_nobody_changed_come_back_exactly(registry, kind, values, there, back):
    options = {"options": [{"key": key, "label": key} for key in "ab"]} if kind == "multi_select" else {}
    create(registry, entity("a", field("x")))
    for value in values:
        insert(registry, "a", {"x": value})
    publish(registry, entity("a", field("x", kind, **options)))
    assert column(registry, "a", "x") == there
    publish(registry, entity("a", field("x")))
    assert column(registry, "a", "x") == back


def test_values_changed_since_a_conversion_win_over_those_before_it(registry):
    create(registry, entity("a", field("x")))
    ids = [insert(registry, "a", {"x": value}) for value in ("007", "many", "8", "9")]
    publish(registry, entity("a", field("x", "integer")))
    with registry.database.transaction() as connection:
        table = sa.table("shop__a", sa.column("id"), sa.column("x"))
        for record, value in zip(ids[1:], (5, None, 10), strict=True):
            key = sa.cast(table.c.id, sa.Text) == record
            connection.execute(sa.update(table).where(key).values(x=value))
    publish(registry, entity("a", field("x")))
    assert column(registry, "a", "x") == ["007", "5", None, "10"]


def test_a_conversion_says_how_many_values_do_not_fit(registry):
    create(registry, entity("a", field("x")))
    ids = [insert(registry, "a", {"x": value}) for value in ("1", "x", "y", None)]
    redraft(registry, entity("a", field("x", "integer")))
    plan = plan_draft(registry, "shop")
    found = {step.kind: impact for step, impact in zip(plan.steps, plan.impacts, strict=True)}
    assert found["convert_field"][:4] == ("lossy", 2, 4, (ids[1], ids[2]))
    assert found["convert_field"].note == (
        "2 个值不符合新类型,将留空",
        "2 values do not fit the new type and become blank",
    )
    assert found["keep_field"].risk == "safe"


def test_a_type_of_the_same_storage_leaves_the_column_alone(registry):
    create(registry, entity("a", field("x")))
    insert(registry, "a", {"x": "not an address"})
    redraft(registry, entity("a", field("x", "email")))
    plan = plan_draft(registry, "shop")
    assert [(s.kind, i.affected_count) for s, i in zip(plan.steps, plan.impacts, strict=True)] == [("change_rules", 1)]
    publish(registry)
    assert column(registry, "a", "x") == ["not an address"]


def test_fields_swap_their_keys(registry):
    create(registry, entity("a", field("x"), field("y", "integer", unique=True), field("r", "reference", entity="a")))
    insert(registry, "a", {"x": "1", "y": 2})
    for key, new_key in (("x", "t"), ("y", "x"), ("r", "y"), ("t", "r")):
        rename_field(registry, "shop", "a", key, new_key, None)
    assert set(kinds(registry)) == {"rename_field", "change_document"}
    publish(registry)
    assert [column(registry, "a", key) for key in "rxy"] == [["1"], [2], [None]]
    publish(registry)  # the marks are still in the draft and say nothing new
    assert [column(registry, "a", key) for key in "rxy"] == [["1"], [2], [None]]
    roll_back(registry, "shop", 1)
    assert [column(registry, "a", key) for key in "xyr"] == [["1"], [2], [None]]


def test_a_field_is_renamed_and_converted_at_once_and_gone_back_to(registry):
    create(registry, entity("a", field("x")))
    insert(registry, "a", {"x": "007"})
    publish(registry, entity("a", field("y", "integer", renamed_from="x")))
    assert column(registry, "a", "y") == [7]
    publish(registry, entity("a", field("y", renamed_from="x")))
    assert column(registry, "a", "y") == ["007"]
    publish(registry, entity("a", field("z", "integer", renamed_from="y")))
    roll_back(registry, "shop", 1)
    assert column(registry, "a", "x") == ["007"]


def test_what_stands_aside_belongs_to_the_field_it_came_from(registry):
    """x became a number, so its texts stand aside; then x was renamed: a new x must not take them."""
    create(registry, entity("a", field("x")))
    insert(registry, "a", {"x": "abc"})
    publish(registry, entity("a", field("x", "integer")))
    publish(registry, entity("a", field("y", "integer", renamed_from="x")))
    redraft(registry, entity("a", field("y", "integer", renamed_from="x"), field("x")))
    assert kinds(registry) == ["add_field"]
    publish(registry)
    assert column(registry, "a", "x") == [None]
    roll_back(registry, "shop", 1)
    assert column(registry, "a", "x") == ["abc"]


def test_two_fields_that_had_one_key_in_turn_are_told_apart_when_gone_back_to(registry):
    create(registry, entity("a", field("x"), field("y")))
    insert(registry, "a", {"x": "x1", "y": "y1"})
    publish(registry, entity("a", field("y")))
    publish(registry, entity("a", field("x", renamed_from="y")))
    publish(registry, entity("a", field("z")))
    assert sorted((line.field, line.version) for line in list_aside(registry, "shop")) == [("x", 2), ("x", 4)]
    roll_back(registry, "shop", 1)
    assert (column(registry, "a", "x"), column(registry, "a", "y")) == (["x1"], ["y1"])


def test_a_field_that_took_the_key_of_another_is_not_taken_for_it_when_gone_back_to(registry):
    create(registry, entity("a", field("x")))
    insert(registry, "a", {"x": "x1"})
    publish(registry, entity("a", field("y")))
    insert(registry, "a", {"y": "y2"})
    publish(registry, entity("a", field("x", renamed_from="y")))
    roll_back(registry, "shop", 1)
    assert column(registry, "a", "x") == ["x1", None]
    roll_back(registry, "shop", 2)
    assert column(registry, "a", "y") == [None, "y2"]


def test_references_that_stand_aside_are_not_taken_for_another_target(registry):
    create(registry, entity("a", field("r", "reference", entity="b")), entity("b"), entity("c"))
    target, other = insert(registry, "b", {}), insert(registry, "c", {})
    insert(registry, "a", {"r": target})
    redraft(registry, entity("a", field("r", "reference", entity="c")), entity("b"), entity("c"))
    assert set(kinds(registry)) >= {"keep_field", "add_field"}
    publish(registry)
    assert column(registry, "a", "r") == [None]
    insert(registry, "a", {"r": other})
    publish(registry, entity("a", field("r", "user")), entity("b"), entity("c"))
    assert column(registry, "a", "r") == [None, None]
    publish(registry, entity("a", field("r", "reference", entity="b")), entity("b"), entity("c"))
    assert column(registry, "a", "r") == [target, None]
    publish(registry, entity("a", field("r", "reference", entity="c")), entity("b"), entity("c"))
    assert column(registry, "a", "r") == [None, other]


def test_references_that_come_back_to_records_that_are_gone_become_blank(registry):
    create(registry, entity("a", field("r", "reference", entity="b")), entity("b"))
    gone, there = insert(registry, "b", {}), insert(registry, "b", {})
    insert(registry, "a", {"r": gone})
    insert(registry, "a", {"r": there})
    publish(registry, entity("a"), entity("b"))
    with registry.database.transaction() as connection:
        table = sa.table("shop__b", sa.column("id"))
        connection.execute(sa.delete(table).where(sa.cast(table.c.id, sa.Text) == gone))
    publish(registry, entity("a", field("r", "reference", entity="b")), entity("b"))
    assert column(registry, "a", "r") == [None, there]


def test_numbers_are_given_to_records_without_one_and_counting_goes_on_behind_them(registry):
    create(registry, entity("a", field("x")))
    for value in ("N0041", "old 7", None, None):
        insert(registry, "a", {"x": value})
    number = field("x", "auto_number", pattern="N{seq:4}", start=5)
    publish(registry, entity("a", number))
    assert column(registry, "a", "x") == ["N0041", "old 7", "N0042", "N0043"]
    assert counters(registry) == {("a", "x", ""): 43}
    publish(registry, entity("b", renamed_from="a"))  # the field goes aside, its entity gets another key
    insert(registry, "b", {})
    assert counters(registry) == {("b", "x__kept3", ""): 43}
    publish(registry, entity("b", number, renamed_from="a"))
    assert column(registry, "b", "x") == ["N0041", "old 7", "N0042", "N0043", "N0044"]
    assert counters(registry) == {("b", "x", ""): 44}


def test_numbers_of_a_new_field_count_per_month_of_the_zone_and_from_the_start(registry):
    create(registry, entity("a"))
    insert(registry, "a", {})
    with registry.database.transaction() as connection:
        connection.execute(
            sa.text("UPDATE shop__a SET created_at = '2026-01-31T16:30:00.000Z'")
        )  # February in Shanghai
    insert(registry, "a", {})
    number = field("no", "auto_number", pattern="{yyyy}{mm}-{seq:2}", reset="monthly", start=10)
    publish(registry, entity("a", number))
    assert column(registry, "a", "no") == ["202602-10", "202603-10"]
    assert counters(registry) == {("a", "no", "2026-02"): 10, ("a", "no", "2026-03"): 10}


def test_a_default_is_written_to_the_records_there_are(registry):
    create(registry, entity("a"))
    insert(registry, "a", {})
    redraft(registry, entity("a", field("x", "multi_select", options=[{"key": "k", "label": "K"}], default=["k"])))
    assert plan_draft(registry, "shop").risk == "backfill"
    publish(registry)
    assert column(registry, "a", "x") == [("k",)]


def test_only_a_purge_destroys_and_it_must_be_told_what(registry):
    create(registry, entity("a", field("x", "auto_number")))
    insert(registry, "a", {"x": "000001"})
    publish(registry, entity("a"))
    (line,) = list_aside(registry, "shop")
    assert (line.entity, line.field, line.value_count, line.version) == ("a", "x", 1, 2)
    with pytest.raises(Problem, match=r"app\.confirmation.*1 values") as caught:
        purge_kept(registry, "shop", line.id, confirm="yes")
    assert caught.value.extra["destroys"]["value_count"] == 1
    with pytest.raises(Problem, match=r"kept\.not_found"):
        purge_kept(registry, "shop", "nothing", confirm="nothing")
    purge_kept(registry, "shop", line.id, confirm=line.id)
    assert list_aside(registry, "shop") == []
    roll_back(registry, "shop", 1)
    assert column(registry, "a", "x") == ["000001"]  # numbered anew
