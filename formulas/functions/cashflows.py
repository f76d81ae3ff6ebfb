"""Payments on dates that are not equally far apart, and growth between two values."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.aggregates import numbers
from formulas.functions.declare import Family
from formulas.functions.finance import precise
from formulas.functions.loans import root
from formulas.functions.powers import INEXACT
from formulas.numbers import Number
from formulas.values import DIV0, NUM, VALUE

CASHFLOWS = Family("finance")
_YEAR_DAYS = 365
_ON_DAYS = (
    "[-10000, 2750, 4250, 3250, 2750], "
    "[DATE(2008, 1, 1), DATE(2008, 3, 1), DATE(2008, 10, 30), DATE(2009, 2, 15), DATE(2009, 4, 1)]"
)


def _dated(values: tuple[Any, ...], days: tuple[Any, ...]) -> list[tuple[Decimal, Decimal]] | CellError:
    """Amounts with the years since the first day."""
    if len(values) != len(days) or not values:
        return NUM
    if not all(isinstance(value, int | Decimal) for value in values):
        return VALUE
    on = [day.date() if isinstance(day, datetime) else day for day in days]
    if not all(isinstance(day, date) for day in on):
        return VALUE
    if min(on) < on[0]:
        return NUM
    years = [Decimal((day - on[0]).days) / _YEAR_DAYS for day in on]
    return [(Decimal(value), year) for value, year in zip(values, years, strict=True)]


def _worth(rate: Decimal, flows: list[tuple[Decimal, Decimal]]) -> Decimal:
    return sum((amount / (1 + rate) ** year for amount, year in flows), Decimal(0))


@CASHFLOWS.add(
    "XNPV",
    "n, K, D",
    INEXACT,
    "按日净现值：不定期现金流按年利率折到第一天的价值，一年 365 天",
    "The value on the first day of payments on any days, at a yearly rate; a year has 365 days.",
    (f"ROUND(XNPV(0.09, {_ON_DAYS}), 2)", 2086.65),
    ("XNPV(0.09, [1, 2], [DATE(2008, 1, 1)])", "#NUM"),
    fails=True,
)
@precise
def _xnpv(rate: Number, values: tuple[Any, ...], days: tuple[Any, ...]) -> Any:
    flows = _dated(values, days)
    if isinstance(flows, CellError):
        return flows
    return NUM if rate <= -1 else _worth(Decimal(rate), flows)


@CASHFLOWS.add(
    "XIRR",
    "K, D, n?",
    INEXACT,
    "按日内部收益率：使不定期现金流净现值为 0 的年利率",
    "The yearly rate at which payments on any days are worth nothing.",
    (f"ROUND(XIRR({_ON_DAYS}), 6)", 0.373363),
    ("XIRR([1, 2], [DATE(2008, 1, 1), DATE(2009, 1, 1)])", "#NUM"),
    fails=True,
    cost=5,
)
@precise
def _xirr(values: tuple[Any, ...], days: tuple[Any, ...], guess: Number = Decimal("0.1")) -> Any:
    flows = _dated(values, days)
    if isinstance(flows, CellError):
        return flows
    if not (any(amount < 0 for amount, _ in flows) and any(amount > 0 for amount, _ in flows)) or guess <= -1:
        return NUM
    return root(lambda rate: _worth(rate, flows), guess)


@CASHFLOWS.add(
    "MIRR",
    "K, n, n",
    INEXACT,
    "修正内部收益率：付出按融资利率、收入按再投资利率计算",
    "The rate of return when what is paid is financed at one rate and what comes in is invested at another.",
    ("ROUND(MIRR([-120000, 39000, 30000, 21000, 37000, 46000], 0.1, 0.12), 6)", 0.126094),
    ("MIRR([1, 2], 0.1, 0.1)", "#DIV0"),
    fails=True,
)
@precise
def _mirr(values: tuple[Any, ...], financed: Number, invested: Number) -> Any:
    flows = [Decimal(value) for value in numbers((values,))]
    if financed <= -1 or invested <= -1:
        return NUM
    last = len(flows) - 1
    paid = sum((flow / (1 + Decimal(financed)) ** place for place, flow in enumerate(flows) if flow < 0), Decimal(0))
    earned = [flow * (1 + Decimal(invested)) ** (last - place) for place, flow in enumerate(flows) if flow > 0]
    if not paid or not earned:
        return DIV0
    return (sum(earned, Decimal(0)) / -paid) ** (Decimal(1) / last) - 1


@CASHFLOWS.add(
    "RRI",
    "n, n, n",
    INEXACT,
    "等效增长率：从现值增长到终值的每期利率",
    "The rate of each period by which one value grows to another.",
    ("ROUND(RRI(96, 10000, 11000), 7)", 0.0009933),
    ("RRI(0, 1, 2)", "#NUM"),
    fails=True,
)
@precise
def _rri(periods: Number, present: Number, future: Number) -> Any:
    if periods <= 0 or present == 0 or Decimal(future) / Decimal(present) < 0:
        return NUM
    return (Decimal(future) / Decimal(present)) ** (Decimal(1) / Decimal(periods)) - 1


@CASHFLOWS.add(
    "PDURATION",
    "n, n, n",
    INEXACT,
    "增长期数：按利率从现值增长到终值所需的期数",
    "How many periods one value takes to grow to another.",
    ("ROUND(PDURATION(0.025, 2000, 2200), 2)", 3.86),
    ("PDURATION(0, 1, 2)", "#NUM"),
    fails=True,
)
@precise
def _periods_of_growth(rate: Number, present: Number, future: Number) -> Any:
    if rate <= 0 or present <= 0 or future <= 0:
        return NUM
    return (Decimal(future).ln() - Decimal(present).ln()) / (1 + Decimal(rate)).ln()
