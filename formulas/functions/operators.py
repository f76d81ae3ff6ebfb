"""Operators, as functions with lower-case names. Most formulas consist of these, so their fast path is bare Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, first_error
from formulas.literals import WrongValueError, to_instant
from formulas.numbers import EXACT, divide, is_bounded
from formulas.schema import Context
from formulas.types import BOOLEAN, DATE, DATETIME, DURATION, decimal, integer
from formulas.values import BAD_DATE, DIV0, TOO_LARGE

OPERATORS = Family("operators")


def _operator(name: str, signature: str, result: Any, **options: Any) -> Callable[[Any], Any]:
    """An operator guards itself: it is declared as catching, though it lets errors through."""
    return OPERATORS.add(name, signature, result, name, name, catches=True, **options)


@_operator("add", "n, n", decimal(10))
def add(left: Any, right: Any) -> Any:
    """Numbers or durations."""
    try:
        return left + right
    except TypeError:
        return first_error((left, right))


@_operator("sub", "n, n", decimal(10))
def sub(left: Any, right: Any) -> Any:
    """Numbers or durations."""
    try:
        return left - right
    except TypeError:
        return first_error((left, right))


@_operator("mul", "n, n", decimal(10))
def mul(left: Any, right: Any) -> Any:
    """Numbers."""
    try:
        return left * right
    except TypeError:
        return first_error((left, right))


@_operator("div", "n, n", decimal(10), fails=True)
def div(left: Any, right: Any) -> Any:
    """Rounded half-up to 10 places."""
    if left.__class__ is CellError or right.__class__ is CellError or left is None or right is None:
        return first_error((left, right))
    return divide(left, right) if right else DIV0


@_operator("neg", "n", decimal(10))
def neg(value: Any) -> Any:
    """The opposite number or duration."""
    try:
        return -value
    except TypeError:
        return first_error((value,))


@_operator("percent", "n", decimal(10))
def percent(value: Any) -> Any:
    """A hundredth, exactly."""
    if value is None or value.__class__ is CellError:
        return value
    return EXACT.scaleb(value, -2)


@_operator("zero", "n", decimal(10), nulls="N")
def zero(value: Any) -> Any:
    """A blank number as zero."""
    return 0 if value is None else value


@_operator("bounded", "n", decimal(10), fails=True)
def bounded_number(value: Any) -> Any:
    """The number unless it is too large to be a value."""
    if value is None or value.__class__ is CellError or is_bounded(value):
        return value
    return TOO_LARGE


def equal(left: Any, right: Any) -> Any:
    """A blank equals a blank; an empty text is a blank."""
    if left.__class__ is CellError or right.__class__ is CellError:
        return first_error((left, right))
    return left == right


def equal_text(left: Any, right: Any) -> Any:
    """The same for texts that may be empty."""
    if left.__class__ is CellError or right.__class__ is CellError:
        return first_error((left, right))
    return (left or None) == (right or None)


def _negated(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def call(left: Any, right: Any) -> Any:
        found = function(left, right)
        return found if found.__class__ is CellError else not found

    return call


def less(left: Any, right: Any) -> Any:
    """False with a blank."""
    try:
        return left < right
    except TypeError:
        return first_error((left, right)) or False


def less_equal(left: Any, right: Any) -> Any:
    """False with a blank."""
    try:
        return left <= right
    except TypeError:
        return first_error((left, right)) or False


def greater(left: Any, right: Any) -> Any:
    """False with a blank."""
    try:
        return left > right
    except TypeError:
        return first_error((left, right)) or False


def greater_equal(left: Any, right: Any) -> Any:
    """False with a blank."""
    try:
        return left >= right
    except TypeError:
        return first_error((left, right)) or False


def _texts(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The order of texts, where an empty one is a blank."""

    def call(left: Any, right: Any) -> Any:
        return function(None if left == "" else left, None if right == "" else right)

    return call


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": equal,
    "ne": _negated(equal),
    "lt": less,
    "le": less_equal,
    "gt": greater,
    "ge": greater_equal,
}
for _name, _run in _COMPARISONS.items():
    _operator(_name, "T, T", BOOLEAN, nulls="N")(_run)

#: What runs instead where both sides are texts.
FOR_TEXTS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": equal_text,
    "ne": _negated(equal_text),
    "lt": _texts(less),
    "le": _texts(less_equal),
    "gt": _texts(greater),
    "ge": _texts(greater_equal),
}


@_operator("and", "b...", BOOLEAN, nulls="N")
def logical_and(*args: Any) -> Any:
    """False if anything is false, else the first error, else blank if anything is."""
    if False in args:
        return False
    return first_error(args) or (None if None in args else True)


@_operator("or", "b...", BOOLEAN, nulls="N")
def logical_or(*args: Any) -> Any:
    """True if anything is true, else the first error, else blank if anything is."""
    if True in args:
        return True
    return first_error(args) or (None if None in args else False)


@_operator("not", "b", BOOLEAN)
def logical_not(value: Any) -> Any:
    """The opposite; a blank stays one."""
    if value is None or value.__class__ is CellError:
        return value
    return not value


@_operator("in", "T, S", BOOLEAN, nulls="N")
def among(value: Any, choices: Any) -> Any:
    """One of the constants of a list."""
    if value is None or value.__class__ is CellError:
        return False if value is None else value
    return value in choices


@OPERATORS.add("add_days", "d, i", DATE, "add_days", "add_days", fails=True)
def add_days(day: date, count: int) -> Any:
    """A date some days later."""
    return day + timedelta(days=count) if abs(count) < 4_000_000 else BAD_DATE


@OPERATORS.add("days_between", "d, d", integer(7), "days_between", "days_between")
def days_between(left: date, right: date) -> int:
    """The days from the second date to the first."""
    return (left - right).days


@OPERATORS.add("add_time", "m, s", DATETIME, "add_time", "add_time", fails=True)
def add_time(moment: datetime, duration: timedelta) -> Any:
    """An instant a duration later."""
    return moment + duration


@OPERATORS.add("time_between", "m, m", DURATION, "time_between", "time_between")
def time_between(left: datetime, right: datetime) -> timedelta:
    """Whole seconds from the second instant to the first."""
    delta = left - right
    seconds = abs(delta) // timedelta(seconds=1)
    return timedelta(seconds=seconds if delta >= timedelta(0) else -seconds)


@OPERATORS.add("to_instant", "d", DATETIME, "to_instant", "to_instant", needs_context=True, fails=True)
def day_start(context: Context, day: date) -> Any:
    """The instant at which a day begins in the context's zone."""
    try:
        return to_instant(datetime.combine(day, time()), context.zone)
    except WrongValueError:  # the first day there is begins, east of Greenwich, before there is any
        return BAD_DATE
