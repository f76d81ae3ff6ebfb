"""A typed tree back to the JSON form of conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulas.errors import FormulaError, Message
from formulas.literals import write_value
from formulas.moments import write_variable
from formulas.tree import Call, Literal, Path, Rollup, Tree

_COMPARE = {"eq": "_eq", "ne": "_ne", "lt": "_lt", "le": "_lte", "gt": "_gt", "ge": "_gte"}
_TEXT = {"CONTAINS": "contains", "STARTSWITH": "starts_with", "ENDSWITH": "ends_with"}
_SETS = {"HAS": "_has", "HASANY": "_has_any", "HASALL": "_has_all", "HASNONE": "_has_none"}
_SWAPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def write_filter(tree: Tree) -> Any:
    """The JSON filter of a tree. Raises `FormulaError` (TYPE) for a condition that only the text form can say."""
    if isinstance(tree, Literal) and tree.value in (True, False) and tree.value is not None:
        return {} if tree.value else {"_or": []}
    if isinstance(tree, Rollup):
        return _rows(tree)
    if isinstance(tree, Path):
        return _nested(tree, {"_eq": True})
    if not isinstance(tree, Call):
        raise _no_form()
    if tree.function in ("and", "or"):
        return {f"_{tree.function}": [write_filter(part) for part in tree.args]}
    if tree.function == "not":
        return _negated(tree.args[0])
    return _leaf(tree)


def _no_form() -> FormulaError:
    return FormulaError("TYPE", Message("这个条件只能写成公式", "this condition can only be written as a formula"))


def _negated(tree: Tree) -> Any:
    if isinstance(tree, Call) and tree.function == "ISBLANK" and isinstance(tree.args[0], Path):
        return _nested(tree.args[0], {"_null": False})
    if isinstance(tree, Call) and tree.function == "in" and isinstance(tree.args[0], Path):
        return _nested(tree.args[0], {"_nin": _constant(tree.args[1])})
    return {"_not": write_filter(tree)}


def _leaf(tree: Call) -> Any:
    writer = _WRITERS.get(tree.function)
    if writer is None:
        raise _no_form()
    return writer(tree)


def _comparison(tree: Call) -> Any:
    left, right, function = tree.args[0], tree.args[1], tree.function
    if not isinstance(left, Path):
        left, right, function = right, left, _SWAPPED[function]
    return _nested(_path(left), {_COMPARE[function]: _constant(right)})


def _among(tree: Call) -> Any:
    return _nested(_path(tree.args[0]), {"_in": _constant(tree.args[1])})


def _blank(tree: Call) -> Any:
    return _nested(_path(tree.args[0]), {"_null": True})


def _text(tree: Call) -> Any:
    subject, needle = tree.args
    name = _TEXT[tree.function]
    if not isinstance(subject, Call):
        return _nested(_path(subject), {f"_{name}": _constant(needle)})
    if subject.function != "LOWER" or not isinstance(needle, Literal) or needle.value != needle.value.lower():
        raise _no_form()
    return _nested(_path(subject.args[0]), {f"_i{name}": needle.value})


def _set(tree: Call) -> Any:
    return _nested(_path(tree.args[0]), {_SETS[tree.function]: _constant(tree.args[1])})


_WRITERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_COMPARE, _comparison),
    **dict.fromkeys(_TEXT, _text),
    **dict.fromkeys(_SETS, _set),
    "in": _among,
    "ISBLANK": _blank,
}


def _rows(tree: Rollup) -> Any:
    if tree.function != "EXISTS" or tree.up or tree.value is not None:
        raise _no_form()
    inner = {} if tree.condition is None else write_filter(tree.condition)
    return _wrapped(tree.relation, {"_some": inner})


def _path(tree: Tree) -> Path:
    if not isinstance(tree, Path) or tree.up:
        raise _no_form()
    return tree


def _nested(path: Path, operators: dict[str, Any]) -> Any:
    return _wrapped(_path(path).steps, operators)


def _wrapped(steps: tuple[str, ...], inner: Any) -> Any:
    for step in reversed(steps):
        inner = {step: inner}
    return inner


def _constant(tree: Tree) -> Any:
    if isinstance(tree, Literal):
        return write_value(tree.value)
    variable = write_variable(tree)
    if variable is None:
        raise _no_form()
    return variable
