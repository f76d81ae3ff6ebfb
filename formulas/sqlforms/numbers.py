"""Numbers of different scales side by side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import sqlalchemy as sa

from formulas.sqlforms.binds import WIDE, is_wide
from formulas.sqlforms.core import Element, Emitter, Sql, number, raw
from formulas.sqlforms.shortcuts import WITHIN_64_BITS, Ratio, Shortcuts, Steps
from formulas.sqlforms.template import pieces
from formulas.types import NARROW_DIGITS, Type

Compare: TypeAlias = Callable[[Any, Any], Any]
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def widened(value: Sql) -> Element:
    """SQLite: the number as decimal text."""
    if value.wide:
        return raw(value.element, sa.Text())
    return sa.func.formula_wide(raw(value.element, sa.BigInteger()), number(value.type.scale), type_=WIDE)


def fitted(emitter: Emitter, value: Sql, type_: Type) -> Element:
    """The number in the storage form of a type that holds it."""
    if emitter.postgresql:
        return sa.cast(value.element, sa.Numeric()) if type_.kind == "decimal" else value.element
    if is_wide(type_):
        return widened(value)
    if value.wide and value.short.native is not None:
        kept = native_at(value, type_.scale)
        return sa.case((holds(value, kept), kept), else_=_narrowed(value, type_))
    if value.wide or value.type.digits - value.type.scale > NARROW_DIGITS - type_.scale:
        return _narrowed(value, type_)
    if value.type.scale > type_.scale:
        return divided(value, 10 ** (value.type.scale - type_.scale))
    return rescaled(value, type_.scale)


def fitted_within(emitter: Emitter, value: Sql, type_: Type) -> Element:
    """SQLite: the same, and null for a number that has more digits than the type."""
    bound = 10**type_.digits
    within = f"case when abs({{0}}) < {bound} then {{0}} end"
    if not (value.wide and value.short.native is not None and value.short.held is not None):
        return pieces(within, [fitted(emitter, value, type_)], sa.BigInteger())
    grown = 10 ** max(0, type_.scale - value.type.scale)
    shrunk = 10 ** max(0, value.type.scale - type_.scale)
    in_python = pieces(within, [_narrowed(value, type_)], sa.BigInteger())
    fits = value.short.held.within((bound // grown - 1) * shrunk)
    return sa.case((fits, native_at(value, type_.scale)), else_=in_python)


def _narrowed(value: Sql, type_: Type) -> Element:
    return sa.func.formula_narrow(widened(value), number(type_.scale), type_=sa.BigInteger())


def native_of(value: Sql) -> Element | None:
    """SQLite: the number as a scaled integer, or a REAL where 64 bits do not hold it; None if only text can."""
    return value.short.native if value.wide else raw(value.element, sa.BigInteger())


def native_at(value: Sql, scale: int) -> Element:
    """The native number at another scale, rounded half away from zero where that is smaller."""
    native = native_of(value)
    assert native is not None
    if scale >= value.type.scale:
        return native if scale == value.type.scale else native * number(10 ** (scale - value.type.scale))
    return divided(Sql(native, value.type, short=Shortcuts(bare=value.short.bare)), 10 ** (value.type.scale - scale))


def is_native(element: Element) -> Element:
    """Whether the integers held: SQLite turns an overflow into a REAL, and a REAL stays one in all that follows."""
    return sa.func.typeof(element) != sa.literal_column("'real'")


def holds(value: Sql, kept: Element) -> Element:
    """Whether 64 bits hold a number that was made from a value's native one."""
    return is_native(kept) if value.short.held is None else value.short.held.within()


def compared(emitter: Emitter, left: Sql, right: Sql, operator: Compare, equality: bool) -> Element:
    """A comparison of numbers. Wide ones are compared as integers where these hold, as text elsewhere."""
    if not emitter.postgresql and isinstance(left.element, sa.BindParameter) and operator in _MIRRORED:
        left, right, operator = right, left, _MIRRORED[operator]
    exact: Element = operator(*comparable(emitter, left, right, equality))
    if emitter.postgresql:
        return exact
    if not (left.wide or right.wide):
        return exact if left.short.steps is None else _told_by_steps(left.short.steps, left, right, operator, exact)
    if native_of(left) is None or native_of(right) is None:
        return exact
    scale = max(left.type.scale, right.type.scale)
    first, second = native_at(left, scale), native_at(right, scale)
    holding = [value.short.firm if value.wide else _digits_at(value, scale) <= NARROW_DIGITS for value in (left, right)]
    if all(holding) and not (left.wide and right.wide):
        found: Element = operator(first, second)
        return found
    sides = ((left, first), (right, second))
    checks = [is_native(native) for value, native in sides if value.wide or _digits_at(value, scale) > NARROW_DIGITS]
    exact = sa.case((sa.and_(*checks), operator(first, second)), else_=exact)
    if left.short.ratio is not None and not right.wide and operator in _BEYOND:
        return _told_by_ratio(left.short.ratio, right, operator, exact)
    return exact


_MIRRORED = {
    COMPARE["gt"]: COMPARE["lt"],
    COMPARE["ge"]: COMPARE["le"],
    COMPARE["lt"]: COMPARE["gt"],
    COMPARE["le"]: COMPARE["ge"],
}
_SIGNS = {COMPARE["gt"]: ">", COMPARE["ge"]: ">=", COMPARE["lt"]: "<", COMPARE["le"]: "<="}
#: From a bound to what the number before it was rounded is compared with, in units of `u`, half of which is `h`: halves go away from zero.
_STEPS: dict[Compare, tuple[Compare, str]] = {
    COMPARE["gt"]: (COMPARE["gt"], "{{0}} * {u} + {h} - ({{0}} >= 0)"),
    COMPARE["le"]: (COMPARE["le"], "{{0}} * {u} + {h} - ({{0}} >= 0)"),
    COMPARE["ge"]: (COMPARE["gt"], "{{0}} * {u} - {h} - ({{0}} > 0)"),
    COMPARE["lt"]: (COMPARE["le"], "{{0}} * {u} - {h} - ({{0}} > 0)"),
}


