"""Places within a list of numbers: percentiles, quartiles, ranks; sums of squares and of products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.aggregates import numbers
from formulas.functions.declare import Family
from formulas.functions.powers import INEXACT
from formulas.numbers import INEXACT_SCALE, WORKING, Number, is_bounded, round_to
from formulas.types import integer
from formulas.values import NA, NUM, TOO_LARGE, VALUE

STATISTICS = Family("aggregates")


def _rounded(value: Any) -> Any:
    return round_to(value, INEXACT_SCALE) if is_bounded(value) else TOO_LARGE


def _between(values: Sequence[Number], place: Decimal) -> Any:
    """The value at a place counted from 0; between two of them in proportion."""
    whole = int(place.to_integral_value(ROUND_FLOOR))
    below = values[whole]
    rest = place - whole
    return _rounded(
        below if not rest else WORKING.add(below, WORKING.multiply(rest, Decimal(values[whole + 1] - below)))
    )


def _inclusive(values: tuple[Any, ...], part: Number) -> Any:
    ordered = sorted(numbers(values))
    if not ordered or not 0 <= part <= 1:
        return NUM
    return _between(ordered, Decimal(part) * (len(ordered) - 1))


def _exclusive(values: tuple[Any, ...], part: Number) -> Any:
    ordered = sorted(numbers(values))
    place = Decimal(part) * (len(ordered) + 1)
    return _between(ordered, place - 1) if ordered and 1 <= place <= len(ordered) else NUM


def _quarter(find: Callable[[tuple[Any, ...], Number], Any]) -> Callable[..., Any]:
    def run(values: tuple[Any, ...], quarter: int) -> Any:
        return find(values, Decimal(quarter) / 4) if 0 <= quarter <= 4 else NUM

    return run


_OPTIONS: dict[str, Any] = {"fails": True}
STATISTICS.add(
    "PERCENTILE",
    "K, n",
    INEXACT,
    "百分位数：集合中第 k（0 到 1）百分位的值，含两端",
    "The value below which a part (0 to 1) of a list lies, both ends included.",
    ("PERCENTILE([1, 2, 3, 4], 0.3)", 1.9),
    ("PERCENTILE([1, 2], 2)", "#NUM"),
    aliases=("PERCENTILE.INC",),
    **_OPTIONS,
)(_inclusive)
STATISTICS.add(
    "PERCENTILE.EXC",
    "K, n",
    INEXACT,
    "百分位数不含两端：集合中第 k 百分位的值，不含两端",
    "The value below which a part of a list lies, both ends left out.",
    ("PERCENTILE.EXC([1, 2, 3, 4], 0.5)", 2.5),
    ("PERCENTILE.EXC([1, 2, 3], 0.1)", "#NUM"),
    **_OPTIONS,
)(_exclusive)
STATISTICS.add(
    "QUARTILE",
    "K, i",
    INEXACT,
    "四分位数：0 最小、1 下四分位、2 中位、3 上四分位、4 最大",
    "0 the least, 1 the first quarter, 2 the middle, 3 the third quarter, 4 the largest.",
    ("QUARTILE([1, 2, 4, 7, 8, 9, 10, 12], 1)", 3.5),
    aliases=("QUARTILE.INC",),
    **_OPTIONS,
)(_quarter(_inclusive))
STATISTICS.add(
    "QUARTILE.EXC",
    "K, i",
    INEXACT,
    "四分位数不含两端：1 到 3",
    "Quarters of a list, both ends left out.",
    ("QUARTILE.EXC([6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49], 1)", 15),
    **_OPTIONS,
)(_quarter(_exclusive))


def _place(value: Number, values: tuple[Any, ...], ascending: Number = 0) -> tuple[int, int]:
    """How many are before a value, and how many equal it."""
    all_ = numbers(values)
    before = sum(other < value if ascending else other > value for other in all_)
    return before, sum(other == value for other in all_)


def _rank_first(value: Number, values: tuple[Any, ...], ascending: Number = 0) -> Any:
    before, equal = _place(value, values, ascending)
    return before + 1 if equal else NA


for _name, _zh in (("RANK", "排名"), ("RANK.EQ", "排名并列取前")):
    STATISTICS.add(
        _name,
        "n, K, n?",
        integer(9),
        f"{_zh}：数在集合中的名次，第三个参数不为 0 时从小到大",
        "The place of a number in a list, the largest first unless the third argument says otherwise; NA if it is not there.",
        (f"{_name}(3, [7, 3.5, 3.5, 1, 2, 3], 1)", 3),
        (f"{_name}(7, [7, 3.5, 3.5, 1, 2])", 1),
        (f"{_name}(9, [1])", "#NA"),
        fails=True,
    )(_rank_first)


@STATISTICS.add(
    "RANK.AVG",
    "n, K, n?",
    INEXACT,
    "排名并列取平均：并列的数得到平均名次",
    "The place of a number in a list; equal ones share the mean of their places.",
    ("RANK.AVG(3.5, [7, 3.5, 3.5, 1, 2])", 2.5),
    fails=True,
)
def _rank_mean(value: Number, values: tuple[Any, ...], ascending: Number = 0) -> Any:
    before, equal = _place(value, values, ascending)
    return before + (Decimal(equal) + 1) / 2 if equal else NA


def _over(name: str, zh: str, en: str, run: Callable[[list[Any]], Any], *examples: tuple[str, Any]) -> None:
    """A number made of many; blank for none."""

    def all_of(*args: Any) -> Any:
        values = numbers(args)
        return _rounded(run(values)) if values else None

    STATISTICS.add(name, "N, N...", INEXACT, zh, en, *examples, nulls="S", gives_blank=True, fails=True)(all_of)


def _squares(values: list[Any]) -> Any:
    return sum((WORKING.multiply(value, value) for value in map(Decimal, values)), Decimal(0))


def _apart(values: list[Any]) -> list[Any]:
    mean = WORKING.divide(Decimal(sum(values)), len(values))
    return [WORKING.subtract(Decimal(value), mean) for value in values]


_over("SUMSQ", "平方和：各数平方之和", "The sum of squares.", _squares, ("SUMSQ(3, 4)", 25))
_over(
    "DEVSQ",
    "偏差平方和：与平均数之差的平方和",
    "The sum of squares of how far numbers are from their mean.",
    lambda values: _squares(_apart(values)),
    ("DEVSQ(4, 5, 8, 7, 11, 4, 3)", 48),
)
_over(
    "AVEDEV",
    "平均偏差：与平均数之差的绝对值的平均",
    "How far numbers are from their mean on average.",
    lambda values: WORKING.divide(sum(map(abs, _apart(values))), len(values)),
    ("ROUND(AVEDEV(4, 5, 6, 7, 5, 4, 3), 6)", 1.020408),
)


@STATISTICS.add(
    "HARMEAN",
    "N, N...",
    INEXACT,
    "调和平均：倒数平均值的倒数",
    "The harmonic mean of positive numbers.",
    ("ROUND(HARMEAN(4, 5, 8, 7, 11, 4, 3), 3)", 5.028),
    ("HARMEAN(1, 0)", "#NUM"),
    nulls="S",
    gives_blank=True,
    fails=True,
)
def _harmonic(*args: Any) -> Any:
    values = numbers(args)
    if any(value <= 0 for value in values):
        return NUM
    turned = sum((WORKING.divide(1, Decimal(value)) for value in values), Decimal(0))
    return _rounded(WORKING.divide(len(values), turned)) if values else None


@STATISTICS.add(
    "SUMPRODUCT",
    "K, K",
    INEXACT,
    "乘积之和：两个集合逐项相乘再求和，长度须相同",
    "The sum of the products of two lists of the same length.",
    ("SUMPRODUCT([1, 2, 3], [4, 5, 6])", 32),
    ("SUMPRODUCT([1], [1, 2])", "#VALUE"),
    fails=True,
)
def _sum_of_products(left: tuple[Any, ...], right: tuple[Any, ...]) -> Any | CellError:
    if len(left) != len(right):
        return VALUE
    if not all(isinstance(value, int | Decimal) for value in (*left, *right)):
        return VALUE
    pairs = zip(map(Decimal, left), map(Decimal, right), strict=True)
    return _rounded(sum((WORKING.multiply(one, other) for one, other in pairs), Decimal(0)))


@STATISTICS.add(
    "STANDARDIZE",
    "n, n, n",
    INEXACT,
    "标准化：与平均数相差几个标准差",
    "How many standard deviations a number is above the mean.",
    ("STANDARDIZE(42, 40, 1.5)", "1.333333333333333"),
    ("STANDARDIZE(1, 1, 0)", "#NUM"),
    fails=True,
)
def _standardized(value: Number, mean: Number, deviation: Number) -> Any:
    return _rounded(WORKING.divide(Decimal(value - mean), Decimal(deviation))) if deviation > 0 else NUM
