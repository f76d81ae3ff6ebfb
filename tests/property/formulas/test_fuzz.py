"""Random texts through parser and checker: no exception but ours, and time that grows with the length.

`DOUGONG_FUZZ` sets the number of texts for a longer run by hand.
"""

from __future__ import annotations

import contextlib
import os
import random
import time

import pytest

from formulas.checker import check
from formulas.errors import FormulaError, FormulaErrors
from formulas.parser import parse
from tests.unit.formulas.world import WORLD

COUNT = int(os.environ.get("DOUGONG_FUZZ", "20000"))
WORDS = (
    *("+", "-", "*", "/", "^", "&", "%", "=", "<>", "<", ">", "<=", ">=", "==", "!=", "(", ")", "[", "]", "{", "}", ",", ".", '"'),
    *("（", "）", "，", "“", "”", "＝", "；", "。", " ", "\n", "\t", "AND", "OR", "NOT", "TRUE", "this", "IF(", "SUM(", "COUNT(", "IFS("),
    *("SWITCH(", "DATEADD(", "ROUND(", "EXISTS(", "LEFT(", "HAS(", "amount", "payments", "payments.amount", "customer.level", "tags"),
    *("name", "due_on", "{金额（元）}", "金额", "客户.", '"A"', '"paid"', "1", "2.5", "1e9", ".", "\x00", "\ud800", "😀", "ﬁ", "Ⅷ", "_", "$", "#", "@", "\\"),
)  # fmt: skip


def read(text: str) -> None:
    """Only our own errors may come out."""
    errors: tuple[FormulaError, ...] = ()
    try:
        check(text, WORLD, "deal")
    except FormulaErrors as found:
        errors = found.errors
    assert all(error.message.zh and error.message.en for error in errors)


@pytest.mark.parametrize("seed", range(4))
def test_tokens(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(COUNT // 8):
        read("".join(chance.choices(WORDS, k=chance.randint(1, 25))))


@pytest.mark.parametrize("seed", range(4))
def test_characters(seed: int) -> None:
    chance = random.Random(1000 + seed)
    for _ in range(COUNT // 8):
        length = chance.randint(1, 40)
        plain = "".join(chr(chance.randint(1, 0x2FF)) for _ in range(length))
        read(plain if chance.random() < 0.7 else bytes(chance.randbytes(length)).decode("utf-8", "replace"))


def test_time_grows_with_the_length_CVE_2022_3423() -> None:
    """Four times the text, about four times the time: what grew with the square would take sixteen."""
    for piece in ("a+", "(", '"a"&', "IF(1,", "{a}.", "a.b.c,", "-", "1%", "，", '""'):
        short, long = (_cpu_seconds((piece * 4000)[:length]) for length in (1000, 4000))
        assert long < 9 * short, piece


def _cpu_seconds(text: str) -> float:
    """Processor time of the quickest of some tries: other work on the machine does not count."""
    found = []
    for _ in range(7):
        started = time.process_time()
        for _ in range(3):
            _parse(text)
        found.append(time.process_time() - started)
    return min(found)


def _parse(text: str) -> None:
    with contextlib.suppress(FormulaError):
        parse(text)
