"""Formulas on the rows of the small world: the record back ends and both databases agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from formulas.checker import check, check_condition
from formulas.errors import CellError
from formulas.evaluate import DictRow, program
from formulas.functions import known_function, list_functions
from formulas.moments import bind_context
from formulas.parser import parse
from formulas.tree import lift
from formulas.values import BAD_DATE
from tests.unit.formulas.world import CONTEXT, DEALS, WORLD, Base, nested
from tests.unit.formulas.world_batch import answer, open_batch

ROWS = {row["id"]: DictRow(nested("deal", row)) for row in DEALS}

FORMULAS = [
    "amount",
    "amount + count",
    "amount - count * 2",
    "amount * count",
    "amount / count",
    "count / 3",
    "-amount",
    "amount * 15%",
    "amount * amount",
    "amount * amount * amount",
    "amount ^ 2",
    "count ^ 3",
    "(amount + 1) * (count - 1) / 7",
    "ROUND(amount * 1.13, 1)",
    "ROUND(amount, -2)",
    "ROUND(amount / 3, 2)",
    "ROUNDUP(amount, 1)",
    "ROUNDDOWN(amount, 1)",
    "INT(amount)",
    "ABS(amount)",
    "MOD(count, 3)",
    "MOD(amount, -0.07)",
    "CEILING(amount, 0.5)",
    "FLOOR(amount, 10)",
    "QUOTIENT(amount, 7)",
    "SQRT(amount)",
    "LN(count)",
    "POWER(amount, 0.5)",
    "POWER(count, -2)",
    "IF(amount > 10, amount, count)",
    'IF(won, "赢", "输")',
    "IF(won, 1)",
    'IFS(amount > 1000, "大", amount > 10, "中")',
    'SWITCH(level, "A", 3, "B", 2, 1)',
    'SWITCH(level, "A", 3)',
    "IFERROR(amount / count, -1)",
    'IFERROR(SWITCH(level, "A", 3), 0)',
    "ISERROR(1 / count)",
    "IFERROR(IF(1 / count > 0, 1, 2), 9)",
    "IFERROR(SQRT(count), 0)",
    'COALESCE(name, "无名")',
    "COALESCE(amount, 0)",
    "COALESCE(1 / count, 5)",
    "ISBLANK(1 / count)",
    "ISBLANK(name)",
    "ISBLANK(tags)",
    'name & "-" & amount & "-" & won & "-" & due_on & "-" & touched_at',
    "amount > 10 AND won",
    "amount > 10 OR won",
    "NOT won",
    "NOT (amount > 10)",
    'level = "A"',
    'level <> "A"',
    'level > "A"',
    'name = ""',
    "name <> BLANK()",
    'amount = ""',
    'won <> ""',
    'due_on = ""',
    'tags = ""',
    'IF(amount > 3, "", amount)',
    'IF(won, due_on, "")',
    'IFERROR(amount / count, "")',
    'SWITCH(count, "", -1, count)',
    'SWITCH(count, 3, "", -7, 5, 0)',
    'COALESCE(amount, "", 7)',
    'IN(count, "", 3)',
    "amount = count",
    "amount <> count",
    "amount > count",
    "amount < 12.345",
    "1 / count > 0",
    "1 / count = BLANK()",
    "won = TRUE",
    "won <> TRUE",
    'IN(level, "A", "C")',
    "IN(count, 3, 7)",
    "BETWEEN(amount, 0, 100)",
    "XOR(won, count > 2)",
    "LEN(name)",
    "LEFT(name, 2)",
    "RIGHT(name, 3)",
    "MID(name, 2, 2)",
    "UPPER(name)",
    "LOWER(name)",
    "TRIM(name)",
    'FIND("c", name)',
    'SEARCH("C", name)',
    'SUBSTITUTE(name, "a", "xy")',
    'REPLACE(name, 2, 1, "-")',
    "REPT(name, 2)",
    'CONTAINS(name, "三")',
    'NOT(CONTAINS(name, "三"))',
    'STARTSWITH(name, "A")',
    'EXACT(name, "abc")',
    'VALUE(LEFT("12", count))',
    'LEFT(name, 0) = ""',
    "due_on + 1",
    "due_on - 30",
    "due_on - DATE(2024,1,1)",
    'due_on > "2024-02-29"',
    "due_on = touched_at",
    "YEAR(due_on)",
    "MONTH(due_on)",
    "DAY(due_on)",
    "WEEKDAY(due_on)",
    "WEEKDAY(due_on, 2)",
    "QUARTER(due_on)",
    "ISOWEEKNUM(due_on)",
    "EDATE(due_on, 1)",
    "EOMONTH(due_on, -1)",
    "DATE(YEAR(due_on), MONTH(due_on) + count, 31)",
    "DAYS(due_on, DATE(2024,1,1))",
    'DATEDIF(DATE(1999,1,31), due_on, "M")',
    'DATEADD(due_on, 1, "month")',
    "YEAR(touched_at)",
    "HOUR(touched_at)",
    "touched_at - FROMUNIX(0)",
    "TODAY() - due_on",
    "NOW() > touched_at",
    'HAS(tags, "vip")',
    'HASANY(tags, ["vip", "cold"])',
    'HASALL(tags, ["vip", "new"])',
    "LISTCOUNT(tags)",
    'OVERLAP(tags, ["vip", "new"])',
    'JACCARD(tags, ["vip"])',
    'INTERSECT(tags, ["new", "vip"])',
    'tags = ["new", "vip"]',
    'JOIN(tags, "/")',
    "customer.level",
    'customer.name & "!"',
    'customer.parent.level = "A"',
    "owner = CURRENTUSER()",
    'owner = "u2"',
    "ISBLANK(customer)",
    "SUM(payments.amount)",
    'SUM(payments.amount, status = "paid")',
    'SUM(payments.amount, payments.status = "paid")',
    "SUM(payments.amount * 2 + 1)",
    "SUM(payments.amount / payments.amount)",
    "COUNT(payments)",
    'COUNT(payments, status = "open")',
    "COUNT(payments.amount)",
    "COUNTUNIQUE(payments.amount)",
    "AVERAGE(payments.amount)",
    "MIN(payments.amount)",
    "MAX(payments.paid_on)",
    "MAX(payments.amount, amount < 0)",
    "EXISTS(payments)",
    "EXISTS(payments, amount > 50)",
    "ALL(payments, amount > 5)",
    "SUM(payments.amount, paid_on > this.due_on)",
    "SUM(payments.amount) > 50 AND amount > 0",
    "IF(COUNT(payments) > 2, SUM(payments.amount) / COUNT(payments), 0)",
    "FIRST(payments.amount, paid_on)",
    "LAST(payments.status, paid_on)",
    "COUNT(customer.deals)",
    "SUM(customer.deals.amount)",
    "SUM(customer.deals.amount, amount > this.amount)",
    "COUNT(customer.deals, EXISTS(payments, amount > this.amount))",
    "SUM(amount, count, 1)",
    "MAX(amount, count)",
    "AVERAGE(amount, count)",
    "1" + " + amount" * 60,
]


@pytest.mark.parametrize("text", FORMULAS)
def test_back_ends_agree(base: Base, text: str) -> None:
    tree = bind_context(check(text, WORLD, "deal").tree, CONTEXT)
    runnable = program(tree)
    records = {id_: runnable.run(row, CONTEXT) for id_, row in ROWS.items()}
    assert {id_: runnable.run(row, CONTEXT, "asteval") for id_, row in ROWS.items()} == records
    expected = {id_: None if isinstance(value, CellError) else value for id_, value in records.items()}
    assert base.values(tree) == expected
    if tree.type.kind == "boolean":
        assert base.matching(tree) == [id_ for id_ in sorted(expected) if expected[id_] is True]


@pytest.mark.parametrize(
    "text", ['amount > 10 AND level = "A"', 'name = "abc"', "count / 2 > 1.5", 'IN(level, "A", "B")']
)
def test_a_lifted_formula_finds_the_same(base: Base, text: str) -> None:
    tree = check_condition(text, WORLD, "deal")
    shape, values = lift(tree)
    assert base.matching(shape, values=values) == base.matching(tree)


VALUES: list[tuple[str, str, Any]] = [
    ("d3", "amount + 1", 1),
    ("d3", "amount / 2", None),
    ("d3", "AVERAGE(amount, 4)", 4),
    ("d3", "amount = 0", False),
    ("d3", "amount < 1", False),
    ("d1", "amount * 13%", Decimal("160.485")),
    ("d5", "amount * 3", Decimal("29999999999.97")),
    ("d5", "amount * amount", Decimal("99999999999800000000.0001")),
]


@pytest.mark.parametrize("id_, text, expected", VALUES)
def test_values(id_: str, text: str, expected: Any) -> None:
    assert program(check(text, WORLD, "deal").tree).run(ROWS[id_], CONTEXT) == expected


def test_a_day_that_begins_before_there_are_days_is_an_error_of_one_cell() -> None:
    row = DictRow({"due_on": date(1, 1, 1), "touched_at": CONTEXT.now})
    east = replace(CONTEXT, zone=ZoneInfo("Asia/Shanghai"))
    assert program(check("due_on < touched_at", WORLD, "deal").tree).run(row, east) == BAD_DATE


def test_blank_as_zero_can_be_switched_off() -> None:
    tree = check("amount + 1", WORLD, "deal", blank_as_zero=False).tree
    assert program(tree).run(ROWS["d3"], CONTEXT) is None


def test_every_function_may_be_called_by_its_chinese_name() -> None:
    for function in list_functions():
        node = parse(f"{function.zh_name}（1，2）")
        assert (node.kind, known_function(node.value)) == ("call", function)


@pytest.mark.parametrize(
    "text, value",
    [
        ("如果（1＜2 且 非（假），“对”，“错”）", "对"),
        ("1 ＞ 2 或 真", True),
        ("{预算（元）}＞50且“大”＝“大”", True),
        ("1＞2或者50%＜1并且非(假)", True),
        ("{预算（元）} > 70 或非 假 且 真", True),
        ("求和（1，2）×3＋【4】", "#TYPE"),
        ("如果({预算（元）}≥50，“大”，“小”)＆“单”", "大单"),
        ("编号字符（65）＆ISO周数（日期（2024，12，30））", "A1"),
    ],
)
def test_a_formula_may_be_written_in_chinese(text: str, value: Any) -> None:
    batch = open_batch("compiled")
    assert answer(batch, text, {"预算（元）": 60}) == value
    assert answer(batch, "真 & 假", {"真": "a", "假": "b"}) == "ab"  # fields come first
    assert answer(batch, "非 = 3 且 非 已付", {"非": 3, "已付": False}) is True
    assert answer(batch, "NOT 且慢 或 或许", {"且慢": True, "或许": True}) is True


def test_a_name_in_braces_is_a_field_whatever_it_is_called() -> None:
    batch = open_batch("compiled")
    assert answer(batch, "{true} & TRUE", {"true": "a"}) == "aTRUE"
    assert answer(batch, "COUNT(a, {this}.x < this.x)", {"a": [{"this": {"x": 1}}, {"this": {"x": 2}}], "x": 2}) == 1
    assert answer(batch, "1且", {}) == "#PARSE"
