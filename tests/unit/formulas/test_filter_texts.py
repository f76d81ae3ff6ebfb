"""Conditions as text inside JSON filters: where they may stand, what they mean there, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from formulas.checker import TREE_LIMIT, check_condition
from formulas.errors import FormulaError, FormulaErrors, Message
from formulas.filter_writer import write_filter
from formulas.filters import parse_filter
from formulas.syntax import LENGTH_LIMIT
from formulas.tree import Call, Tree
from formulas.writer import write
from tests.unit.formulas.world import CONTEXT, WORLD, Base

SAME: list[tuple[Any, str]] = [
    ({"_formula": "ROUND(amount * 1.13, 1) > 500"}, "ROUND(amount * 1.13, 1) > 500"),
    ({"_formula": "=won"}, "won"),
    ({"level": "A", "_formula": "amount * 2 > 5"}, 'level = "A" AND amount * 2 > 5'),
    ({"_formula": 'level = "A" OR won', "count": {"_gt": 1}}, '(level = "A" OR won) AND count > 1'),
    ({"_or": [{"_formula": "amount * 2 > 5"}, {"level": "B"}]}, 'amount * 2 > 5 OR level = "B"'),
    ({"_and": [{"_formula": "won"}, {"_formula": "count > 2"}]}, "won AND count > 2"),
    ({"_not": {"_formula": "won"}}, "NOT(won)"),
    ({"_formula": "客户.等级 = “A”"}, 'customer.level = "A"'),
    ({"_formula": "SUM(payments.amount) > amount"}, "SUM(payments.amount) > amount"),
    # over a to-one relation the text is about the record behind it
    ({"customer": {"_formula": "LEN(name) > 3"}}, "LEN(customer.name) > 3"),
    ({"customer": {"level": "A", "_formula": "LEN(name) > 3"}}, 'customer.level = "A" AND LEN(customer.name) > 3'),
    ({"customer": {"parent": {"_formula": "LEN(name) > 3"}}}, "LEN(customer.parent.name) > 3"),
    ({"customer": {"_formula": "LEN(parent.name) > 3"}}, "LEN(customer.parent.name) > 3"),
    ({"customer": {"_formula": "COUNT(deals, amount > 5) = 1"}}, "COUNT(customer.deals, amount > 5) = 1"),
    (
        {"customer": {"_formula": "SUM(deals.count, LEN(this.name) > count) > 1"}},
        "SUM(customer.deals.count, LEN(this.customer.name) > count) > 1",
    ),
    ({"customer.parent": {"_formula": "LEN(name) > 3"}}, "LEN(customer.parent.name) > 3"),
    # inside the question about related rows it is about the row, `this` is the record asked about
    ({"payments": {"_some": {"_formula": "amount * 2 > 5"}}}, "EXISTS(payments, amount * 2 > 5)"),
    ({"payments": {"_formula": "amount * 2 > 5", "status": "paid"}}, 'EXISTS(payments, amount * 2 > 5 AND status = "paid")'),
    ({"payments": {"_none": {"_formula": "paid_on > this.due_on"}}}, "NOT(EXISTS(payments, paid_on > this.due_on))"),
    ({"payments": {"_all": {"_formula": "amount < this.amount"}}}, "ALL(payments, amount < this.amount)"),
    ({"payments": {"_some": {"deal": {"_formula": "amount > this.amount"}}}}, "EXISTS(payments, deal.amount > this.amount)"),
    (
        {"customer": {"deals": {"_some": {"_formula": "amount > this.amount"}}}},
        "EXISTS(customer.deals, amount > this.amount)",
    ),
    (
        {"customer": {"deals": {"payments": {"_formula": "amount > this.amount"}}}},
        "EXISTS(customer.deals, EXISTS(payments, amount > this.amount))",
    ),
]  # fmt: skip


@pytest.mark.parametrize("json_filter, text", SAME, ids=lambda value: str(value)[:70])
def test_a_text_in_a_filter_means_what_the_text_alone_means(json_filter: Any, text: str, base: Base) -> None:
    tree = parse_filter(json_filter, WORLD, "deal")
    whole = check_condition(text, WORLD, "deal")
    assert write(tree, WORLD, "deal") == write(whole, WORLD, "deal")
    assert base.matching(tree) == base.matching(whole)


WRITTEN: list[tuple[str, Any]] = [
    ('ROUND(amount*1.13,1) > 500 AND level = "A"', {"_and": [{"_formula": "ROUND(amount * 1.13, 1) > 500"}, {"level": {"_eq": "A"}}]}),
    ("name <> BLANK()", {"name": {"_ne": None}}),
    ("5 < amount", {"amount": {"_gt": 5}}),
    ("count = 1.5", {"_formula": "count = 1.5"}),
    ('IN(level, "A", "C")', {"level": {"_in": ["A", "C"]}}),
    ('NOT IN(customer.level, "A", "C")', {"customer": {"level": {"_nin": ["A", "C"]}}}),
    ("IN(count, 1, 1.5)", {"_formula": "IN(count, 1, 1.5)"}),
    ('IN(name, "a", "")', {"_formula": 'IN(name, "a", "")'}),
    ("amount > count OR NOT(won)", {"_or": [{"_formula": "amount > count"}, {"_not": {"_formula": "won"}}]}),
    ("won AND NOT(level = \"A\")", {"_and": [{"won": {"_eq": True}}, {"_not": {"level": {"_eq": "A"}}}]}),
    ('CONTAINS(LOWER(name), "Ab")', {"_formula": 'CONTAINS(LOWER(name), "Ab")'}),
    ('owner = "$CURRENT_USER"', {"_formula": 'owner = "$CURRENT_USER"'}),
    ("owner = CURRENTUSER()", {"owner": {"_eq": "$CURRENT_USER"}}),
    (
        'EXISTS(payments, amount * 2 > this.amount AND status = "paid")',
        {"payments": {"_some": {"_and": [{"_formula": "amount * 2 > this.amount"}, {"status": {"_eq": "paid"}}]}}},
    ),
    (
        "NOT(EXISTS(customer.deals, EXISTS(payments, amount > this.amount)))",
        {"_not": {"customer": {"deals": {"_some": {"payments": {"_some": {"_formula": "amount > this.amount"}}}}}}},
    ),
    ("COUNT(payments) > 2", {"_formula": "COUNT(payments) > 2"}),
    ("IF(won, amount, count) > 2", {"_formula": "IF(won, amount, count) > 2"}),
    ("BLANK()", {"_formula": "BLANK()"}),
]  # fmt: skip


@pytest.mark.parametrize("text, written", WRITTEN)
def test_only_what_json_cannot_say_is_written_as_text(text: str, written: Any) -> None:
    assert write_filter(check_condition(text, WORLD, "deal"), WORLD, "deal") == written


def test_a_tree_deeper_than_a_filter_is_written_as_one_text() -> None:
    text = "won"
    for level in range(40):
        text = f"{'AND' if level % 2 else 'OR'}(count > {level}, {text})"
    tree = check_condition(text, WORLD, "deal")
    written = write_filter(tree, WORLD, "deal")
    assert list(written) == ["_formula"]
    assert parse_filter(written, WORLD, "deal") == tree


def test_what_is_too_long_in_every_other_form_is_what_was_given() -> None:
    long = "长" * 152
    text = "OR(" + ",".join(f'LEN(name&{number}&"{long}")>5' for number in range(23)) + ")"
    tree = check_condition(text, WORLD, "deal")
    assert len(text) <= LENGTH_LIMIT < len(write(tree, WORLD, "deal"))
    assert write_filter(tree, WORLD, "deal", given={"_formula": text}) == {"_formula": text}


def failures(json_filter: Any, **more: Any) -> list[tuple[str, str, tuple[int, int] | None, str]]:
    with pytest.raises(FormulaErrors) as caught:
        parse_filter(json_filter, WORLD, "deal", CONTEXT, pointer="/filter", **more)
    return [(error.kind, error.pointer, error.at, error.message.en) for error in caught.value.errors]


def test_errors_have_their_place_in_the_filter_and_in_the_text() -> None:
    assert failures({"_or": [{"lvel": 1, "_formula": "amout > 1 AND nme = \"a\""}, {"_formula": "amount >"}]}) == [
        ("NAME", "/filter/_or/0/lvel", None, 'no field "lvel"; did you mean "level"?'),
        ("NAME", "/filter/_or/0/_formula", (0, 5), 'no field "amout"; did you mean "amount"?'),
        ("NAME", "/filter/_or/0/_formula", (14, 17), 'no field "nme"; did you mean "name"?'),
        ("PARSE", "/filter/_or/1/_formula", (8, 8), "the formula is incomplete"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "json_filter, kind, pointer",
    [
        ({"_formula": 5}, "TYPE", "/filter/_formula"),
        ({"_formula": None}, "TYPE", "/filter/_formula"),
        ({"_formula": ["won"]}, "TYPE", "/filter/_formula"),
        ({"_formula": {"won": True}}, "TYPE", "/filter/_formula"),
        ({"_formula": ""}, "PARSE", "/filter/_formula"),
        ({"_formula": "amount"}, "TYPE", "/filter/_formula"),
        ({"_formula": "a\x00b"}, "PARSE", "/filter/_formula"),
        ({"_formula": "__import__('os')"}, "PARSE", "/filter/_formula"),
        ({"amount": {"_formula": "amount > 5"}}, "NAME", "/filter/amount/_formula"),
        ({"_formul": "won"}, "NAME", "/filter/_formul"),
        ({"customer": {"_formula": "this.amount > 5"}}, "NAME", "/filter/customer/_formula"),
        ({"customer": {"_formula": "amount > 5"}}, "NAME", "/filter/customer/_formula"),
        ({"customer": {"_formula": "ISCHANGED(level)"}}, "TYPE", "/filter/customer/_formula"),
        ({"payments": {"_some": {"_formula": "ISCHANGED(status)"}}}, "TYPE", "/filter/payments/_some/_formula"),
        ({"payments": {"_some": {"_formula": "due_on > paid_on"}}}, "NAME", "/filter/payments/_some/_formula"),
        ({"payments": {"_some": {"_formula": "this.this.amount > 5"}}}, "NAME", "/filter/payments/_some/_formula"),
        (
            {"customer": {"parent": {"parent": {"_formula": 'parent.parent.parent.parent.level = "A"'}}}},
            "LIMIT",
            "/filter/customer/parent/parent/_formula",
        ),
        ({"_formula": "won" + " " * LENGTH_LIMIT}, "LIMIT", "/filter/_formula"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refuses(json_filter: Any, kind: str, pointer: str) -> None:
    assert [(found[0], found[1]) for found in failures(json_filter)] == [(kind, pointer)]


def test_a_parent_field_is_named_with_its_this() -> None:
    (found,) = failures({"payments": {"_some": {"_formula": "due_on > paid_on"}}})
    assert found[3] == '"due_on" is a field of the parent record; write "this.due_on"'
    (found,) = failures({"amount": {"_formula": "amount > 5"}})
    assert found[3] == 'no operator "_formula"; it stands beside fields, not inside one'


def test_all_texts_of_a_filter_are_bounded_together() -> None:
    part = {"_formula": f'name = "{"a" * 1_500}"'}
    assert _errors({"_or": [part, part]}) == []
    (found,) = failures({"_or": [part, part, part]})
    assert found[:3] == ("LIMIT", "/filter/_or/2/_formula", (LENGTH_LIMIT - 2 * len(part["_formula"]), 1_509))
    many = {"_or": [{"_formula": "+".join("1" * 130) + "+count>1"}] * 5}
    assert len(str(many)) < LENGTH_LIMIT
    assert {found[0] for found in failures(many)} == {"LIMIT"}
    assert TREE_LIMIT < 5 * 265


def test_a_deep_text_in_a_deep_filter_is_refused() -> None:
    deep: Any = {"_formula": "(" * 60 + "count" + "+1)" * 60 + " > 1"}
    assert _errors(deep) == []
    for _ in range(15):
        deep = {"_not": {"_or": [{"level": "A"}, {"payments": {"_some": {"deal": deep}}}]}}
        if "LIMIT" in {kind for kind, *_ in _errors(deep)}:
            return
    raise AssertionError("never refused")


def _errors(json_filter: Any) -> list[tuple[str, str]]:
    try:
        parse_filter(json_filter, WORLD, "deal")
    except FormulaErrors as found:
        return [(error.kind, error.pointer) for error in found.errors]
    return []


def test_whoever_reads_a_filter_may_refuse_a_text() -> None:
    def judge(tree: Tree, _text: str) -> None:
        if isinstance(tree, Call) and tree.function == "gt":
            raise FormulaErrors([FormulaError("TYPE", Message("不行", "no"))])

    assert failures({"count": {"_gt": 1}, "_or": [{"_formula": "count > 1"}, {"_formula": "won"}]}, judge=judge) == [
        ("TYPE", "/filter/_or/0/_formula", None, "no")
    ]


def test_the_moment_and_the_person_become_values() -> None:
    tree = parse_filter({"_formula": "owner = CURRENTUSER() AND due_on < TODAY() + 1"}, WORLD, "deal", CONTEXT)
    assert write(tree, WORLD, "deal") == 'owner = "u1" AND due_on < DATE(2026, 11, 22) + 1'


def test_both_languages() -> None:
    with pytest.raises(FormulaErrors) as caught:
        parse_filter({"_formula": 1, "level": {"_formula": "won"}}, WORLD, "deal")
    assert [error.message.zh for error in caught.value.errors] == [
        "这里应为公式文本",
        "没有运算符“_formula”，它与字段并列，不写在字段里",
    ]
