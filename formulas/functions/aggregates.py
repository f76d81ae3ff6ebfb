"""Sums, counts and statistics: of arguments, of sets, and over the rows of a relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, element_of, flat, whole_digits
from formulas.functions.powers import INEXACT
from formulas.numbers import EXACT, INEXACT_SCALE, WORKING, Number, divide, is_bounded, round_to
from formulas.tree import Tree
from formulas.types import BOOLEAN, Type, decimal, integer
from formulas.values import DIV0, NA, NUM, TOO_LARGE

AGGREGATES = Family("aggregates")


def _sum_type(types: Sequence[Type], _args: Sequence[Tree]) -> Type:
    inner = flat(types)
    return decimal(inner.scale, whole_digits(inner) + 4 + inner.scale) if inner.is_number else inner


def _mean_type(types: Sequence[Type], _args: Sequence[Tree]) -> Type:
    return decimal(10, whole_digits(flat(types)) + 11)


def numbers(args: Iterable[Any]) -> list[Any]:
    """The values that are not blank, members of sets included."""
    lists = (arg if isinstance(arg, tuple) else (arg,) for arg in args)
    return [value for value in chain.from_iterable(lists) if value is not None]


def total(values: Sequence[Number]) -> Number | CellError:
    """The sum, 0 of nothing."""
    result = sum(values)
    return result if is_bounded(result) else TOO_LARGE


@AGGREGATES.add(
    "SUM",
    "N, N...",
    _sum_type,
    "求和：数字之和，空值不计",
    "The sum; blanks are skipped.",
    ("SUM(1, 2.5, BLANK())", 3.5),
    ("SUM([1, 2, 3])", 6),
    nulls="S",
    core=True,
    rollup=True,
    aliases=("SUMIFS",),
)
def sum_of(*args: Any) -> Number | CellError:
    """The sum of numbers and of members of sets."""
    return total(numbers(args))


def mean(values: Sequence[Number]) -> Number | None:
    """Rounded half-up to 10 places, blank of nothing."""
    return divide(sum(values), len(values)) if values else None


@AGGREGATES.add(
    "AVERAGE",
    "N, N...",
    _mean_type,
    "平均值：数字的平均值，空值不计",
    "The mean; blanks are skipped.",
    ("AVERAGE(1, 2, 6)", 3),
    ("AVERAGE(1, BLANK())", 1),
    nulls="S",
    core=True,
    rollup=True,
    gives_blank=True,
    aliases=("AVERAGEIFS",),
)
def average_of(*args: Any) -> Number | None:
    """The mean."""
    return mean(numbers(args))


@AGGREGATES.add(
    "MIN",
    "O, O...",
    flat,
    "最小值：最小的值，空值不计",
    "The smallest value; blanks are skipped.",
    ("MIN(3, 1, 2)", 1),
    ("MIN(DATE(2024,1,1), DATE(2023,1,1))", {"date": "2023-01-01"}),
    nulls="S",
    core=True,
    rollup=True,
    gives_blank=True,
    aliases=("MINIFS",),
)
def min_of(*args: Any) -> Any:
    """The smallest value."""
    return min(numbers(args), default=None)


@AGGREGATES.add(
    "MAX",
    "O, O...",
    flat,
    "最大值：最大的值，空值不计",
    "The largest value; blanks are skipped.",
    ("MAX(3, 1, 2)", 3),
    ("MAX(1, BLANK())", 1),
    nulls="S",
    core=True,
    rollup=True,
    gives_blank=True,
    aliases=("MAXIFS",),
)
def max_of(*args: Any) -> Any:
    """The largest value."""
    return max(numbers(args), default=None)


@AGGREGATES.add(
    "COUNT",
    "V, V...",
    integer(9),
    "计数：数字的个数；对关联为记录数",
    "How many numbers; over a relation, how many records.",
    ("COUNT(1, BLANK(), 3)", 2),
    ('COUNT("a", 1)', 1),
    nulls="S",
    core=True,
    rollup=True,
    aliases=("COUNTIFS",),
)
def _count(*args: Any) -> int:
    return sum(not isinstance(value, bool) and hasattr(value, "as_integer_ratio") for value in numbers(args))


@AGGREGATES.add(
    "COUNTA",
    "V, V...",
    integer(9),
    "非空计数：不为空的值的个数",
    "How many values are not blank.",
    ('COUNTA(1, "", "a", BLANK())', 2),
    nulls="S",
    rollup=True,
)
def count_values(*args: Any) -> int:
    """How many values are not blank."""
    return sum(value != "" for value in numbers(args))


@AGGREGATES.add(
    "COUNTUNIQUE",
    "V, V...",
    integer(9),
    "去重计数：不同值的个数",
    "How many different values.",
    ("COUNTUNIQUE(1, 2, 2)", 2),
    nulls="S",
    rollup=True,
)
def count_unique(*args: Any) -> int:
    """How many different values."""
    return len(set(numbers(args)))


@AGGREGATES.add(
    "MEDIAN",
    "N, N...",
    _mean_type,
    "中位数：排序后居中的数",
    "The middle number.",
    ("MEDIAN(1, 2, 3, 4)", 2.5),
    nulls="S",
    rollup=True,
    gives_blank=True,
)
def median_of(*args: Any) -> Number | None:
    """The middle number, or the mean of the two middle ones."""
    values = sorted(numbers(args))
    half = len(values) // 2
    if not values:
        return None
    return values[half] if len(values) % 2 else divide(values[half - 1] + values[half], 2)


def _bounded_product(args: Iterable[Any]) -> Number | CellError | None:
    result: Number = 1
    values = numbers(args)
    for value in values:
        result = round_to(EXACT.multiply(result, value), 20)
        if not is_bounded(result):
            return TOO_LARGE
    return result if values else None


@AGGREGATES.add(
    "PRODUCT",
    "N, N...",
    decimal(20, 328),
    "乘积：数字之积",
    "The product; blanks are skipped.",
    ("PRODUCT(2, 3, 0.5)", 3),
    nulls="S",
    rollup=True,
    portable=False,
    fails=True,
    gives_blank=True,
)
def product_of(*args: Any) -> Number | CellError | None:
    """The product, blank of nothing."""
    return _bounded_product(args)


def variance(values: Sequence[Number], less: int) -> Decimal | CellError:
    """The mean square of the distances to the mean, with `count - less` as divisor."""
    count = len(values)
    if count - less < 1:
        return DIV0
    squares = EXACT.subtract(count * sum(value * value for value in values), EXACT.power(sum(values), 2))
    context = WORKING.copy()
    context.prec = 700
    return context.divide(squares, count * (count - less))


def root(value: Decimal | CellError) -> Decimal | CellError:
    """The square root of a variance."""
    if isinstance(value, CellError):
        return value
    context = WORKING.copy()
    context.prec = 400
    return round_to(context.sqrt(value), INEXACT_SCALE)


def rounded(value: Decimal | CellError) -> Decimal | CellError:
    """A variance as a value."""
    return value if isinstance(value, CellError) else round_to(value, INEXACT_SCALE)


def _statistic(
    name: str,
    zh: str,
    en: str,
    run: Callable[[list[Number]], Any],
    *examples: tuple[str, Any],
    aliases: tuple[str, ...] = (),
) -> None:
    AGGREGATES.add(name, "N, N...", INEXACT, zh, en, *examples, nulls="S", rollup=True, fails=True, aliases=aliases)(
        lambda *args: run(numbers(args))
    )


_statistic(
    "VAR.S",
    "样本方差：以 n-1 为除数",
    "The variance of a sample.",
    lambda v: rounded(variance(v, 1)),
    ("VAR.S(2, 4, 6)", 4),
    ("VAR.S(1)", "#DIV0"),
    aliases=("VAR",),
)
_statistic(
    "VAR.P",
    "总体方差：以 n 为除数",
    "The variance of a whole population.",
    lambda v: rounded(variance(v, 0)),
    ("VAR.P(1, 3)", 1),
    aliases=("VARP",),
)
_statistic(
    "STDEV.S",
    "样本标准差：样本方差的平方根",
    "The standard deviation of a sample.",
    lambda v: root(variance(v, 1)),
    ("STDEV.S(2, 4, 6)", 2),
    aliases=("STDEV",),
)
_statistic(
    "STDEV.P",
    "总体标准差：总体方差的平方根",
    "The standard deviation of a population.",
    lambda v: root(variance(v, 0)),
    ("STDEV.P(1, 3)", 1),
    aliases=("STDEVP",),
)


def geometric(values: list[Number]) -> Decimal | CellError:
    """The n-th root of the product."""
    if not values or min(values) <= 0:
        return NUM
    logs = sum(WORKING.ln(Decimal(value)) for value in values)
    return round_to(WORKING.exp(WORKING.divide(logs, len(values))), INEXACT_SCALE)


_statistic(
    "GEOMEAN", "几何平均：乘积的 n 次方根", "The geometric mean of positive numbers.", geometric, ("GEOMEAN(2, 8)", 4)
)


@AGGREGATES.add(
    "LARGE",
    "L, i",
    element_of(),
    "第几大：集合中第 k 大的值",
    "The k-th largest of a set.",
    ("LARGE([3, 1, 2], 2)", 2),
    ("LARGE([1], 2)", "#NUM"),
    fails=True,
)
def _large(values: tuple[Any, ...], place: int) -> Any:
    ordered = sorted(numbers(values), reverse=True)
    return ordered[place - 1] if 1 <= place <= len(ordered) else NUM


@AGGREGATES.add(
    "SMALL",
    "L, i",
    element_of(),
    "第几小：集合中第 k 小的值",
    "The k-th smallest of a set.",
    ("SMALL([3, 1, 2], 1)", 1),
    fails=True,
)
def _small(values: tuple[Any, ...], place: int) -> Any:
    ordered = sorted(numbers(values))
    return ordered[place - 1] if 1 <= place <= len(ordered) else NUM


@AGGREGATES.add(
    "MODE",
    "O, O...",
    flat,
    "众数：出现最多的值，相同则取先出现的",
    "The most frequent value, the first of equals; NA if none repeats.",
    ("MODE(1, 2, 2, 3)", 2),
    ("MODE(1, 2)", "#NA"),
    nulls="S",
    fails=True,
)
def _mode(*args: Any) -> Any:
    values = numbers(args)
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    best = max(counts.values(), default=0)
    return next((value for value in values if counts[value] == best), NA) if best > 1 else NA


@AGGREGATES.add(
    "PERCENTOF",
    "n, N...",
    decimal(10, 40),
    "占总和比：数占总和的比例",
    "The number as a share of a sum.",
    ("PERCENTOF(1, [1, 3])", 0.25),
    nulls="S",
    portable=False,
    fails=True,
    gives_blank=True,
)
def _percent_of(value: Number | None, *args: Any) -> Number | CellError | None:
    if value is None:
        return None
    whole = sum(numbers(args))
    return divide(value, whole) if whole else DIV0


@AGGREGATES.add(
    "EXISTS",
    "A",
    BOOLEAN,
    "存在：是否有满足条件的关联记录",
    "Whether there is a related record for which the condition holds.",
    nulls="N",
    core=True,
    rollup=True,
)
@AGGREGATES.add(
    "ALL",
    "A, b",
    BOOLEAN,
    "全部：关联记录是否都满足条件",
    "Whether the condition holds for every related record.",
    nulls="N",
    rollup=True,
)
def _only_over_rows(*_args: Any) -> Any:
    """EXISTS and ALL have a form over a relation only, which the checker builds."""
    raise AssertionError
