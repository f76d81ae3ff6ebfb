"""A typed tree back to the JSON form of conditions. What only text can say becomes a `_formula` leaf, nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from formulas.errors import FormulaErrors
from formulas.filter_texts import FORMULA
from formulas.filters import parse_filter
from formulas.literals import write_value
from formulas.moments import write_variable
from formulas.schema import Schema
from formulas.tree import Call, Literal, Path, Rollup, Tree, children, with_children
from formulas.types import BLANK, BOOLEAN, set_of
from formulas.writer import write

_COMPARE = {"eq": "_eq", "ne": "_ne", "lt": "_lt", "le": "_lte", "gt": "_gt", "ge": "_gte"}
_TEXT = {"CONTAINS": "contains", "STARTSWITH": "starts_with", "ENDSWITH": "ends_with"}
_SETS = {"HAS": "_has", "HASANY": "_has_any", "HASALL": "_has_all", "HASNONE": "_has_none"}
_NOTHING = Call("BLANK", (), BLANK)
_SWAPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def write_filter(tree: Tree, schema: Schema, entity: str, *, given: Any = None) -> Any:
    """The JSON filter of a condition over records of `entity`; `parse_filter` reads it to the same condition.

    Parts that JSON cannot say stand as text under `_formula`. A whole that is larger than a filter may be is one text; if
    that is too long as well, it is `given`: a filter that is known to be this condition.
    """
    written = _Writer(schema, (entity,)).write(tree, positive=True)
    for form in (written, {FORMULA: write(tree, schema, entity)}):
        if _read(form, schema, (entity,)) is not None:
            return form
    return written if given is None else given


class _NoForm(Exception):
    """Only text says this."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes conditions on the last of these rows. Every leaf is read back: it is JSON only if it means the same there."""

    schema: Schema
    rows: tuple[str, ...]

    def write(self, tree: Tree, *, positive: bool) -> Any:
        """The filter; `positive` where a blank counts as false, which under a `_not` it does not."""
        if isinstance(tree, Literal) and isinstance(tree.value, bool):
            return {} if tree.value else {"_or": []}
        if isinstance(tree, Call) and tree.function in ("and", "or"):
            return self.joined(tree, positive=positive)
        if isinstance(tree, Rollup):
            return self.related(tree)
        if isinstance(tree, Call) and tree.function == "not":
            found = self.natural(replace(tree, args=(_listed(tree.args[0]),)), _negated, positive=positive)
            return found or {"_not": self.write(tree.args[0], positive=not positive)}
        return self.natural(_listed(tree), _leaf, positive=positive) or self.text(tree)

    def joined(self, tree: Call, *, positive: bool) -> Any:
        """Several conditions; those that change nothing are left out, as they are when it is read."""
        nothing: dict[str, Any] = {} if tree.function == "and" else {"_or": []}
        parts = [self.write(part, positive=positive) for part in tree.args]
        kept = [part for part in parts if part != nothing]
        return {f"_{tree.function}": kept} if len(kept) > 1 else next(iter(kept), nothing)

    def text(self, tree: Tree) -> Any:
        return {FORMULA: write(tree, self.schema, self.rows[-1], outer=self.rows[:-1])}

    def natural(self, tree: Tree, form: Callable[[Tree], Any], *, positive: bool) -> Any:
        """The form in JSON if there is one that is read to the same."""
        try:
            written = form(tree)
        except _NoForm:
            return None
        read = _read(written, self.schema, self.rows)
        wanted = Call("eq", (tree, Literal(True, BOOLEAN)), BOOLEAN) if isinstance(tree, Path) and positive else tree
        return None if read is None or _plain(read) != _plain(wanted) else written

    def related(self, tree: Rollup) -> Any:
        """`_some` of the rows of a to-many relation."""
        bare = replace(tree, condition=None)
        if self.natural(bare, _exists, positive=True) is None:
            return self.text(tree)
        inside = _Writer(self.schema, (*self.rows, tree.entity))
        inner = {} if tree.condition is None else inside.write(tree.condition, positive=True)
        return _wrapped(tree.relation, {"_some": inner})


