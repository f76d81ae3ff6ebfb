"""What is wrong with a query, said for one of its members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, say
from formulas.errors import FormulaErrors


def invalid(name: str, message: Text, **params: Any) -> Problem:
    """Refuse one member of a query."""
    return Problem(
        "query.invalid", message, violations=[Violation("query", f"/{name}", message, {"parameter": name, **params})]
    )


def unknown(pointer: str, message: Text, name: str) -> Problem:
    """Refuse a name that nothing has."""
    return Problem(
        "request.unknown_name", message, violations=[Violation("unknown", pointer, message, {"name": name[:100]})]
    )


def unknown_field(pointer: str, entity: str, name: str, known: Iterable[str]) -> Problem:
    """Refuse the name of a field that the entity has not."""
    hint = nearest_hint(name, known)
    shown = name[:100]
    message = say(f"“{entity}”没有字段“{shown}”{hint.zh}", f'"{entity}" has no field "{shown}"{hint.en}')
    return unknown(pointer, message, name)


def unknown_member(name: str, known: Iterable[str], where: str = "") -> Problem:
    """Refuse a member that a query does not take."""
    hint = nearest_hint(name, known)
    shown = name[:100]
    return invalid(f"{where}{shown}", say(f"没有参数“{shown}”{hint.zh}", f'There is no parameter "{shown}"{hint.en}'))


def filter_problem(errors: FormulaErrors, pointer: str = "/filter") -> Problem:
    """Return what is wrong with a filter, every part of it."""
    violations = [
        Violation(
            error.kind.lower(),
            error.pointer or pointer,
            Text(error.message.zh, error.message.en),
            {"at": list(error.at)} if error.at else {},
        )
        for error in errors.errors
    ]
    unknown_name = any(error.kind == "NAME" for error in errors.errors)
    code = "request.unknown_name" if unknown_name else "query.invalid"
    return Problem(code, say("筛选条件有误", "The filter is not valid"), violations=violations)
