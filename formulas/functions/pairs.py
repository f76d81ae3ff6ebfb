"""Two lists side by side: how much they go together, and the line through them; the mean without what sticks out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from formulas.errors import CellError
from formulas.functions.aggregates import numbers
from formulas.functions.declare import Family
from formulas.functions.finance import precise
from formulas.functions.powers import INEXACT
from formulas.numbers import Number
from formulas.values import DIV0, NA, NUM, VALUE

PAIRS = Family("aggregates")


class _Together(NamedTuple):
    """Means of two lists, and sums of squares and products of how far their members are from them."""

    mean_y: Decimal
    mean_x: Decimal
    yy: Decimal
    xx: Decimal
    xy: Decimal


def _together(ys: tuple[Any, ...], xs: tuple[Any, ...]) -> _Together | CellError:
    if len(ys) != len(xs):
        return NA
    if not all(isinstance(value, int | Decimal) for value in (*ys, *xs)):
        return VALUE
    if not ys:
        return DIV0
    mean_y, mean_x = (Decimal(sum(values)) / len(values) for values in (ys, xs))
    apart = [(y - mean_y, x - mean_x) for y, x in zip(ys, xs, strict=True)]
    zero = Decimal(0)
    yy, xx = sum((y * y for y, _ in apart), zero), sum((x * x for _, x in apart), zero)
    if not xx:
        return DIV0  # a line straight up
    return _Together(mean_y, mean_x, yy, xx, sum((y * x for y, x in apart), zero))


def _over(find: Callable[[_Together], Any]) -> Callable[[tuple[Any, ...], tuple[Any, ...]], Any]:
    def run(ys: tuple[Any, ...], xs: tuple[Any, ...]) -> Any:
        found = _together(ys, xs)
        return found if isinstance(found, CellError) else find(found)

    return precise(run)


def _slope(found: _Together) -> Any:
    return found.xy / found.xx


PAIRS.add(
    "CORREL",
    "K, K",
    INEXACT,
    "相关系数：两个集合的相关程度，-1 到 1",
    "How much two lists go together, from -1 to 1.",
    ("ROUND(CORREL([3, 2, 4, 5, 6], [9, 7, 12, 15, 17]), 6)", 0.997054),
    ("CORREL([1, 1], [1, 2])", "#DIV0"),
    aliases=("PEARSON",),
    fails=True,
)(_over(lambda found: found.xy / (found.xx * found.yy).sqrt() if found.yy else DIV0))
PAIRS.add(
    "SLOPE",
    "K, K",
    INEXACT,
    "斜率：因变量集合、自变量集合的回归直线的斜率",
    "How steep the line through points is; the second list has their places.",
    ("ROUND(SLOPE([2, 3, 9, 1, 8, 7, 5], [6, 5, 11, 7, 5, 4, 4]), 6)", 0.305556),
    fails=True,
)(_over(_slope))
PAIRS.add(
    "INTERCEPT",
    "K, K",
    INEXACT,
    "截距：回归直线在 0 处的值",
    "Where the line through points stands at 0.",
    ("ROUND(INTERCEPT([2, 3, 9, 1, 8], [6, 5, 11, 7, 5]), 7)", 0.0483871),
    ("INTERCEPT([1, 2], [1])", "#NA"),
    fails=True,
)(_over(lambda found: found.mean_y - _slope(found) * found.mean_x))


@PAIRS.add(
    "FORECAST",
    "n, K, K",
    INEXACT,
    "预测值：回归直线在某处的值",
    "Where the line through points stands at a place.",
    ("ROUND(FORECAST(30, [6, 7, 9, 15, 21], [20, 28, 31, 38, 40]), 6)", 10.607253),
    aliases=("FORECAST.LINEAR",),
    fails=True,
)
@precise
def _forecast(place: Number, ys: tuple[Any, ...], xs: tuple[Any, ...]) -> Any:
    found = _together(ys, xs)
    return found if isinstance(found, CellError) else found.mean_y + _slope(found) * (place - found.mean_x)


@PAIRS.add(
    "TRIMMEAN",
    "K, n",
    INEXACT,
    "修剪平均：去掉两端一定比例后的平均",
    "The mean without a part of the list, half of it from each end.",
    ("ROUND(TRIMMEAN([4, 5, 6, 7, 2, 3, 4, 5, 1, 2, 3], 0.2), 3)", 3.778),
    ("TRIMMEAN([1, 2], 1)", "#NUM"),
    fails=True,
)
@precise
def _trimmed_mean(values: tuple[Any, ...], part: Number) -> Any:
    ordered = sorted(numbers((values,)))
    if not ordered or not 0 <= part < 1:
        return NUM
    cut = int(len(ordered) * Decimal(part) / 2)
    kept = ordered[cut : len(ordered) - cut]
    return Decimal(sum(kept)) / len(kept)
