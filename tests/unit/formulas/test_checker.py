"""Static types: what is right has a type and dependencies, what is wrong says so at its place in both languages."""

from __future__ import annotations

import pytest

from formulas.checker import check
from formulas.dependencies import Dependency, computation_order
from formulas.errors import FormulaError, FormulaErrors
from formulas.types import BOOLEAN, DATE, DATETIME, DURATION, TEXT, Type, decimal, integer
from tests.unit.formulas.world import WORLD


@pytest.mark.parametrize(
    "text, type_",
    [
        ("amount + 1", decimal(2, 16)),
        ("amount * count", decimal(2, 24)),
        ("amount / count", decimal(10, 24)),
        ("count + 1", integer(10)),
        ("ROUND(amount * 1.123, 1)", decimal(1, 16)),
        ("name & amount", TEXT),
        ("amount > 1", BOOLEAN),
        ("due_on + 1", DATE),
        ("due_on - due_on", integer(7)),
        ("touched_at - touched_at", DURATION),
        ("touched_at + (touched_at - touched_at)", DATETIME),
        ("SUM(payments.amount)", decimal(2, 19)),
        ("COUNT(payments)", integer(9)),
        ("MAX(payments.paid_on)", DATE),
        ("IF(won, 1, 2.5)", decimal(1, 2)),
        ("IF(won, due_on, touched_at)", DATETIME),
        ("customer.parent.name", TEXT),
    ],
)
def test_types(text: str, type_: Type) -> None:
    assert check(text, WORLD, "deal").type == type_


@pytest.mark.parametrize(
    "text, kind, at, words",
    [
        ("amout + 1", "NAME", (0, 5), 'no field "amout"; did you mean "amount"?'),
        ("{金额} + 1", "NAME", (0, 4), 'did you mean "金额（元）"?'),
        ("SUMM(amount)", "NAME", (0, 12), 'no function "SUMM"; did you mean "SUM"?'),
        ("金额（元） + 1", "NAME", (0, 5), 'did you mean "{金额（元）}"?'),
        ("customer.nam", "NAME", (9, 12), 'did you mean "name"?'),
        ("name.first", "NAME", (0, 4), '"name" is not a relation'),
        ("amount + name", "TYPE", (0, 13), '"+" does not apply to number and text'),
        ("amount = name", "TYPE", (0, 13), "number cannot be compared with text"),
        ("amount = \"10\"", "TYPE", (0, 13), "number cannot be compared with text"),
        ("level = \"D\"", "TYPE", (8, 11), 'no option "D"'),
        ("due_on > \"tomorrow\"", "TYPE", (9, 19), '"tomorrow" is not a date'),
        ("LEN(amount)", "TYPE", (4, 10), "argument 1 of LEN: expected text, found number"),
        ("ROUND(1, 2, 3)", "TYPE", (0, 14), "wrong number of arguments; use ROUND(number, [integer])"),
        ("IF(amount, 1, 2)", "TYPE", (3, 9), "argument 1 of IF: expected condition, found number"),
        ("IF(won, 1, \"a\")", "TYPE", (11, 14), "these values differ in type: integer before, text here"),
        ("MAX(1, due_on, name)", "TYPE", (7, 13), "these values differ in type: integer before, date here"),
        ("level = \"重点客\"", "TYPE", (8, 13), 'no option "重点客"; did you mean "重点"?'),
        ("HAS(tags, \"vop\")", "TYPE", (10, 15), 'no option "vop"; did you mean "vip"?'),
        ("SUM(payments.amuont, status = \"paid\")", "NAME", (13, 19), 'no field "amuont"; did you mean "amount"?'),
        ("COUNT(paymnts, status = \"paid\" AND amount > this.count)", "NAME", (6, 13), 'did you mean "payments"?'),
        ("IFS(won, 1, won)", "TYPE", (0, 16), "wrong number of arguments"),
        ("payments.amount + 1", "TYPE", (0, 15), '"payments.amount" has several records'),
        ("SUM(payments)", "TYPE", (4, 12), "SUM needs a field of the related records"),
        ("SUM(payments.amount, due_on > DATE(2024,1,1))", "NAME", (21, 27), 'write "this.due_on"'),
        ("EXISTS(amount)", "TYPE", (0, 14), "the first argument must be a to-many relation"),
        ("DATEADD(due_on, 1, name)", "TYPE", (19, 23), "a constant is needed here"),
        ("REGEXTEST(name, name)", "TYPE", (16, 20), "a constant is needed here"),
        ("won + 1", "TYPE", (0, 7), '"+" does not apply to true or false and integer'),
        ("-name", "TYPE", (1, 5), "expected number, found text"),
        ("NOT amount", "TYPE", (4, 10), "expected true or false, found number"),
        ("[1, \"a\"]", "TYPE", (0, 8), "a set holds constants of one type"),
        ("tags > tags", "TYPE", (0, 11), "set values have no order"),
    ],
)  # fmt: skip
def test_errors(text: str, kind: str, at: tuple[int, int], words: str) -> None:
    with pytest.raises(FormulaErrors) as caught:
        check(text, WORLD, "deal")
    error = caught.value.errors[0]
    assert (error.kind, error.at) == (kind, at)
    assert words in error.message.en
    assert error.message.zh != error.message.en


def test_every_error_at_once() -> None:
    with pytest.raises(FormulaErrors) as caught:
        check("IF(amout > 1, LEN(count), SUMM(1))", WORLD, "deal")
    assert [error.at for error in caught.value.errors] == [(3, 8), (18, 23), (26, 33)]


