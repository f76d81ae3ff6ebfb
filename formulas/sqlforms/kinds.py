"""Which error a value is, as the database tells it: the kind beside the null that stands for it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from formulas.functions import find_function
from formulas.sqlforms.core import Element, Emitter, error
from formulas.tree import Call, Tree, desugared

_OPERATORS = {"div": "DIV0", "NA": "NA"}


def kind_of(function: str) -> str:
    """The kind of error that a function gives: that of its documented example."""
    if function in _OPERATORS:
        return _OPERATORS[function]
    shown = [
        result[1:] for _, result in find_function(function).examples if isinstance(result, str) and result[:1] == "#"
    ]
    return shown[0] if shown else "NUM"


def error_kind(emitter: Emitter, tree: Tree) -> Element | None:
    """DIV0, VALUE …, null for a value that is no error; None if it cannot be one."""
    failed = error(emitter, tree)
    if failed is None or not isinstance(tree, Call):
        return None
    return sa.case((failed, _kind(emitter, desugared(tree))))


def _kind(emitter: Emitter, call: Call) -> Element:
    """The kind of what is known to be an error."""
    if call.function == "IF":
        test, then, *rest = call.args
        chosen = [(emitter.condition(test), _of(emitter, then))]
        failed = error(emitter, test)
        if failed is not None:
            chosen.insert(0, (failed, _of(emitter, test)))
        return sa.case(*chosen, else_=_of(emitter, rest[0]) if rest else sa.null())
    parts: Sequence[Tree] = call.args[1:] if call.function == "IFERROR" else call.args
    whens = [(failed, _of(emitter, part)) for part in parts if (failed := error(emitter, part)) is not None]
    own = sa.literal(kind_of(call.function), sa.Text())
    return sa.case(*whens, else_=own) if whens else own


def _of(emitter: Emitter, tree: Tree) -> Element:
    if isinstance(tree, Call) and error(emitter, tree) is not None:
        return _kind(emitter, desugared(tree))
    return sa.null()
