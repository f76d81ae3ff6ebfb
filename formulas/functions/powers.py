"""Powers, roots and logarithms, whole-number theory and angles."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, Result
from formulas.numbers import (
    EXACT,
    INEXACT_DIGITS,
    INEXACT_SCALE,
    MAX_DIGITS,
    WORKING,
    Number,
    absolute,
    divide,
    is_bounded,
    round_to,
)
from formulas.sqlforms.template import pg
from formulas.types import decimal
from formulas.values import DIV0, NUM, TOO_LARGE, Failure

POWERS = Family("numbers")
INEXACT = decimal(INEXACT_SCALE, INEXACT_DIGITS)
POWER = decimal(INEXACT_SCALE, MAX_DIGITS + INEXACT_SCALE)
#: Enough places behind the point that PostgreSQL's result is right to 15.
LONG = "0.000000000000000000000000000000"


def power(base: Number, exponent: Number) -> Number | CellError:
    """Rounded to 15 places; bounded before anything large is computed."""
    first, second = Decimal(base), Decimal(exponent)
    if not first:
        return (NUM if not second else DIV0) if second <= 0 else Decimal(0)
    whole = second == second.to_integral_value()
    if first < 0 and not whole:
        return NUM
    size = WORKING.multiply(second, WORKING.log10(abs(first)))
    if size >= MAX_DIGITS:
        return TOO_LARGE
    if size < -40:
        return Decimal(0)
    if whole and abs(second) <= 400:
        grown = EXACT.power(first, abs(second))
        return divide(1, grown, INEXACT_SCALE) if second < 0 else round_to(grown, INEXACT_SCALE)
    context = WORKING.copy()
    context.prec = 60 + max(0, int(size))
    found = context.power(abs(first), second)
    return round_to(-found if first < 0 and second % 2 else found, INEXACT_SCALE)


@POWERS.add(
    "POWER",
    "n, n",
    POWER,
    "乘幂：底数的若干次方",
    "The base raised to a power.",
    ("POWER(5, 2)", 25),
    ("POWER(4, 0.5)", 2),
    ("2 ^ 3 ^ 2", 64),
    ("-2 ^ 2", 4),
    ("POWER(0, -1)", "#DIV0"),
    ("9 ^ 9 ^ 9 ^ 9", "#NUM"),
    core=True,
    fails=True,
    postgresql=pg(
        "case when {0} = 0 then case when {1} > 0 then 0 end"
        " when {0} < 0 and {1} <> trunc({1}) then null"
        " when {1} * log(abs({0})) >= 308 then null when {1} * log(abs({0})) < -40 then 0"
        f" else round(power({{0}} + {LONG}, {{1}} + {LONG}), 15) end"
    ),
)
def _power(base: Number, exponent: Number) -> Number | CellError:
    return power(base, exponent)


@POWERS.add(
    "SQRT",
    "n",
    INEXACT,
    "平方根：平方等于该数的非负数",
    "The square root.",
    ("SQRT(16)", 4),
    ("SQRT(-1)", "#NUM"),
    fails=True,
    postgresql=pg(f"case when {{0}} >= 0 then round(sqrt({{0}} + {LONG}), 15) end"),
)
def _sqrt(value: Number) -> Number | CellError:
    if value < 0:
        return NUM
    context = WORKING.copy()
    context.prec = 60 + MAX_DIGITS // 2
    return round_to(context.sqrt(Decimal(value)), INEXACT_SCALE)


@POWERS.add(
    "EXP",
    "n",
    POWER,
    "指数：自然常数的若干次方",
    "e raised to a power.",
    ("ROUND(EXP(1), 10)", 2.7182818285),
    ("EXP(0)", 1),
    ("EXP(20000)", "#NUM"),
    fails=True,
    postgresql=pg(f"case when {{0}} > 709 then null when {{0}} < -90 then 0 else round(exp({{0}} + {LONG}), 15) end"),
)
def _exp(value: Number) -> Number | CellError:
    if value > 709:
        return TOO_LARGE
    if value < -90:
        return 0
    context = WORKING.copy()
    context.prec = 60 + MAX_DIGITS
    return round_to(context.exp(Decimal(value)), INEXACT_SCALE)


@POWERS.add(
    "LN",
    "n",
    INEXACT,
    "自然对数：以自然常数为底的对数",
    "The natural logarithm.",
    ("ROUND(LN(86), 7)", 4.4543473),
    ("LN(0)", "#NUM"),
    fails=True,
    postgresql=pg(f"case when {{0}} > 0 then round(ln({{0}} + {LONG}), 15) end"),
)
def _ln(value: Number) -> Number | CellError:
    return round_to(WORKING.ln(Decimal(value)), INEXACT_SCALE) if value > 0 else NUM


@POWERS.add(
    "LOG10",
    "n",
    INEXACT,
    "常用对数：以 10 为底的对数",
    "The logarithm to base 10.",
    ("LOG10(100000)", 5),
    ("LOG10(-1)", "#NUM"),
    fails=True,
    postgresql=pg(f"case when {{0}} > 0 then round(log({{0}} + {LONG}), 15) end"),
)
def _log10(value: Number) -> Number | CellError:
    return round_to(WORKING.log10(Decimal(value)), INEXACT_SCALE) if value > 0 else NUM


@POWERS.add(
    "LOG",
    "n, n?",
    INEXACT,
    "对数：以第二个数为底，默认 10",
    "The logarithm to a base, 10 if left out.",
    ("LOG(10)", 1),
    ("LOG(8, 2)", 3),
    ("LOG(5, 1)", "#DIV0"),
    fails=True,
    postgresql=pg(
        f"case when {{0}} > 0 then round(log({{0}} + {LONG}), 15) end",
        f"case when {{0}} > 0 and {{1}} > 0 and {{1}} <> 1 then round(log({{1}} + {LONG}, {{0}} + {LONG}), 15) end",
    ),
)
def _log(value: Number, base: Number = 10) -> Number | CellError:
    if value <= 0 or base <= 0:
        return NUM
    if base == 1:
        return DIV0
    return round_to(WORKING.divide(WORKING.ln(Decimal(value)), WORKING.ln(Decimal(base))), INEXACT_SCALE)


WHOLE = decimal(0, MAX_DIGITS)


def whole_result(value: int) -> int | CellError:
    """The number unless it is too large to be a value."""
    return value if is_bounded(value) else TOO_LARGE


@POWERS.add(
    "FACT",
    "i",
    WHOLE,
    "阶乘：1 到该数的乘积",
    "The product of 1 up to the number, at most 170.",
    ("FACT(5)", 120),
    ("FACT(1.9)", 1),
    ("FACT(-1)", "#NUM"),
    fails=True,
    postgresql=pg("case when {0} between 0 and 170 then factorial({0}) end"),
)
def _fact(value: int) -> int | CellError:
    return math.factorial(value) if 0 <= value <= 170 else NUM


@POWERS.add(
    "COMBIN",
    "i, i",
    WHOLE,
    "组合数：从若干项中取若干项的组合数",
    "Ways to choose some of several.",
    ("COMBIN(8, 2)", 28),
    ("COMBIN(2, 3)", "#NUM"),
    fails=True,
)
def _combin(total: int, chosen: int) -> int | CellError:
    if not 0 <= chosen <= total or total > 100_000 or min(chosen, total - chosen) > 1_100:
        return NUM
    return whole_result(math.comb(total, chosen))


@POWERS.add(
    "PERMUT",
    "i, i",
    WHOLE,
    "排列数：从若干项中取若干项的排列数",
    "Ways to choose some of several in order.",
    ("PERMUT(100, 3)", 970200),
    fails=True,
)
def _permut(total: int, chosen: int) -> int | CellError:
    if not 0 <= chosen <= total or chosen > 400 or total > 10**18:
        return NUM
    return whole_result(math.perm(total, chosen))


@POWERS.add(
    "GCD",
    "i, i...",
    WHOLE,
    "最大公约数：能整除各数的最大整数",
    "The greatest common divisor.",
    ("GCD(24, 36)", 12),
    ("GCD(-1)", "#NUM"),
    fails=True,
)
def _gcd(*values: int) -> int | CellError:
    return math.gcd(*values) if min(values) >= 0 else NUM


@POWERS.add(
    "LCM",
    "i, i...",
    WHOLE,
    "最小公倍数：各数的最小公倍数",
    "The least common multiple.",
    ("LCM(24, 36)", 72),
    fails=True,
)
def _lcm(*values: int) -> int | CellError:
    return whole_result(math.lcm(*values)) if min(values) >= 0 else NUM


def _float(function: Callable[..., float], limit: int = 10**15) -> Callable[..., Number | CellError]:
    """Angles and their functions come from the platform's doubles, rounded to 15 places."""

    def call(*values: Number) -> Number | CellError:
        if any(absolute(value) > limit for value in values):
            return NUM
        try:
            found = function(*(float(value) for value in values))
        except (ValueError, OverflowError):
            return NUM
        if not math.isfinite(found) or abs(found) > 1e15:
            return NUM
        return round_to(Decimal(repr(found)), INEXACT_SCALE - 1)

    return call


