"""What is wrong with a query, said for one of its members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from builder.kernel.limits import QUERY_RELATIONS
from builder.kernel.problems import Problem, Violation, escape_pointer, key_hint, nearest_hint
from builder.kernel.text import Text, say
from formulas.errors import FormulaErrors

_SHOWN = 100


def shown(name: str) -> str:
    """Return a caller's name as a message repeats it."""
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def invalid(name: str, message: Text, **params: Any) -> Problem:
    """Refuse one member of a query; ``name`` may be a path of names with ``/``, each escaped if a caller made it up."""
    return Problem(
        "query.invalid", message, violations=[Violation("query", f"/{name}", message, {"parameter": name, **params})]
    )


def repeated(name: str) -> Problem:
    """Refuse a parameter that is given twice."""
    name = shown(name)
    return invalid(escape_pointer(name), say(f"参数“{name}”重复", f'The parameter "{name}" is given twice'))


def together(wrong: Sequence[Problem]) -> Problem:
    """Put the refusals of several parts together: an unknown name is what a caller mends first."""
    if len(wrong) == 1:
        return wrong[0]
    worst = next((problem for problem in wrong if problem.code == "request.unknown_name"), wrong[0])
    return Problem(worst.code, worst.detail, violations=[v for problem in wrong for v in problem.violations])


def too_many_relations(pointer: str) -> Problem:
    """Refuse a query that follows more relations than a database joins."""
    most = QUERY_RELATIONS
    message = say(f"一次查询最多经过 {most} 个关联", f"A query follows at most {most} relations")
    violation = Violation("relations", pointer, message, {"maximum": most})
    return Problem("query.invalid", message, violations=[violation])


def unknown(pointer: str, message: Text, name: str) -> Problem:
    """Refuse a name that nothing has."""
    return Problem(
        "request.unknown_name", message, violations=[Violation("unknown", pointer, message, {"name": name[:100]})]
    )


def unknown_field(pointer: str, entity: str, name: str, known: Iterable[tuple[str, str]]) -> Problem:
    """Refuse the name of a field that the entity has not; it has these (key, label)."""
    hint = key_hint(name, known)
    name = shown(name)
    message = say(f"“{entity}”没有字段“{name}”{hint.zh}", f'"{entity}" has no field "{name}"{hint.en}')
    return unknown(pointer, message, name)


def unknown_member(name: str, known: Iterable[str], where: str = "") -> Problem:
    """Refuse a member that a query does not take."""
    hint = nearest_hint(name, known)
    name = shown(name)
    message = say(f"没有参数“{name}”{hint.zh}", f'There is no parameter "{name}"{hint.en}')
    return invalid(f"{where}{escape_pointer(name)}", message)


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
