"""The JSON form of conditions finds the same rows on both databases, and says everything that is wrong at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from formulas.errors import FormulaErrors
from formulas.filter_writer import write_filter
from formulas.filters import parse_filter
from formulas.schema import Context
from formulas.tree import Call, lift, paths
from tests.unit.formulas.world import CONTEXT, WORLD, Base

CASES: list[tuple[Any, list[int]]] = [
    ({}, [1, 2, 3, 4, 5, 6]),
    ({"level": "A"}, [1, 5, 6]),
    ({"level": {"_eq": "A"}}, [1, 5, 6]),
    ({"level": {"_ne": "A"}}, [2, 3, 4]),
    ({"level": {"_neq": "A"}}, [2, 3, 4]),
    ({"level": None}, [3]),
    ({"level": {"_ne": None}}, [1, 2, 4, 5, 6]),
    ({"level": ["A", "C"]}, [1, 4, 5, 6]),
    ({"level": {"_in": ["B", None]}}, [2, 3]),
    ({"level": {"_nin": ["A"]}}, [2, 3, 4]),
    ({"level": {"_nin": ["A", None]}}, [2, 4]),
    ({"level": {"_in": []}}, []),
    ({"level": {"_nin": []}}, [1, 2, 3, 4, 5, 6]),
    ({"level": {"_gt": "A"}}, [2, 4]),
    ({"amount": {"_gt": 0}}, [1, 5, 6]),
    ({"amount": {"_gte": "0.00"}}, [1, 2, 5, 6]),
    ({"amount": {"_lt": 0}}, [4]),
    ({"amount": {"_lt": -0.049}}, [4]),
    ({"amount": {"_lte": -0.0500001}}, []),
    ({"amount": {"_eq": 12.34}}, [6]),
    ({"amount": {"_eq": 12.3400}}, [6]),
    ({"amount": {"_eq": 12.341}}, []),
    ({"amount": {"_ne": 12.341}}, [1, 2, 3, 4, 5, 6]),
    ({"amount": {"_in": [12.34, 12.341, 0]}}, [2, 6]),
    ({"amount": {"_between": [-1, 12.34]}}, [2, 4, 6]),
    ({"amount": {"_nbetween": [-1, 12.34]}}, [1, 3, 5]),
    ({"amount": {"_lt": "123456789012345678901234567890"}}, [1, 2, 4, 5, 6]),
    ({"count": {"_in": [3, -7]}}, [1, 4]),
    ({"count": {"_eq": "7"}}, [5]),
    ({"won": True}, [1, 6]),
    ({"won": {"_eq": "true"}}, [1, 6]),
    ({"won": {"_ne": True}}, [2, 3, 4, 5]),
    ({"won": {"_in": [True, False]}}, [1, 2, 4, 6]),
    ({"won": {"_null": True}}, [3, 5]),
    ({"won": {"_null": False}}, [1, 2, 4, 6]),
    ({"won": {"_nnull": True}}, [1, 2, 4, 6]),
    ({"name": {"_empty": True}}, [3]),
    ({"name": ""}, [3]),
    ({"due_on": {"_lte": "2024-02-29"}}, [1, 4]),
    ({"due_on": {"_lte": "$TODAY"}}, [1, 2, 4, 5]),
    ({"due_on": {"_lt": "$TODAY(-1 year)"}}, [1, 2, 4]),
    ({"due_on": {"_eq": "$TODAY"}}, [5]),
    ({"touched_at": {"_gt": "2024-02-29T19:59:59+08:00"}}, [1, 4, 5]),
    ({"touched_at": {"_gte": "$NOW(-7 days)"}}, [4]),
    ({"touched_at": {"_in": ["2024-02-29T12:00:00Z"]}}, [1, 5]),
    ({"owner": "$CURRENT_USER"}, [1, 4]),
    ({"owner": {"_in": ["$CURRENT_USER", "u2"]}}, [1, 2, 4]),
    ({"name": {"_contains": "%"}}, [1]),
    ({"name": {"_contains": "_"}}, [2]),
    ({"name": {"_contains": "张三"}}, [1]),
    ({"name": {"_ncontains": "张三"}}, [2, 3, 4, 5, 6]),
    ({"name": {"_contains": "b"}}, [4]),
    ({"name": {"_icontains": "B"}}, [4, 5]),
    ({"name": {"_icontains": "é"}}, [2]),
    ({"name": {"_starts_with": "a"}}, [4]),
    ({"name": {"_istarts_with": "É"}}, [2]),
    ({"name": {"_ends_with": "😀"}}, [6]),
    ({"name": {"_ends_with": "xyzABC"}}, []),
    ({"name": {"_iends_with": "BC"}}, [4, 5]),
    ({"tags": {"_has": "vip"}}, [1, 6]),
    ({"tags": {"_has_any": ["cold", "vip"]}}, [1, 4, 6]),
    ({"tags": {"_has_all": ["vip", "new"]}}, [1, 6]),
    ({"tags": {"_has_none": ["new"]}}, [2, 3, 4]),
    ({"tags": {"_empty": True}}, [2, 3]),
    ({"tags": {"_nempty": True}}, [1, 4, 5, 6]),
    ({"_or": [{"level": "B"}, {"count": {"_lt": 0}}]}, [2, 4]),
    ({"_or": []}, []),
    ({"_and": []}, [1, 2, 3, 4, 5, 6]),
    ({"_not": {"level": "A"}}, [2, 3, 4]),
    ({"_not": {"amount": {"_gt": 0}}}, [2, 3, 4]),
    ({"level": "A", "count": {"_gte": 3}}, [1, 5]),
    ({"count": {"_gte": 0, "_lt": 5}}, [1, 2, 6]),
    ({"customer": {"level": {"_eq": "A"}}}, [1, 5]),
    ({"customer": "c2"}, [2]),
    ({"customer": {"_eq": "c2"}}, [2]),
    ({"customer": {"_null": True}}, [3, 6]),
    ({"customer.level": "B"}, [2]),
    ({"customer": {"parent": {"parent": {"level": "A"}}}}, [4]),
    ({"customer": {"_or": [{"level": "B"}, {"name": None}]}}, [2, 3, 4, 6]),
    ({"payments": {"_some": {"status": "open"}}}, [1, 5]),
    ({"payments": {"_none": {"status": "paid"}}}, [2, 3, 4, 6]),
    ({"payments": {"_all": {"status": "paid"}}}, [3, 4, 6]),
    ({"payments": {"status": "open", "amount": {"_gt": 1}}}, [5]),
    ({"payments.amount": {"_gt": 50}}, [1]),
    ({"payments": {"_some": {}}}, [1, 2, 5]),
    ({"payments": {"_null": True}}, [3, 4, 6]),
    ({"payments": {"_nempty": True}}, [1, 2, 5]),
    ({"payments": {"_has": "p4"}}, [2]),
    ({"payments": {"_has_all": ["p1", "p2"]}}, [1]),
    ({"customer": {"deals": {"_some": {"payments": {"_some": {"amount": 10}}}}}}, [1, 5]),
]


@pytest.mark.parametrize("json_filter, expected", CASES, ids=lambda value: str(value)[:70])
def test_finds(base: Base, json_filter: Any, expected: list[int]) -> None:
    tree = parse_filter(json_filter, WORLD, "deal", CONTEXT)
    assert base.matching(tree) == [f"d{number}" for number in expected]


@pytest.mark.parametrize("json_filter, expected", CASES, ids=lambda value: str(value)[:70])
def test_written_back_and_lifted_it_finds_the_same(base: Base, json_filter: Any, expected: list[int]) -> None:
    tree = parse_filter(json_filter, WORLD, "deal", CONTEXT)
    again = parse_filter(write_filter(tree, WORLD, "deal"), WORLD, "deal", CONTEXT)
    shape, values = lift(again)
    assert base.matching(shape, values=values) == [f"d{number}" for number in expected]


def test_lists_of_any_length_share_one_shape() -> None:
    shapes = {
        lift(parse_filter({"count": {"_in": numbers}}, WORLD, "deal"))[0] for numbers in ([], [1], [1, 2, 3], [9] * 50)
    }
    assert len(shapes) == 1


def test_without_a_context_the_moment_stays_a_call() -> None:
    tree = parse_filter({"due_on": {"_lt": "$TODAY(-1 day)"}, "owner": "$CURRENT_USER"}, WORLD, "deal")
    assert write_filter(tree, WORLD, "deal") == {
        "_and": [{"due_on": {"_lt": "$TODAY(-1 days)"}}, {"owner": {"_eq": "$CURRENT_USER"}}],
    }


def test_today_is_the_day_of_the_zone() -> None:
    late = Context(now=datetime(2026, 11, 22, 20, 0, tzinfo=UTC), zone=timezone(timedelta(hours=8)))
    tree = parse_filter({"due_on": "$TODAY"}, WORLD, "deal", late)
    assert write_filter(tree, WORLD, "deal") == {"due_on": {"_eq": "2026-11-23"}}


def test_paths_reach_into_rollups() -> None:
    tree = parse_filter({"customer": {"deals": {"_some": {"amount": 1}}}, "level": "A"}, WORLD, "deal")
    assert paths(tree) == {("customer",), ("customer", "deals"), ("customer", "deals", "amount"), ("level",)}


def failures(json_filter: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(FormulaErrors) as caught:
        parse_filter(json_filter, WORLD, "deal", CONTEXT)
    return [(error.kind, error.pointer, error.message.en) for error in caught.value.errors]


def test_every_error_at_once_with_pointers() -> None:
    found = failures(
        {"lvel": "A", "amount": {"_gtt": 1}, "_or": [{"level": "Z"}, {"count": "x", "customer": {"nam": 1}}]}
    )
    assert found == [
        ("NAME", "/lvel", 'no field "lvel"; did you mean "level"?'),
        ("NAME", "/amount/_gtt", 'no operator "_gtt"; did you mean "_gt"?'),
        ("TYPE", "/_or/0/level", 'no option "Z"'),
        ("TYPE", "/_or/1/count", "expected integer"),
        ("NAME", "/_or/1/customer/nam", 'no field "nam"; did you mean "name"?'),
    ]


@pytest.mark.parametrize(
    "json_filter, kind, pointer",
    [
        ([], "TYPE", ""),
        (None, "TYPE", ""),
        ({"_and": {}}, "TYPE", "/_and"),
        ({"_xor": []}, "NAME", "/_xor"),
        ({"amount": {"_contains": "1"}}, "TYPE", "/amount/_contains"),
        ({"amount": {"_between": [1]}}, "TYPE", "/amount/_between"),
        ({"amount": {"_gt": None}}, "TYPE", "/amount/_gt"),
        ({"amount": True}, "TYPE", "/amount"),
        ({"amount": "NaN"}, "TYPE", "/amount"),
        ({"amount": float("inf")}, "TYPE", "/amount"),
        ({"amount": "1e999999999"}, "TYPE", "/amount"),
        ({"count": 1.5}, "TYPE", "/count"),
        ({"won": "maybe"}, "TYPE", "/won"),
        ({"due_on": "2023-02-29"}, "TYPE", "/due_on"),
        ({"due_on": "$TODAY(1 parsec)"}, "TYPE", "/due_on"),
        ({"touched_at": "0001-01-01T00:00:00+14:00"}, "TYPE", "/touched_at"),
        ({"name": {"_eq": ["a"]}}, "TYPE", "/name/_eq"),
        ({"name": "a\x00b"}, "TYPE", "/name"),
        ({"name": "\ud800"}, "TYPE", "/name"),
        ({"name": {"first": "a"}}, "NAME", "/name"),
        ({"name.first": "a"}, "NAME", "/name.first"),
        ({"level": {"_in": "A"}}, "TYPE", "/level/_in"),
        ({"level": {"_null": 1}}, "TYPE", "/level/_null"),
        ({"payments": {"_gt": 1}}, "TYPE", "/payments/_gt"),
        ({"a/b~c": 1}, "NAME", "/a~1b~0c"),
        ({"count": {"_in": list(range(1001))}}, "LIMIT", "/count/_in"),
        (
            {"customer.parent.parent.parent.parent.parent.level": "A"},
            "LIMIT",
            "/customer.parent.parent.parent.parent.parent.level",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refuses(json_filter: Any, kind: str, pointer: str) -> None:
    assert [(found[0], found[1]) for found in failures(json_filter)] == [(kind, pointer)]


def test_depth_and_size_are_bounded() -> None:
    deep: Any = {"level": "A"}
    for _ in range(5000):
        deep = {"_not": deep}
    assert failures(deep)[0][0] == "LIMIT"
    assert [kind for kind, _, _ in failures({"_or": [{"level": "A"}] * 100_000})] == ["LIMIT"]


def test_both_languages() -> None:
    with pytest.raises(FormulaErrors) as caught:
        parse_filter({"lvel": 1}, WORLD, "deal")
    assert caught.value.errors[0].message.zh == "没有字段“lvel”，是否想写“level”？"


def test_a_condition_over_a_list_uses_one_parameter(base: Base) -> None:
    shape, values = lift(parse_filter({"level": {"_in": ["A", "B"]}}, WORLD, "deal"))
    assert isinstance(shape, Call)
    assert values == (("A", "B"),)
    assert base.matching(shape, values=values) == ["d1", "d2", "d5", "d6"]
    assert base.matching(shape, values=(("C",),)) == ["d4"]
