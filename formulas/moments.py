"""Calls that stand for the moment and the person of an evaluation, and how a context replaces them by values."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from formulas.literals import WrongValueError, to_instant
from formulas.schema import Context
from formulas.tree import Call, Literal, Tree, children, with_children
from formulas.types import BOOLEAN, DATE, DATETIME, DEPARTMENT, INTEGER, PERSON, TEXT, Type, set_of

D = TypeVar("D", bound=date)
_VARIABLE = re.compile(
    r"\$(NOW|TODAY|CURRENT_USER|CURRENT_DEPARTMENT)"
    r"(?:\(\s*(?:([+-]?\s*\d{1,6})\s*(minute|hour|day|week|month|year)s?)?\s*\))?\Z",
    re.ASCII | re.IGNORECASE,
)
_CALLS: dict[str, tuple[str, Type]] = {
    "NOW": ("NOW", DATETIME),
    "TODAY": ("TODAY", DATE),
    "CURRENT_USER": ("CURRENTUSER", PERSON),
    "CURRENT_DEPARTMENT": ("CURRENTDEPARTMENT", DEPARTMENT),
}
#: Whether a value is among what belongs to the person: what such a value is like, and all that belong to the person of a context.
MEMBERSHIPS: Mapping[str, tuple[Type, Callable[[Context], tuple[str, ...]]]] = MappingProxyType(
    {
        "INDEPT": (DEPARTMENT, lambda context: context.departments),
        "INTEAM": (PERSON, lambda context: context.team),
        "MANAGES": (PERSON, lambda context: context.reports),
        "INAREAS": (TEXT, lambda context: context.areas),
        "HASROLE": (TEXT, lambda context: context.roles),
    }
)
#: Functions without arguments that a context knows the value of.
CONTEXTUAL = ("NOW", "TODAY", "CURRENTUSER", "CURRENTDEPARTMENT", "CURRENTMANAGER")
_VARIABLES = {function: name for name, (function, _) in _CALLS.items()}
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def read_variable(text: str) -> Call | None:
    """The call for `$NOW`, `$NOW(-7 days)`, `$TODAY`, `$CURRENT_USER` …, or None for any other text."""
    match = _VARIABLE.match(text)
    if match is None:
        return None
    name, count, unit = match.group(1).upper(), match.group(2), match.group(3)
    function, type_ = _CALLS[name]
    call = Call(function, (), type_)
    if count is None:
        return call
    if type_ not in (DATE, DATETIME):
        return None
    step = Literal(int(count.replace(" ", "")), INTEGER)
    return Call("DATEADD", (call, step, Literal(unit.lower(), TEXT, fixed=True)), type_)


def write_variable(tree: Tree) -> str | None:
    """The inverse of `read_variable`."""
    if not isinstance(tree, Call):
        return None
    if tree.function in _VARIABLES and not tree.args:
        return "$" + _VARIABLES[tree.function]
    if tree.function != "DATEADD" or len(tree.args) != 3:
        return None
    base, count, unit = tree.args
    name = write_variable(base)
    if name is None or not isinstance(count, Literal) or not isinstance(unit, Literal):
        return None
    return f"{name}({count.value} {unit.value}s)"


def context_value(function: str, context: Context) -> Any:
    """The value of NOW, TODAY, CURRENTUSER, CURRENTDEPARTMENT or CURRENTMANAGER in a context."""
    if function == "NOW":
        return to_instant(context.now, context.zone)
    if function == "TODAY":
        return context.today
    people = {"CURRENTUSER": context.user, "CURRENTDEPARTMENT": context.department, "CURRENTMANAGER": context.manager}
    return people[function]


def bind_context(tree: Tree, context: Context) -> Tree:
    """Replace the moment and the person by values, and date steps on them by the reached date."""
    parts = tuple(bind_context(part, context) for part in children(tree))
    node = with_children(tree, parts) if parts else tree
    if not isinstance(node, Call):
        return node
    if node.function in CONTEXTUAL and not node.args:
        return Literal(context_value(node.function, context), node.type)
    if node.function in MEMBERSHIPS:
        element, listed = MEMBERSHIPS[node.function]
        subject = parts[0]
        if isinstance(subject, Literal):
            return Literal(subject.value in listed(context), BOOLEAN)
        return Call("in", (subject, Literal(listed(context), set_of(element))), BOOLEAN)
    if node.function == "DATEADD" and all(isinstance(part, Literal) for part in parts):
        return _folded(node, context)
    return node


def _folded(node: Call, context: Context) -> Tree:
    moment, count, unit = (part.value for part in node.args if isinstance(part, Literal))
    if moment is None or count is None or unit not in UNITS:
        return node
    try:
        return Literal(add_units(moment, int(count), unit, context), node.type)
    except (OverflowError, ValueError):
        return node


def add_units(moment: date, count: int, unit: str, context: Context) -> date:
    """Step a date or an instant. Days and longer steps of an instant keep the clock time of the context's zone.

    Raises `OverflowError` or `ValueError` outside the years 1 to 9999.
    """
    if not isinstance(moment, datetime):
        if unit in ("second", "minute", "hour"):
            raise WrongValueError
        return _step(moment, count, unit)
    if unit in ("second", "minute", "hour"):
        return moment + timedelta(seconds=count * _SECONDS[unit])
    local = moment.astimezone(context.zone)
    return to_instant(_step(local.replace(tzinfo=None), count, unit), context.zone)


def _step(moment: D, count: int, unit: str) -> D:
    if unit in _MONTHS:
        return add_months(moment, count * _MONTHS[unit])
    return moment + timedelta(days=count * _SECONDS[unit] // 86400)


def add_months(moment: D, months: int) -> D:
    """The same day months later, or the last day of a shorter month. Raises `ValueError` outside years 1 to 9999."""
    total = moment.year * 12 + moment.month - 1 + months
    year, month = total // 12, total % 12 + 1
    if not 1 <= year <= 9999:
        raise ValueError(year)
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