def _told_by_steps(steps: Steps, rounded: Sql, bound: Sql, operator: Compare, exact: Element) -> Element:
    """A rounded number beside a constant: rounding is monotone, so the number itself is compared with where it is rounded past it."""
    finer = bound.type.scale > rounded.type.scale
    if finer or operator not in _STEPS or not isinstance(bound.element, sa.BindParameter):
        return exact
    unit = steps.unit * 10 ** (rounded.type.scale - bound.type.scale)
    beside, template = _STEPS[operator]
    turn = pieces(template.format(u=unit, h=steps.unit // 2), [bound.element], sa.BigInteger())
    found: Element = beside(steps.number, turn)
    return found


_BEYOND = {COMPARE["gt"]: (">", "<", "+", "-"), COMPARE["ge"]: (">", "<", "+", "-")}
_BEYOND |= {COMPARE["lt"]: ("<", ">", "-", "+"), COMPARE["le"]: ("<", ">", "-", "+")}


def _told_by_ratio(ratio: Ratio, bound: Sql, operator: Compare, exact: Element) -> Element:
    """What is clearly beyond a bound, or clearly not, floating point tells; only close to it is the exact number computed.

    The margin is far above what two conversions, a division and the rounding to 10 places can be off. Beside a constant of few places
    the dividend is compared with so many times the divisor, which is exact, unless the divisor is large or not above zero.
    """
    clearly, not_at_all, away, towards = _BEYOND[operator]
    shift = ratio.places - bound.type.scale
    limit = f"{{1}} * 1e{shift}"
    margin = f"(abs({{1}}) * 1e{shift - 12} + 1e{ratio.places - 9})"
    below, above, multiple = f"{limit} {towards} {margin}", f"{limit} {away} {margin}", ""
    if isinstance(bound.element, sa.BindParameter):
        below, above = f"(select {below})", f"(select {above})"  # computed once, not for every row
        multiple = _multiple(ratio.places, bound.type, _SIGNS[operator])
    near = "({2} * 1.0 / {3})"
    text = (  # in CASE, for SQLite computes both sides of OR and AND where their value is asked for; most rows are not what is looked for
        f"case {multiple}when {near} {not_at_all} {below} then 0 when {near} {clearly} {above} then 1"
        f" when {near} is null then null else {{0}} end"
    )
    return pieces(text, [exact, raw(bound.element, sa.BigInteger()), ratio.dividend, ratio.divisor], sa.Boolean())


#: Decimal places of a bound beside which multiples are compared: those of a percentage.
_BOUND_PLACES = 2


def _multiple(places: int, bound: Type, sign: str) -> str:
    """`a / d > b` as `a * q > p * d`: both sides are whole, so where they differ the quotient differs by more than is rounded off.

    `d` is small enough for that, and for `p * d` to be within 64 bits; where `a * q` is a REAL, it is beyond them.
    """
    raised = max(0, _BOUND_PLACES - places)
    lowered = bound.scale - places - raised
    most = min(2 * 10 ** (10 - places - raised) - 1, WITHIN_64_BITS // 10 ** max(0, bound.digits - lowered))
    if most < 1_000:
        return ""
    factor = f"({{1}} / {10**lowered})" if lowered > 0 else f"({{1}} * {10**-lowered})"
    whole = f" * ({{1}} % {10**lowered} = 0)" if lowered > 0 else ""
    dividend = f"{{2}} * {10**raised}" if raised else "{2}"
    return f"when {{3}} between 1 and {most}{whole} then {dividend} {sign} {factor} * {{3}} "


def divided(value: Sql, unit: int) -> Element:
    """SQLite: the stored integer divided by a power of ten, half away from zero."""
    element = raw(value.element, sa.BigInteger())
    half, sign = unit // 2, "{0}" if value.short.bare is None else "{1}"  # a blank and a zero round alike
    args = [element] if value.short.bare is None else [element, value.short.bare]
    return pieces(f"({{0}} + case when {sign} < 0 then -{half} else {half} end) / {unit}", args, sa.BigInteger())


def rescaled(value: Sql, scale: int) -> Element:
    """SQLite: the stored integer at a larger or equal scale."""
    element = raw(value.element, sa.BigInteger())
    return element if scale == value.type.scale else element * number(10 ** (scale - value.type.scale))


def _digits_at(value: Sql, scale: int) -> int:
    return value.type.digits + scale - value.type.scale


def comparable(emitter: Emitter, left: Sql, right: Sql, equality: bool = False) -> tuple[Element, Element]:
    """Both numbers in one form that compares correctly: untouched wherever the scales agree, so that indexes serve."""
    if emitter.postgresql or (left.type == right.type and left.wide == right.wide and not left.wide):
        return left.element, right.element
    scale = max(left.type.scale, right.type.scale)
    fits = max(_digits_at(left, scale), _digits_at(right, scale)) <= NARROW_DIGITS
    if fits and not left.wide and not right.wide:
        return rescaled(left, scale), rescaled(right, scale)
    if left.type.scale == right.type.scale and not left.wide and not right.wide:
        return raw(left.element, sa.BigInteger()), raw(right.element, sa.BigInteger())
    if equality:  # two blanks are equal, which a comparison to -1, 0 or 1 could not say
        first, second = (sa.func.formula_plain(widened(value), type_=sa.Text()) for value in (left, right))
        return first, second
    return sa.func.formula_compare(widened(left), widened(right), type_=sa.Integer()), number(0)