def _angle(
    name: str, signature: str, zh: str, en: str, function: Callable[..., float], *examples: tuple[str, Any]
) -> None:
    result: Result = INEXACT
    POWERS.add(name, signature, result, zh, en, *examples, fails=True)(_float(function))


def _atan2(x: float, y: float) -> float:
    if x == 0 and y == 0:
        raise Failure(DIV0)
    return math.atan2(y, x)


_angle("SIN", "n", "正弦：弧度的正弦", "The sine of an angle in radians.", math.sin, ("ROUND(SIN(1), 6)", 0.841471))
_angle("COS", "n", "余弦：弧度的余弦", "The cosine of an angle in radians.", math.cos, ("COS(0)", 1))
_angle(
    "TAN", "n", "正切：弧度的正切", "The tangent of an angle in radians.", math.tan, ("ROUND(TAN(0.785), 4)", 0.9992)
)
_angle("ASIN", "n", "反正弦：正弦为该数的弧度", "The angle with this sine.", math.asin, ("ASIN(2)", "#NUM"))
_angle("ACOS", "n", "反余弦：余弦为该数的弧度", "The angle with this cosine.", math.acos, ("ACOS(1)", 0))
_angle(
    "ATAN", "n", "反正切：正切为该数的弧度", "The angle with this tangent.", math.atan, ("ROUND(ATAN(1), 6)", 0.785398)
)
_angle(
    "ATAN2",
    "n, n",
    "坐标反正切：点 (x, y) 的方向角",
    "The angle of the point x, y.",
    _atan2,
    ("ROUND(ATAN2(1, 1), 6)", 0.785398),
)
_angle("SINH", "n", "双曲正弦：数的双曲正弦", "The hyperbolic sine.", math.sinh, ("ROUND(SINH(1), 4)", 1.1752))
_angle("COSH", "n", "双曲余弦：数的双曲余弦", "The hyperbolic cosine.", math.cosh, ("ROUND(COSH(4), 6)", 27.308233))
_angle("TANH", "n", "双曲正切：数的双曲正切", "The hyperbolic tangent.", math.tanh, ("ROUND(TANH(0.5), 6)", 0.462117))
_angle(
    "ASINH",
    "n",
    "反双曲正弦：双曲正弦为该数的数",
    "The number with this hyperbolic sine.",
    math.asinh,
    ("ROUND(ASINH(-2.5), 6)", -1.647231),
)
_angle(
    "ACOSH",
    "n",
    "反双曲余弦：双曲余弦为该数的数",
    "The number with this hyperbolic cosine.",
    math.acosh,
    ("ROUND(ACOSH(10), 6)", 2.993223),
    ("ACOSH(0)", "#NUM"),
)
_angle(
    "ATANH",
    "n",
    "反双曲正切：双曲正切为该数的数",
    "The number with this hyperbolic tangent.",
    math.atanh,
    ("ROUND(ATANH(0.5), 6)", 0.549306),
    ("ATANH(1)", "#NUM"),
)
_angle("RADIANS", "n", "转弧度：角度转弧度", "Degrees to radians.", math.radians, ("ROUND(RADIANS(270), 6)", 4.712389))
_angle("DEGREES", "n", "转角度：弧度转角度", "Radians to degrees.", math.degrees, ("ROUND(DEGREES(PI()), 6)", 180))


@POWERS.add(
    "PI",
    "",
    decimal(15, 16),
    "圆周率：3.141592653589793",
    "3.141592653589793.",
    ("PI()", "3.141592653589793"),
    nulls="N",
    postgresql=pg("3.141592653589793"),
)
def _pi() -> Decimal:
    return Decimal("3.141592653589793")
