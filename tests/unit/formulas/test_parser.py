"""The grammar: precedence, punctuation, names, positions of errors and bounds."""

from __future__ import annotations

import pytest

from formulas.errors import FormulaError
from formulas.parser import parse
from formulas.syntax import Node
from tests.support.timing import quickest


def shown(node: Node) -> str:
    """A compact form with every grouping visible."""
    if node.kind in ("number", "text"):
        return repr(str(node.value)) if node.kind == "text" else str(node.value)
    if node.kind == "name":
        return ".".join(node.value)
    inner = " ".join(shown(part) for part in node.args)
    return f"({node.value or node.kind} {inner})"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("-2^2", "(^ (- 2) 2)"),
        ("2^3^2", "(^ (^ 2 3) 2)"),
        ("2^-1", "(^ 2 (- 1))"),
        ("--1", "(- (- 1))"),
        ("1+2*3", "(+ 1 (* 2 3))"),
        ("1-2-3", "(- (- 1 2) 3)"),
        ("10%*5", "(* (percent 10) 5)"),
        ("-5%", "(- (percent 5))"),
        ("5%%", "(percent (percent 5))"),
        ('"a"&1+2', "(& 'a' (+ 1 2))"),
        ('a&"b"=c', "(= (& a 'b') c)"),
        ("a > 1 AND b > 2 OR c", "(OR (AND (> a 1) (> b 2)) c)"),
        ("NOT a = b AND c", "(AND (NOT (= a b)) c)"),
        ("NOT(a) AND c", "(AND (NOT a) c)"),
        ("AND(a, b) or not c", "(OR (AND a b) (NOT c))"),
        ("=1", "1"),
        ("a == b", "(= a b)"),
        ("a != b", "(<> a b)"),
        ("a ≠ b", "(<> a b)"),
        ("a≥1", "(>= a 1)"),
        ("（a＋b）＊２", "(* (+ a b) 2)"),
        ("求和（回款.金额，状态＝“已付”）", "(求和 回款.金额 (= 状态 '已付'))"),
        ('“他说"好"”', "'他说\"好\"'"),
        ('"全角（，）不变"', "'全角（，）不变'"),
        ("{金额（元）}.{a b}", "金额（元）.a b"),
        ('"a""b"', "'a\"b'"),
        ("ceiling.math(1.5, 2)", "(CEILING.MATH 1.5 2)"),
        ("this.amount", "this.amount"),
        ("1.5e3", "1500"),
        (".5", "0.5"),
        ('[1, "a"]', "(list 1 'a')"),
        ("PI()", "(PI )"),
        ("not_paid AND order_no = 1", "(AND not_paid (= order_no 1))"),
    ],
)
def test_grammar(text: str, expected: str) -> None:
    assert shown(parse(text)) == expected


@pytest.mark.parametrize(
    "text, kind, at",
    [
        ("", "PARSE", (0, 0)),
        ("   ", "PARSE", (0, 3)),
        ("1 +", "PARSE", (3, 3)),
        ("(1", "PARSE", (0, 2)),
        ("IF（金额（元） > 1", "PARSE", (2, 12)),
        ("1 2", "PARSE", (2, 3)),
        ("a b", "PARSE", (2, 3)),
        ('"abc', "PARSE", (0, 4)),
        ("{abc", "PARSE", (0, 4)),
        ("{ }", "PARSE", (0, 3)),
        ("1 + ;", "PARSE", (4, 5)),
        ("f(1,,2)", "PARSE", (4, 5)),
        ("a.", "PARSE", (2, 2)),
        ("a.1", "PARSE", (1, 3)),
        (")", "PARSE", (0, 1)),
        ("1e999", "LIMIT", (0, 5)),
        ("9" * 101, "LIMIT", (0, 101)),
        ("a.b.c.d.e.f.g.h", "LIMIT", (0, 15)),
        ("(" * 65 + "1" + ")" * 65, "LIMIT", (64, 65)),
        ("1+" * 300 + "1", "LIMIT", None),
        ("1" * 4001, "LIMIT", (4000, 4001)),
    ],
)
def test_errors_have_a_place(text: str, kind: str, at: tuple[int, int] | None) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert caught.value.kind == kind
    assert caught.value.message.zh
    assert at is None or caught.value.at == at


def test_hostile_lengths_are_refused_at_once() -> None:
    texts = (
        "(" * 10**6,
        '"' * 10**6,
        "{" * 10**6,
        "-" * 10**6,
        "1" * 10**6,
        "a." * 10**6,
        "[" * 3999,
        "-" * 3999,
        "NOT " * 999,
    )

    def refuse_all() -> None:
        for text in texts:
            with pytest.raises(FormulaError):
                parse(text)

    assert quickest(refuse_all, 1.0) < 1.0
