"""Loans, savings and depreciation. Money paid out is negative, as in spreadsheets."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.aggregates import numbers
from formulas.functions.declare import Family
from formulas.functions.powers import INEXACT
from formulas.numbers import INEXACT_SCALE, WORKING, Number, absolute, is_bounded, round_to
from formulas.values import DIV0, NUM, TOO_LARGE, VALUE

FINANCE = Family("finance")
PERIOD_LIMIT = 100_000


def precise(run: Callable[..., Any]) -> Callable[..., Any]:
    """Compute with 60 digits and round the result to 15 places."""

    def call(*values: Any) -> Any:
        try:
            with decimal.localcontext(WORKING):
                found = run(*values)
        except decimal.DivisionByZero:
            return DIV0
        if isinstance(found, CellError):
            return found
        return round_to(found, INEXACT_SCALE) if is_bounded(found) else TOO_LARGE

    return call


def _growth(rate: Number, periods: Number) -> Decimal:
    if absolute(periods) > PERIOD_LIMIT or rate <= -1:
        raise decimal.InvalidOperation
    return WORKING.power(1 + Decimal(rate), Decimal(periods))


def _over(amount: Decimal, divisor: Number | Decimal) -> Decimal:
    """A quotient. Where there is none there is no such loan: NUM, as in spreadsheets, not DIV0."""
    if not divisor:
        raise decimal.InvalidOperation
    return amount / Decimal(divisor)


def _due(rate: Number, start: Number) -> Decimal:
    """Payments at the beginning of a period bear interest once more."""
    return 1 + Decimal(rate) if start else Decimal(1)


@FINANCE.add(
    "PMT",
    "n, n, n, n?, n?",
    INEXACT,
    "每期付款：固定利率下每期的付款额",
    "The payment of each period of a loan.",
    ("ROUND(PMT(0.08 / 12, 10, 10000), 2)", -1037.03),
    ("PMT(0, 10, 1000)", -100),
    ("PMT(0.1, 0, 100)", "#NUM"),
    fails=True,
)
@precise
def _pmt(rate: Number, periods: Number, present: Number, future: Number = 0, start: Number = 0) -> Decimal:
    return payment_of(rate, periods, present, future, start)


def payment_of(rate: Number, periods: Number, present: Number, future: Number = 0, start: Number = 0) -> Decimal:
    """The payment of each period."""
    if not rate:
        return _over(-Decimal(present + future), periods)
    growth = _growth(rate, periods)
    return _over(-Decimal(rate) * (present * growth + future), _due(rate, start) * (growth - 1))


@FINANCE.add(
    "FV",
    "n, n, n, n?, n?",
    INEXACT,
    "终值：定期存入后的总额",
    "What regular payments grow to.",
    ("ROUND(FV(0.06 / 12, 10, -200, -500, 1), 2)", 2581.40),
    fails=True,
)
@precise
def _fv(rate: Number, periods: Number, payment: Number, present: Number = 0, start: Number = 0) -> Decimal:
    return future_value(rate, periods, payment, present, start)


def future_value(rate: Number, periods: Number, payment: Number, present: Number = 0, start: Number = 0) -> Decimal:
    """What is there after some periods; what was paid is negative."""
    if not rate:
        return -Decimal(present) - Decimal(payment) * Decimal(periods)
    growth = _growth(rate, periods)
    return -(present * growth + Decimal(payment) * _due(rate, start) * (growth - 1) / Decimal(rate))


@FINANCE.add(
    "PV",
    "n, n, n, n?, n?",
    INEXACT,
    "现值：未来各期付款现在的价值",
    "What future payments are worth now.",
    ("ROUND(PV(0.08 / 12, 12 * 20, 500, 0), 2)", -59777.15),
    fails=True,
)
@precise
def _pv(rate: Number, periods: Number, payment: Number, future: Number = 0, start: Number = 0) -> Decimal:
    if not rate:
        return -Decimal(future) - Decimal(payment) * Decimal(periods)
    growth = _growth(rate, periods)
    return -(Decimal(future) + Decimal(payment) * _due(rate, start) * (growth - 1) / Decimal(rate)) / growth


@FINANCE.add(
    "NPER",
    "n, n, n, n?, n?",
    INEXACT,
    "期数：还清所需的期数",
    "How many periods a loan takes.",
    ("ROUND(NPER(0.12 / 12, -100, -1000, 10000, 1), 7)", 59.6738657),
    fails=True,
)
@precise
def _nper(rate: Number, payment: Number, present: Number, future: Number = 0, start: Number = 0) -> Decimal | CellError:
    if not rate:
        return _over(-Decimal(present + future), payment)
    if rate <= -1:
        return NUM
    paid = Decimal(payment) * _due(rate, start)
    ratio = _over(paid - future * Decimal(rate), paid + present * Decimal(rate))
    return WORKING.ln(ratio) / WORKING.ln(1 + Decimal(rate)) if ratio > 0 else NUM


@FINANCE.add(
    "NPV",
    "n, N, N...",
    INEXACT,
    "净现值：按贴现率计算的净现值",
    "The net present value of payments at the ends of periods.",
    ("ROUND(NPV(0.1, -10000, 3000, 4200, 6800), 2)", 1188.44),
    fails=True,
)
@precise
def _npv(rate: Number, *args: Any) -> Decimal | CellError:
    values = numbers(args)
    if rate == -1:
        return DIV0
    result = Decimal(0)
    for value in reversed(values):
        result = (result + value) / (1 + Decimal(rate))
        if not is_bounded(result):
            return TOO_LARGE
    return result if values else VALUE


@FINANCE.add(
    "SLN",
    "n, n, n",
    INEXACT,
    "直线折旧：每期折旧额",
    "The depreciation of each period.",
    ("SLN(30000, 7500, 10)", 2250),
    ("SLN(1, 0, 0)", "#DIV0"),
    fails=True,
)
@precise
def _sln(cost: Number, salvage: Number, life: Number) -> Decimal | CellError:
    return (Decimal(cost) - salvage) / Decimal(life) if life else DIV0
