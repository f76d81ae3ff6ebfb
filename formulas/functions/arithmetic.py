"""Numbers: rounding, multiples, signs and shares."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_UP, Decimal

from formulas.errors import CellError
from formulas.functions.declare import Family, constant_of, flat, same, scaled, whole_digits
from formulas.numbers import (
    EXACT,
    INEXACT_DIGITS,
    INEXACT_SCALE,
    MAX_DIGITS,
    Number,
    absolute,
    ceiling,
    divide,
    floor,
    round_to,
    truncate,
)
from formulas.sqlforms.template import pg
from formulas.tree import Tree
from formulas.types import BOOLEAN, Type, decimal, integer
from formulas.values import DIV0, NUM

ARITHMETIC = Family("numbers")
INEXACT = decimal(INEXACT_SCALE, INEXACT_DIGITS)
POWERS = decimal(INEXACT_SCALE, MAX_DIGITS + INEXACT_SCALE)

#: floor(a / b) exactly, for `{0}` and `{1}` with `{1}` not zero.
FLOORED = "div({0} - mod(mod({0}, nullif({1}, 0)) + {1}, nullif({1}, 0)), nullif({1}, 0))"
#: Enough places behind the point that PostgreSQL's result is right to 15.
LONG = "0.000000000000000000000000000000"


def _whole(types: Sequence[Type], _args: Sequence[Tree]) -> Type:
    return decimal(0, whole_digits(flat(types)) + 1)


def _rounded(types: Sequence[Type], args: Sequence[Tree]) -> Type:
    """Rounding to constant places makes the scale that small."""
    places = constant_of(args, 1, 0)
    value = types[0]
    if not value.is_number:
        return decimal(10)
    scale = value.scale if places is None else min(value.scale, max(int(places), 0))
    return decimal(scale, whole_digits(value) + 1 + scale)


@ARITHMETIC.add(
    "ABS",
    "n",
    same(),
    "绝对值：去掉正负号",
    "The number without its sign.",
    ("ABS(-2.5)", 2.5),
    ("ABS(0)", 0),
    core=True,
    postgresql=pg("abs({0})"),
)
def _abs(value: Number) -> Number:
    return absolute(value)


@ARITHMETIC.add(
    "ROUND",
    "n, i?",
    _rounded,
    "四舍五入：保留指定小数位，五入时远离零",
    "Rounded half away from zero to a number of places.",
    ("ROUND(2.5, 0)", 3),
    ("ROUND(-2.675, 2)", -2.68),
    ("ROUND(1234.5, -2)", 1200),
    core=True,
    postgresql=pg("round({0})", "round({0}, least(greatest({1}, -308), 20))"),
)
def _round(value: Number, places: int = 0) -> Decimal:
    return round_to(value, places)


@ARITHMETIC.add(
    "ROUNDUP",
    "n, i?",
    _rounded,
    "向上舍入：远离零的方向舍入",
    "Rounded away from zero.",
    ("ROUNDUP(3.2, 0)", 4),
    ("ROUNDUP(-3.14159, 1)", -3.2),
    ("ROUNDUP(31415.92654, -2)", 31500),
    core=True,
    postgresql=pg(
        "trunc({0}) + case when {0} = trunc({0}) then 0 else sign({0}) end",
        "trunc({0}, least(greatest({1}, -308), 20)) + case when {0} = trunc({0}, least(greatest({1}, -308), 20))"
        " then 0 else sign({0}) * ('1e' || -least(greatest({1}, -308), 20))::numeric end",
    ),
)
def _round_up(value: Number, places: int = 0) -> Decimal:
    return round_to(value, places, ROUND_UP)


@ARITHMETIC.add(
    "ROUNDDOWN",
    "n, i?",
    _rounded,
    "向下舍入：向零的方向舍入",
    "Rounded towards zero.",
    ("ROUNDDOWN(3.9, 0)", 3),
    ("ROUNDDOWN(-3.14159, 1)", -3.1),
    core=True,
    postgresql=pg("trunc({0})", "trunc({0}, least(greatest({1}, -308), 20))"),
)
@ARITHMETIC.add(
    "TRUNC",
    "n, i?",
    _rounded,
    "截尾：去掉多余的小数位",
    "Cut to a number of places.",
    ("TRUNC(8.9)", 8),
    ("TRUNC(-8.95, 1)", -8.9),
    postgresql=pg("trunc({0})", "trunc({0}, least(greatest({1}, -308), 20))"),
)
def _round_down(value: Number, places: int = 0) -> Decimal:
    return round_to(value, places, "ROUND_DOWN")


@ARITHMETIC.add(
    "INT",
    "n",
    _whole,
    "取整：不大于该数的最大整数",
    "The largest whole number not above.",
    ("INT(8.9)", 8),
    ("INT(-8.9)", -9),
    core=True,
    postgresql=pg("floor({0})"),
)
def _int(value: Number) -> Decimal:
    return floor(value)


def floored_quotient(value: Number, divisor: Number) -> Decimal:
    """floor(value / divisor), exactly."""
    quotient = EXACT.divide_int(value, divisor)
    rest = EXACT.subtract(value, EXACT.multiply(quotient, divisor))
    return quotient - 1 if rest and (rest < 0) != (divisor < 0) else quotient


def _multiple(types: Sequence[Type], _args: Sequence[Tree]) -> Type:
    """A multiple of the second argument not further away than one step."""
    scale = max((type_.scale for type_ in types[1:2]), default=0)
    return decimal(scale, whole_digits(flat(types)) + 1 + scale)


def _to_multiple(value: Number, step: Number, up: bool) -> Number | CellError:
    if not step:
        return 0
    if value > 0 > step:
        return NUM
    return -floored_quotient(-value, step) * step if up else floored_quotient(value, step) * step


@ARITHMETIC.add(
    "CEILING",
    "n, n?",
    _multiple,
    "向上取倍数：不小于该数的最近倍数",
    "Up to the next multiple of the second number.",
    ("CEILING(2.5, 1)", 3),
    ("CEILING(-2.5, -2)", -4),
    ("CEILING(1.5, 0.1)", 1.5),
    ("CEILING(2.5, -1)", "#NUM"),
    core=True,
    fails=True,
    postgresql=pg(
        "ceil({0})",
        "case when {1} = 0 then 0 when {0} > 0 and {1} < 0 then null else -"
        + FLOORED.replace("{0}", "(-{0})")
        + " * {1} end",
    ),
)
def _ceiling(value: Number, step: Number = 1) -> Number | CellError:
    return _to_multiple(value, step, up=True)


@ARITHMETIC.add(
    "FLOOR",
    "n, n?",
    _multiple,
    "向下取倍数：不大于该数的最近倍数",
    "Down to the next multiple of the second number.",
    ("FLOOR(2.5, 1)", 2),
    ("FLOOR(2.01, 2)", 2),
    ("FLOOR(-2.5, -2)", -2),
    ("FLOOR(1, 0)", "#DIV0"),
    core=True,
    fails=True,
    postgresql=pg(
        "floor({0})",
        "case when {1} = 0 then case when {0} = 0 then 0 end when {0} > 0 and {1} < 0 then null else "
        + FLOORED
        + " * {1} end",
    ),
)
def _floor(value: Number, step: Number = 1) -> Number | CellError:
    if not step and value:
        return DIV0
    return _to_multiple(value, step, up=False)


@ARITHMETIC.add(
    "CEILING.MATH",
    "n, n?, n?",
    _multiple,
    "数学向上取倍数：负数默认向零取，模式非零则远离零",
    "Up to a multiple; negative numbers towards zero unless the mode is not 0.",
    ("CEILING.MATH(24.3, 5)", 25),
    ("CEILING.MATH(-8.1, 2)", -8),
    ("CEILING.MATH(-5.5, 2, -1)", -6),
)
def _ceiling_math(value: Number, step: Number = 1, mode: Number = 0) -> Number:
    if not step:
        return 0
    size = absolute(step)
    if value < 0 and mode:
        return floored_quotient(value, size) * size
    return -floored_quotient(-value, size) * size


@ARITHMETIC.add(
    "FLOOR.MATH",
    "n, n?, n?",
    _multiple,
    "数学向下取倍数：负数默认远离零取，模式非零则向零",
    "Down to a multiple; negative numbers away from zero unless the mode is not 0.",
    ("FLOOR.MATH(24.3, 5)", 20),
    ("FLOOR.MATH(-8.1, 2)", -10),
    ("FLOOR.MATH(-5.5, 2, -1)", -4),
)
def _floor_math(value: Number, step: Number = 1, mode: Number = 0) -> Number:
    if not step:
        return 0
    size = absolute(step)
    if value < 0 and mode:
        return -floored_quotient(-value, size) * size
    return floored_quotient(value, size) * size


@ARITHMETIC.add(
    "MROUND",
    "n, n",
    _multiple,
    "舍入到倍数：最近的倍数，一半时远离零",
    "To the nearest multiple, half away from zero.",
    ("MROUND(10, 3)", 9),
    ("MROUND(-10, -3)", -9),
    ("MROUND(5, -2)", "#NUM"),
    ("MROUND(1.3, 0.2)", 1.4),
    fails=True,
    postgresql=pg(
        "case when {1} = 0 or {0} = 0 then 0 when ({0} < 0) <> ({1} < 0) then null else div(2 * abs({0}) + abs({1}), 2 * abs({1})) * {1} end"
    ),
)
def _mround(value: Number, step: Number) -> Number | CellError:
    if not step or not value:
        return 0
    if (value < 0) != (step < 0):
        return NUM
    return EXACT.divide_int(2 * absolute(value) + absolute(step), 2 * absolute(step)) * step


@ARITHMETIC.add(
    "MOD",
    "n, n",
    lambda types, _: decimal(
        max(types[0].scale, types[1].scale), whole_digits(types[1]) + max(types[0].scale, types[1].scale)
    ),
    "余数：除法的余数，符号与除数相同",
    "The remainder, with the sign of the divisor.",
    ("MOD(3, 2)", 1),
    ("MOD(-3, 2)", 1),
    ("MOD(5.5, -2)", -0.5),
    ("MOD(1, 0)", "#DIV0"),
    core=True,
    fails=True,
    postgresql=pg("mod(mod({0}, nullif({1}, 0)) + {1}, nullif({1}, 0))"),
)
def _mod(value: Number, divisor: Number) -> Number | CellError:
    return value - floored_quotient(value, divisor) * divisor if divisor else DIV0


@ARITHMETIC.add(
    "QUOTIENT",
    "n, n",
    lambda types, _: decimal(0, whole_digits(types[0]) + types[1].scale + 1),
    "整商：除法的整数部分",
    "The whole part of a division.",
    ("QUOTIENT(5, 2)", 2),
    ("QUOTIENT(-10, 3)", -3),
    ("QUOTIENT(1, 0)", "#DIV0"),
    fails=True,
    postgresql=pg("div({0}, nullif({1}, 0))"),
)
def _quotient(value: Number, divisor: Number) -> Number | CellError:
    return EXACT.divide_int(value, divisor) if divisor else DIV0


@ARITHMETIC.add(
    "PERCENT",
    "n, n",
    scaled(10, 10),
    "占比：第一个数占第二个数的比例",
    "The first number as a share of the second.",
    ("PERCENT(1, 4)", 0.25),
    ("PERCENT(1, 0)", "#DIV0"),
    fails=True,
    postgresql=pg("round(({0} + " + LONG + ") / nullif({1}, 0), 10)"),
)
def _percent_of(value: Number, whole: Number) -> Number | CellError:
    return divide(value, whole) if whole else DIV0


@ARITHMETIC.add(
    "SIGN",
    "n",
    integer(1),
    "符号：正数 1，零 0，负数 -1",
    "1, 0 or -1.",
    ("SIGN(-3)", -1),
    ("SIGN(0)", 0),
    postgresql=pg("sign({0})"),
)
def _sign(value: Number) -> int:
    return (value > 0) - (value < 0)


@ARITHMETIC.add(
    "EVEN",
    "n",
    _whole,
    "取偶：远离零舍入到偶数",
    "Away from zero to an even number.",
    ("EVEN(1.5)", 2),
    ("EVEN(-1)", -2),
    postgresql=pg("sign({0}) * ceil(abs({0}) / 2) * 2"),
)
def _even(value: Number) -> Number:
    even = ceiling(EXACT.divide(absolute(value), 2)) * 2
    return -even if value < 0 else even


@ARITHMETIC.add(
    "ODD",
    "n",
    _whole,
    "取奇：远离零舍入到奇数",
    "Away from zero to an odd number.",
    ("ODD(1.5)", 3),
    ("ODD(-2)", -3),
    ("ODD(0)", 1),
    postgresql=pg("case when {0} < 0 then -1 else 1 end * (ceil((greatest(abs({0}), 1) - 1) / 2) * 2 + 1)"),
)
def _odd(value: Number) -> Number:
    odd = ceiling(EXACT.divide(max(absolute(value), 1) - 1, 2)) * 2 + 1
    return -odd if value < 0 else odd


@ARITHMETIC.add(
    "ISEVEN",
    "n",
    BOOLEAN,
    "是偶数：整数部分是否为偶数",
    "Whether the whole part is even.",
    ("ISEVEN(2.5)", True),
    ("ISEVEN(-1)", False),
    postgresql=pg("mod(trunc({0}), 2) = 0"),
)
def _is_even(value: Number) -> bool:
    return EXACT.remainder(truncate(value), 2) == 0


@ARITHMETIC.add(
    "ISODD",
    "n",
    BOOLEAN,
    "是奇数：整数部分是否为奇数",
    "Whether the whole part is odd.",
    ("ISODD(3)", True),
    ("ISODD(4)", False),
    postgresql=pg("mod(trunc({0}), 2) <> 0"),
)
def _is_odd(value: Number) -> bool:
    return EXACT.remainder(truncate(value), 2) != 0


@ARITHMETIC.add(
    "CLAMP",
    "n, n, n",
    lambda types, _: flat(types),
    "限幅：把数限制在两个界限之间",
    "The number within two bounds.",
    ("CLAMP(15, 0, 10)", 10),
    ("CLAMP(5, 9, 1)", "#NUM"),
    fails=True,
    postgresql=pg("case when {1} <= {2} then least(greatest({0}, {1}), {2}) end"),
)
def _clamp(value: Number, low: Number, high: Number) -> Number | CellError:
    return min(max(value, low), high) if low <= high else NUM
