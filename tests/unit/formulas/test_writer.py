"""Trees written back as text mean the same, and read like what a person wrote."""

from __future__ import annotations

import pytest

from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.parser import parse
from formulas.writer import write
from tests.unit.formulas.test_language import FORMULAS
from tests.unit.formulas.world import CONTEXT, WORLD


@pytest.mark.parametrize("text", FORMULAS)
def test_written_text_is_checked_to_the_same_tree(text: str) -> None:
    tree = check(text, WORLD, "deal").tree
    written = write(tree, WORLD, "deal")
    again = check(written, WORLD, "deal").tree
    assert write(again, WORLD, "deal") == written
    assert again.type.kind == tree.type.kind


@pytest.mark.parametrize(
    "text, written",
    [
        ("((amount+1))*2", "(amount + 1) * 2"),
        ("amount+(1*2)", "amount + 1 * 2"),
        ("amount-(count-1)", "amount - (count - 1)"),
        ("-2^2", "-2 ^ 2"),
        ("-(2^2)", "-(2 ^ 2)"),
        ("amount * 15%", "amount * 0.15"),
        ("{金额（元）} > 1 and not won", "amount > 1 AND NOT(won)"),
        ("客户.等级 = “A”", 'customer.level = "A"'),
        ("（level = \"A\" or won） and count＞1", '(level = "A" OR won) AND count > 1'),
        ('"a""b" & name', '"a""b" & name'),
        ("due_on > \"2024-02-29\"", "due_on > DATE(2024, 2, 29)"),
        ("due_on - 30", "due_on - 30"),
        ("amount * VALUE(name) > 1", "amount * VALUE(name) > 1"),
        ("ROUND(amount * VALUE(name), 20) > 1", "ROUND(amount * VALUE(name), 20) > 1"),
        ("IF(won, 0.1234567890123456789012, 1) > amount", "IF(won, 0.1234567890123456789012, 1) > amount"),
        ("ROUND(IF(won, 0.1234567890123456789012, 1), 20) > amount", "ROUND(IF(won, 0.1234567890123456789012, 1), 20) > amount"),
        ("ROUND(0.1234567890123456789012, 20) > amount", "ROUND(0.1234567890123456789012, 20) > amount"),
        ("求和(回款.金额, 状态 = \"paid\")", 'SUM(payments.amount, status = "paid")'),
        ("SUM(payments.amount * 2, paid_on > this.due_on)", "SUM(payments.amount * 2, paid_on > this.due_on)"),
        ("如果(won, 1, 2)", "IF(won, 1, 2)"),
    ],
)  # fmt: skip
def test_canonical_text(text: str, written: str) -> None:
    assert write(check(text, WORLD, "deal").tree, WORLD, "deal") == written


def test_with_labels() -> None:
    tree = check('customer.level = "A" AND SUM(payments.amount, status = "paid") > amount', WORLD, "deal").tree
    shown = write(tree, WORLD, "deal", labels=True)
    assert shown == '客户.等级 = "A" AND SUM(回款.金额, 状态 = "paid") > {金额（元）}'
    assert check(shown, WORLD, "deal").tree == tree


def test_options_may_be_written_by_their_labels() -> None:
    text = 'level = "重点" AND HAS(tags, "贵宾") OR IN(level, "重点", "B") AND HASANY(tags, ["cold", "贵宾"])'
    tree = check(text, WORLD, "deal").tree
    assert write(tree, WORLD, "deal") == text.replace("重点", "A").replace("贵宾", "vip")
    shown = write(tree, WORLD, "deal", labels=True)
    # a label that two options share, or that is another's key, would be read as something else
    assert shown == text.replace("level", "客户等级").replace("tags", "标签")
    assert check(shown, WORLD, "deal").tree == tree
    with pytest.raises(FormulaErrors, match='no option "冷"'):
        check('HAS(tags, "冷")', WORLD, "deal")


def test_a_json_filter_as_text() -> None:
    tree = parse_filter(
        {"level": ["A", "B"], "customer": {"level": "A"}, "payments": {"_some": {"amount": {"_gt": 5}}}},
        WORLD,
        "deal",
        CONTEXT,
    )
    text = write(tree, WORLD, "deal")
    assert text == 'IN(level, "A", "B") AND customer.level = "A" AND EXISTS(payments, amount > 5)'
    assert parse(text).kind == "binary"
