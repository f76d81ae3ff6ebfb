"""Numbers of different scales side by side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import sqlalchemy as sa

from formulas.sqlforms.binds import WIDE, is_wide
from formulas.sqlforms.core import Element, Emitter, Sql, number, raw
from formulas.sqlforms.template import pieces
from formulas.types import NARROW_DIGITS, Type

Compare: TypeAlias = Callable[[Any, Any], Any]
WITHIN_64_BITS = 9 * 10**18
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
    if value.wide and value.native is not None:
        kept = native_at(value, type_.scale)
        narrowed = sa.func.formula_narrow(widened(value), number(type_.scale), type_=sa.BigInteger())
        return sa.case((holds(value, kept), kept), else_=narrowed)
    if value.wide or value.type.digits - value.type.scale > NARROW_DIGITS - type_.scale:
        return sa.func.formula_narrow(widened(value), number(type_.scale), type_=sa.BigInteger())
    if value.type.scale > type_.scale:
        return divided(value, 10 ** (value.type.scale - type_.scale))
    return rescaled(value, type_.scale)


def native_of(value: Sql) -> Element | None:
    """SQLite: the number as a scaled integer, or a REAL where 64 bits do not hold it; None if only text can."""
    return value.native if value.wide else raw(value.element, sa.BigInteger())


def native_at(value: Sql, scale: int) -> Element:
    """The native number at another scale, rounded half away from zero where that is smaller."""
    native = native_of(value)
    assert native is not None
    if scale >= value.type.scale:
        return native if scale == value.type.scale else native * number(10 ** (scale - value.type.scale))
    return divided(Sql(native, value.type), 10 ** (value.type.scale - scale))


def is_native(element: Element) -> Element:
    """Whether the integers held: SQLite turns an overflow into a REAL, and a REAL stays one in all that follows."""
    return sa.func.typeof(element) != sa.literal_column("'real'")


def holds(value: Sql, kept: Element) -> Element:
    """Whether 64 bits hold a number that was made from a value's native one."""
    return is_native(kept) if value.holds is None else value.holds


def compared(emitter: Emitter, left: Sql, right: Sql, operator: Compare, equality: bool) -> Element:
    """A comparison of numbers. Wide ones are compared as integers where these hold, as text elsewhere."""
    exact: Element = operator(*comparable(emitter, left, right, equality))
    if emitter.postgresql or not (left.wide or right.wide):
        return exact
    if native_of(left) is None or native_of(right) is None:
        return exact
    scale = max(left.type.scale, right.type.scale)
    first, second = native_at(left, scale), native_at(right, scale)
    holding = [value.firm if value.wide else _digits_at(value, scale) <= NARROW_DIGITS for value in (left, right)]
    if all(holding) and not (left.wide and right.wide):
        found: Element = operator(first, second)
        return found
    sides = ((left, first), (right, second))
    checks = [is_native(native) for value, native in sides if value.wide or _digits_at(value, scale) > NARROW_DIGITS]
    exact = sa.case((sa.and_(*checks), operator(first, second)), else_=exact)
    if left.near is not None and not right.wide and operator in _BEYOND:
        return _told_by_near(left.near, right, operator, exact)
    return exact


_BEYOND = {COMPARE["gt"]: (">", "<", "+", "-"), COMPARE["ge"]: (">", "<", "+", "-")}
_BEYOND |= {COMPARE["lt"]: ("<", ">", "-", "+"), COMPARE["le"]: ("<", ">", "-", "+")}


def _told_by_near(near: tuple[Element, int], bound: Sql, operator: Compare, exact: Element) -> Element:
    """What is clearly beyond a bound, or clearly not, floating point tells; only close to it is the exact number computed.

    The margin is far above what two conversions, a division and the rounding to 10 places can be off.
    """
    clearly, not_at_all, away, towards = _BEYOND[operator]
    limit = f"{{1}} * 1e{near[1] - bound.type.scale}"
    margin = f"(abs({{1}}) * 1e{near[1] - bound.type.scale - 12} + 1e{near[1] - 9})"
    below, above = f"{limit} {towards} {margin}", f"{limit} {away} {margin}"
    if isinstance(bound.element, sa.BindParameter):
        below, above = f"(select {below})", f"(select {above})"  # computed once, not for every row
    text = (  # in CASE, for SQLite computes both sides of OR and AND where their value is asked for; most rows are not what is looked for
        f"case when {{0}} {not_at_all} {below} then 0 when {{0}} {clearly} {above} then 1"
        " when {0} is null then null else {2} end"
    )
    return pieces(text, [near[0], raw(bound.element, sa.BigInteger()), exact], sa.Boolean())


def divided(value: Sql, unit: int) -> Element:
    """SQLite: the stored integer divided by a power of ten, half away from zero."""
    element = raw(value.element, sa.BigInteger())
    half = unit // 2  # its sign is the sign bit of the number
    return pieces(f"({{0}} + {half} + ({{0}} >> 63) * {2 * half}) / {unit}", [element], sa.BigInteger())


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