def _read(written: Any, schema: Schema, rows: tuple[str, ...]) -> Tree | None:
    try:
        return parse_filter(written, schema, rows[-1], outer=rows[:-1])
    except FormulaErrors:
        return None


def _plain(tree: Tree) -> Tree:
    """The tree without the types of its constants (a number may be known with more digits or fewer), fields on the left."""
    if isinstance(tree, Literal):
        return Literal(tree.value, BLANK)
    if tree == _NOTHING:
        return Literal(None, BLANK)
    parts = tuple(_plain(part) for part in children(tree))
    if (
        isinstance(tree, Call)
        and tree.function in _SWAPPED
        and isinstance(parts[1], Path)
        and not isinstance(parts[0], Path)
    ):
        return Call(_SWAPPED[tree.function], (parts[1], parts[0]), tree.type)
    return with_children(tree, parts) if parts else tree


def _negated(tree: Tree) -> Any:
    inner = children(tree)[0]
    if isinstance(inner, Call) and inner.function == "ISBLANK":
        return _nested(inner.args[0], {"_null": False})
    if isinstance(inner, Call) and inner.function == "in":
        return _nested(inner.args[0], {"_nin": _constant(inner.args[1])})
    raise _NoForm


def _exists(tree: Tree) -> Any:
    if not isinstance(tree, Rollup) or tree.function != "EXISTS" or tree.up or tree.value is not None:
        raise _NoForm
    return _wrapped(tree.relation, {"_some": {}})


def _leaf(tree: Tree) -> Any:
    if isinstance(tree, Path):
        return _nested(tree, {"_eq": True})
    writer = _WRITERS.get(tree.function) if isinstance(tree, Call) else None
    if writer is None or not isinstance(tree, Call):
        raise _NoForm
    return writer(tree)


def _listed(tree: Tree) -> Tree:
    """`IN` over different constants that are there, as JSON has it: one list."""
    if not isinstance(tree, Call) or tree.function != "IN":
        return tree
    subject, *choices = tree.args
    values = [choice.value if isinstance(choice, Literal) else None for choice in choices]
    if len(values) < 2 or None in values or "" in values or len(dict.fromkeys(values)) < len(values):
        return tree
    return Call("in", (subject, Literal(tuple(values), set_of(subject.type))), BOOLEAN)


def _comparison(tree: Call) -> Any:
    left, right, function = tree.args[0], tree.args[1], tree.function
    if not isinstance(left, Path):
        left, right, function = right, left, _SWAPPED[function]
    return _nested(left, {_COMPARE[function]: _constant(right)})


def _among(tree: Call) -> Any:
    return _nested(tree.args[0], {"_in": _constant(tree.args[1])})


def _blank(tree: Call) -> Any:
    return _nested(tree.args[0], {"_null": True})


def _text(tree: Call) -> Any:
    subject, needle = tree.args
    name = _TEXT[tree.function]
    if isinstance(subject, Call) and subject.function == "LOWER":
        return _nested(subject.args[0], {f"_i{name}": _constant(needle)})
    return _nested(subject, {f"_{name}": _constant(needle)})


def _set(tree: Call) -> Any:
    return _nested(tree.args[0], {_SETS[tree.function]: _constant(tree.args[1])})


_WRITERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_COMPARE, _comparison),
    **dict.fromkeys(_TEXT, _text),
    **dict.fromkeys(_SETS, _set),
    "in": _among,
    "ISBLANK": _blank,
}


def _nested(tree: Tree, operators: dict[str, Any]) -> Any:
    if not isinstance(tree, Path) or tree.up:
        raise _NoForm
    return _wrapped(tree.steps, operators)


def _wrapped(steps: tuple[str, ...], inner: Any) -> Any:
    for step in reversed(steps):
        if step[:1] != "_":  # the end of a link: people name what is behind it
            inner = {step: inner}
    return inner


def _constant(tree: Tree) -> Any:
    if isinstance(tree, Literal):
        return write_value(tree.value)
    if tree == _NOTHING:
        return None
    variable = write_variable(tree)
    if variable is None:
        raise _NoForm
    return variable