@pytest.mark.parametrize(
    "text", ['COUNT(paymnts, status = "paid" AND amount > this.count)', 'SUM(payments.amuont, status = "paid")']
)
def test_a_lost_relation_or_value_is_the_only_error(text: str) -> None:
    with pytest.raises(FormulaErrors) as caught:
        check(text, WORLD, "deal")
    assert len(caught.value.errors) == 1


def test_a_result_of_the_wrong_type() -> None:
    with pytest.raises(FormulaErrors, match="the result must be true or false"):
        check("amount", WORLD, "deal", expected=BOOLEAN)
    assert check("count", WORLD, "deal", expected=decimal(2)).type == integer(9)


def test_dependencies_name_entity_field_and_path() -> None:
    text = 'customer.level = "A" AND SUM(payments.amount, status = "paid" AND paid_on > this.due_on) > 1'
    assert check(text, WORLD, "deal").dependencies == (
        Dependency("customer", "level", ("customer",)),
        Dependency("deal", "customer"),
        Dependency("deal", "due_on"),
        Dependency("deal", "payments"),
        Dependency("payment", "amount", ("payments",)),
        Dependency("payment", "paid_on", ("payments",)),
        Dependency("payment", "status", ("payments",)),
    )


@pytest.mark.parametrize(
    "text, volatile", [("TODAY() - due_on", True), ("owner = CURRENTUSER()", True), ("COUNT(payments, paid_on < TODAY())", True), ("amount", False)]
)  # fmt: skip
def test_volatility(text: str, volatile: bool) -> None:
    assert check(text, WORLD, "deal").volatile is volatile


def test_computation_order_follows_what_is_read() -> None:
    order = computation_order(
        {
            ("deal", "score"): [Dependency("customer", "weight", ("customer",)), Dependency("deal", "total")],
            ("deal", "total"): [Dependency("payment", "net", ("payments",))],
            ("payment", "net"): [Dependency("payment", "amount")],
            ("customer", "weight"): [],
        }
    )
    assert order == (("customer", "weight"), ("payment", "net"), ("deal", "total"), ("deal", "score"))


@pytest.mark.parametrize(
    "formulas",
    [
        {("deal", "a"): [Dependency("deal", "a")]},
        {("deal", "a"): [Dependency("deal", "b")], ("deal", "b"): [Dependency("deal", "a")]},
        {("customer", "depth"): [Dependency("customer", "depth", ("parent",))]},
        {
            ("deal", "a"): [Dependency("customer", "b", ("customer",))],
            ("customer", "b"): [Dependency("deal", "a", ("deals",))],
        },
    ],
)
def test_cycles_are_refused(formulas: dict[tuple[str, str], list[Dependency]]) -> None:
    with pytest.raises(FormulaError, match="formulas read each other"):
        computation_order(formulas)


@pytest.mark.parametrize(
    "text, at, zh, en",
    [
        ("IF(amount > 1; 2; 3)", (13, 14), "参数之间请用逗号", "arguments are separated by commas"),
        ("name = 'x'", (7, 8), "文本请用双引号", "texts stand in double quotes"),
        ("won && won", (5, 6), "“且”请写 AND", "write AND"),
        ("won || won", (4, 5), "“或”请写 OR", "write OR"),
        ("!won", (0, 1), "“非”请写 NOT(…)", "write NOT(…)"),
        ("amount => 3", (8, 9), "比较符号是 = <> < <= > >=", "comparisons are = <> < <= > >="),
        ("amount % 2 = 0", (9, 10), "余数请写 MOD(a, b)", "write MOD(a, b)"),
        ("amount MOD 2", (7, 10), "余数请写 MOD(a, b)", "write MOD(a, b)"),
        ('name LIKE "x"', (5, 9), "包含请写 CONTAINS(文本, 部分)", "write CONTAINS(text, part)"),
        ("name is null", (5, 7), "是否为空请写 ISBLANK(…)", "write ISBLANK(…)"),
        ("won ? 1 : 2", (4, 5), "请写 IF(条件, 值, 否则)", "write IF(condition, value, otherwise)"),
        ("name = null", (7, 11), "空值请写 BLANK()", "write BLANK()"),
        ('name + "!"', (0, 10), "拼接文本请用 &", "texts are joined with &"),
        ("ROUND()", (0, 7), "用法：ROUND(数字, [整数])", "use ROUND(number, [integer])"),
        ("MAX(1、2)", (5, 6), "参数之间请用逗号", "arguments are separated by commas"),
        ("won且won", (0, 7), "“且”前请空一格", 'write a space before "且"'),
        ("customer.customer.nme", (9, 17), "没有字段“customer”", 'no field "customer"'),
    ],
)
def test_what_other_languages_write_is_said_as_it_is_written_here(
    text: str, at: tuple[int, int], zh: str, en: str
) -> None:
    with pytest.raises(FormulaErrors) as caught:
        check(text, WORLD, "deal")
    (error,) = caught.value.errors
    assert error.at == at
    assert zh in error.message.zh
    assert en in error.message.en


def test_what_is_wrong_with_a_part_is_not_said_of_the_whole_too() -> None:
    for text in ("amont + name", "amont * 2 + amount", "amont > name", "amont + due_on", "ABS(amont) & amuont"):
        with pytest.raises(FormulaErrors) as caught:
            check(text, WORLD, "deal")
        assert {error.kind for error in caught.value.errors} == {"NAME"}, text
