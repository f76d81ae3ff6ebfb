"""Interest and principal of single periods, rates of loans and of payments, and depreciation that falls."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.aggregates import numbers
from formulas.functions.declare import Family
from formulas.functions.finance import future_value, payment_of, precise
from formulas.functions.powers import INEXACT
from formulas.numbers import WORKING, Number
from formulas.values import NUM

LOANS = Family("finance")
_STEPS = 100
_CLOSE = Decimal("1e-25")
_CUMULATED = 2_000


def _interest(rate: Number, period: int, periods: Number, present: Number, future: Number, start: Number) -> Any:
    payment = payment_of(rate, periods, present, future, start)
    if period == 1 and start:
        return Decimal(0)
    owed = future_value(rate, period - 1, payment, present, start)
    interest = owed * Decimal(rate)
    return interest / (1 + Decimal(rate)) if start else interest


@LOANS.add(
    "IPMT",
    "n, i, n, n, n?, n?",
    INEXACT,
    "某期利息：等额还款中某一期的利息",
    "The interest of one period of a loan.",
    ("ROUND(IPMT(0.1 / 12, 1, 36, 8000), 2)", -66.67),
    ("IPMT(0.1, 4, 3, 100)", "#NUM"),
    fails=True,
)
@precise
def _ipmt(rate: Number, period: int, periods: Number, present: Number, future: Number = 0, start: Number = 0) -> Any:
    if not 1 <= period <= periods:
        return NUM
    return _interest(rate, period, periods, present, future, start)


@LOANS.add(
    "PPMT",
    "n, i, n, n, n?, n?",
    INEXACT,
    "某期本金：等额还款中某一期的本金",
    "The principal paid back in one period of a loan.",
    ("ROUND(PPMT(0.1 / 12, 1, 24, 2000), 2)", -75.62),
    ("ROUND(PPMT(0.08, 10, 10, 200000), 2)", -27598.05),
    fails=True,
)
@precise
def _ppmt(rate: Number, period: int, periods: Number, present: Number, future: Number = 0, start: Number = 0) -> Any:
    if not 1 <= period <= periods:
        return NUM
    interest = _interest(rate, period, periods, present, future, start)
    return payment_of(rate, periods, present, future, start) - interest


def _cumulated(principal: bool) -> Callable[..., Any]:
    @precise
    def run(rate: Number, periods: Number, present: Number, first: int, last: int, start: Number) -> Any:
        if rate <= 0 or present <= 0 or not 1 <= first <= last <= periods or last - first > _CUMULATED:
            return NUM
        if start not in (0, 1):
            return NUM
        interest = sum((_interest(rate, p, periods, present, 0, start) for p in range(first, last + 1)), Decimal(0))
        return payment_of(rate, periods, present, 0, start) * (last - first + 1) - interest if principal else interest

    return run


LOANS.add(
    "CUMIPMT",
    "n, n, n, i, i, n",
    INEXACT,
    "累计利息：从第几期到第几期的利息之和",
    "The interest of several periods of a loan.",
    ("ROUND(CUMIPMT(0.09 / 12, 30 * 12, 125000, 13, 24, 0), 2)", -11135.23),
    fails=True,
)(_cumulated(principal=False))
LOANS.add(
    "CUMPRINC",
    "n, n, n, i, i, n",
    INEXACT,
    "累计本金：从第几期到第几期归还的本金之和",
    "The principal paid back in several periods of a loan.",
    ("ROUND(CUMPRINC(0.09 / 12, 30 * 12, 125000, 13, 24, 0), 2)", -934.11),
    fails=True,
)(_cumulated(principal=True))


def root(worth: Callable[[Decimal], Decimal], guess: Number) -> Decimal | CellError:
    """Where a function is 0, by the secant; NUM if that is not found."""
    one, other = Decimal(guess), Decimal(guess) + Decimal("0.001")
    at_one, at_other = worth(one), worth(other)
    for _ in range(_STEPS):
        if at_other == at_one:
            break
        step = at_other * (other - one) / (at_other - at_one)
        one, at_one, other = other, at_other, other - step
        if other <= -1:
            return NUM
        if abs(step) < _CLOSE:
            return other
        at_other = worth(other)
    return other if not at_other else NUM


@LOANS.add(
    "RATE",
    "n, n, n, n?, n?, n?",
    INEXACT,
    "利率：每期利率，由期数、每期付款和现值求得",
    "The interest rate of each period.",
    ("ROUND(RATE(4 * 12, -200, 8000), 4)", 0.0077),
    ("RATE(10, 100, 1000)", "#NUM"),
    fails=True,
)
@precise
def _rate(
    periods: Number,
    payment: Number,
    present: Number,
    future: Number = 0,
    start: Number = 0,
    guess: Number = Decimal("0.1"),
) -> Any:
    if periods <= 0:
        return NUM

    def left(rate: Decimal) -> Decimal:
        return future_value(rate, periods, payment, present, start) - future

    return root(left, guess)


@LOANS.add(
    "IRR",
    "K, n?",
    INEXACT,
    "内部收益率：使净现值为 0 的利率",
    "The rate at which payments at equal distances are worth nothing.",
    ("ROUND(IRR([-70000, 12000, 15000, 18000, 21000, 26000]), 4)", 0.0866),
    ("IRR([1, 2])", "#NUM"),
    fails=True,
)
@precise
def _irr(values: tuple[Any, ...], guess: Number = Decimal("0.1")) -> Any:
    flows = [Decimal(value) for value in numbers((values,))]
    if not (any(flow < 0 for flow in flows) and any(flow > 0 for flow in flows)):
        return NUM

    def worth(rate: Decimal) -> Decimal:
        result = Decimal(0)
        for flow in reversed(flows):
            result = result / (1 + rate) + flow
        return result

    return root(worth, guess)


@LOANS.add(
    "EFFECT",
    "n, i",
    INEXACT,
    "实际年利率：由名义年利率和每年期数求得",
    "The yearly rate with interest on interest.",
    ("ROUND(EFFECT(0.0525, 4), 7)", 0.0535427),
    ("EFFECT(0, 4)", "#NUM"),
    fails=True,
)
@precise
def _effect(rate: Number, periods: int) -> Any:
    if rate <= 0 or not 1 <= periods <= 100_000:
        return NUM
    return WORKING.power(1 + Decimal(rate) / periods, periods) - 1


@LOANS.add(
    "NOMINAL",
    "n, i",
    INEXACT,
    "名义年利率：由实际年利率和每年期数求得",
    "The yearly rate without interest on interest.",
    ("ROUND(NOMINAL(0.053543, 4), 6)", 0.0525),
    fails=True,
)
@precise
def _nominal(rate: Number, periods: int) -> Any:
    if rate <= 0 or not 1 <= periods <= 100_000:
        return NUM
    return (WORKING.power(1 + Decimal(rate), Decimal(1) / periods) - 1) * periods


@LOANS.add(
    "SYD",
    "n, n, n, n",
    INEXACT,
    "年数总和折旧：某一期的折旧额",
    "The depreciation of a period by the sum of the years' digits.",
    ("ROUND(SYD(30000, 7500, 10, 1), 2)", 4090.91),
    ("SYD(1, 0, 0, 1)", "#NUM"),
    fails=True,
)
@precise
def _syd(cost: Number, salvage: Number, life: Number, period: Number) -> Any:
    if life <= 0 or not 1 <= period <= life:
        return NUM
    return (Decimal(cost) - salvage) * (life - period + 1) * 2 / (Decimal(life) * (life + 1))


@LOANS.add(
    "DDB",
    "n, n, n, i, n?",
    INEXACT,
    "双倍余额递减折旧：某一期的折旧额",
    "The depreciation of a period by the declining balance, at twice the even rate unless another factor is given.",
    ("DDB(2400, 300, 10, 1, 2)", 480),
    ("ROUND(DDB(2400, 300, 10, 10), 2)", 22.12),
    fails=True,
)
@precise
def _ddb(cost: Number, salvage: Number, life: Number, period: int, factor: Number = 2) -> Any:
    if life <= 0 or not 1 <= period <= life or cost < 0 or salvage < 0 or factor <= 0 or period > _CUMULATED:
        return NUM
    part = min(Decimal(factor) / Decimal(life), Decimal(1))
    left, worn = Decimal(cost), Decimal(0)
    for _ in range(period):
        worn = max(min(left * part, left - salvage), Decimal(0))
        left -= worn
    return worn
