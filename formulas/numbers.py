"""Exact decimal arithmetic. Values are fixed-point: fewer than 309 digits before the point, at most 20 after it.

Sums and products are exact, quotients are rounded half-up to 10 places, other inexact results to 15.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_05UP, ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import TypeAlias

Number: TypeAlias = int | Decimal

QUOTIENT_SCALE = 10
INEXACT_SCALE = 15
MAX_SCALE = 20
MAX_DIGITS = 308
#: Digits of an inexact result as far as types track them.
INEXACT_DIGITS = 60

_TRAPS = [decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero]
EXACT = decimal.Context(prec=700, rounding=ROUND_HALF_UP, Emax=6144, Emin=-6143, traps=_TRAPS)
#: Rounds so that a second rounding to fewer places is still correct.
_FIRST = decimal.Context(prec=60, rounding=ROUND_05UP, Emax=6144, Emin=-6143, traps=_TRAPS)
#: For series and roots: enough digits that 15 places of a 34-digit number are right.
WORKING = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN, Emax=6144, Emin=-6143, traps=_TRAPS)
_BOUND = Decimal(10) ** MAX_DIGITS
#: No value has as many places.
MOST_PLACES = 110
_STEPS = [Decimal(1).scaleb(-places) for places in range(MOST_PLACES)]


@contextmanager
def exact() -> Iterator[None]:
    """Python's operators compute exactly inside."""
    with decimal.localcontext(EXACT):
        yield


def step(places: int) -> Decimal:
    """10 ** -places."""
    return _STEPS[places] if 0 <= places < MOST_PLACES else Decimal(1).scaleb(-places)


def round_to(value: Number, places: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Round to places, negative places to tens, hundreds …; half away from zero unless told otherwise."""
    number = Decimal(value)
    if 0 <= places < MOST_PLACES:
        return number.quantize(_STEPS[places], rounding, EXACT)
    if places > 0:
        return number
    rounded = number.quantize(step(max(places, -MAX_DIGITS)), rounding, EXACT)
    return EXACT.quantize(rounded, _STEPS[0])


def divide(left: Number, right: Number, places: int = QUOTIENT_SCALE) -> Decimal:
    """The quotient rounded half-up. The divisor is not zero."""
    first, second = Decimal(left), Decimal(right)
    if first.adjusted() - second.adjusted() < 60 - places - 4:
        return _FIRST.divide(first, second).quantize(step(places), rounding=ROUND_HALF_UP, context=EXACT)
    wide = decimal.Context(prec=1400, rounding=ROUND_05UP, Emax=9999, Emin=-9999, traps=_TRAPS)
    return wide.divide(first, second).quantize(step(places), rounding=ROUND_HALF_UP, context=wide)


def is_bounded(value: Number) -> bool:
    """Whether the number is small enough to be a value."""
    return -_BOUND < value < _BOUND


def absolute(value: Number) -> Number:
    """Without the sign."""
    return -value if value < 0 else value


def floor(value: Number) -> Decimal:
    """The largest whole number not above."""
    return Decimal(value).to_integral_value(ROUND_FLOOR, EXACT)


def ceiling(value: Number) -> Decimal:
    """The smallest whole number not below."""
    return Decimal(value).to_integral_value(ROUND_CEILING, EXACT)


def truncate(value: Number) -> Decimal:
    """Without the decimal places."""
    return Decimal(value).to_integral_value(ROUND_DOWN, EXACT)


def number_text(value: Number) -> str:
    """Plain digits: no exponent, no trailing zeros, no negative zero."""
    if isinstance(value, int):
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
