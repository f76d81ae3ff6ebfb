"""The functions of the language: one declaration each, a file per family."""

from __future__ import annotations

from collections.abc import Iterable

from formulas.functions.aggregates import AGGREGATES
from formulas.functions.arithmetic import ARITHMETIC
from formulas.functions.bases import BASES
from formulas.functions.cashflows import CASHFLOWS
from formulas.functions.conversion import CONVERSION
from formulas.functions.dateparts import PARTS
from formulas.functions.dates import DATES
from formulas.functions.declare import Family, Function
from formulas.functions.finance import FINANCE
from formulas.functions.loans import LOANS
from formulas.functions.logic import LOGIC
from formulas.functions.operators import OPERATORS
from formulas.functions.pairs import PAIRS
from formulas.functions.people import PEOPLE
from formulas.functions.places import PLACES
from formulas.functions.powers import POWERS
from formulas.functions.record import RECORD
from formulas.functions.regexes import REGEXES
from formulas.functions.sets import SETS
from formulas.functions.spans import SPANS
from formulas.functions.statistics import STATISTICS
from formulas.functions.texts import TEXTS
from formulas.functions.wording import WORDING
from formulas.functions.workdays import WORKDAYS

__all__ = ["CATCHERS", "FAMILIES", "find_function", "list_functions"]

FAMILIES: tuple[Family, ...] = (
    *(LOGIC, ARITHMETIC, POWERS, FINANCE, LOANS, CASHFLOWS, AGGREGATES, STATISTICS, PAIRS, TEXTS, WORDING, REGEXES),
    *(DATES, PARTS, SPANS, WORKDAYS, SETS, CONVERSION, BASES, PLACES, PEOPLE, RECORD, OPERATORS),
)
_BY_NAME: dict[str, Function] = {function.name: function for family in FAMILIES for function in family.functions}
_ALIASES: dict[str, str] = {alias: function.name for function in _BY_NAME.values() for alias in function.aliases}
_ALIASES.update({function.zh_name: function.name for function in _BY_NAME.values() if function.name.isupper()})
#: Functions that read an error among their arguments, so that branches inside them give errors as values.
CATCHERS = frozenset(("IFERROR", "IFNA", "ISERROR", "ISNA", "ISERR", "ISBLANK", "COALESCE", "and", "or", "IF"))


def find_function(name: str) -> Function:
    """The declaration of a name in a tree. Raises `KeyError` for a name that no declaration has."""
    return _BY_NAME[name]


def known_function(name: str) -> Function | None:
    """The function that a person wrote: upper-case name, alias, or Chinese name."""
    return _BY_NAME.get(_ALIASES.get(name, name)) if not name.islower() else None


def list_functions() -> Iterable[Function]:
    """Every function that formulas may name, by family."""
    return (function for family in FAMILIES if family is not OPERATORS for function in family.functions)


def function_names() -> list[str]:
    """Every name and alias, for the nearest one to a mistyped name."""
    return [function.name for function in list_functions()] + list(_ALIASES)
