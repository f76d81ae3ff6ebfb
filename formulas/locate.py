"""Where in a formula's text the error of one value comes from."""

from __future__ import annotations

from formulas.checker import check
from formulas.errors import CellError, FormulaErrors
from formulas.evaluate import Row, program
from formulas.functions import known_function
from formulas.parser import parse
from formulas.schema import Context, Schema
from formulas.syntax import Node

_MOST_PARTS = 100


def locate(text: str, schema: Schema, entity: str, row: Row, context: Context) -> tuple[int, int]:
    """The half-open span of the innermost part whose value is an error; the whole text if no part is one by itself.

    Cost: each part on the way is checked and computed once more, so this is for what a person asks about, not for lists.
    """
    node = parse(text)
    budget = _MOST_PARTS
    while True:
        for part in _taken(node, text, schema, entity, row, context):
            budget -= 1
            if budget < 0:
                return node.at
            if isinstance(_value(part, text, schema, entity, row, context), CellError):
                node = part
                break
        else:
            return node.at


def find_call(text: str, function: str) -> tuple[int, int] | None:
    """The span of the first call of a function in a text that is right; None if it is called under no name of its own."""
    pending = [parse(text)]
    while pending:
        node = pending.pop()
        called = known_function(node.value) if node.kind == "call" else None
        if called is not None and called.name == function:
            return node.at
        pending.extend(reversed(node.args))
    return None


def _taken(node: Node, text: str, schema: Schema, entity: str, row: Row, context: Context) -> tuple[Node, ...]:
    """The parts that count: of IF the condition and one branch, of IFERROR what stands in."""
    if node.kind != "call" or node.value not in ("IF", "IFERROR", "IFNA") or len(node.args) < 2:
        return node.args
    if node.value != "IF":
        return node.args[1:]
    held = _value(node.args[0], text, schema, entity, row, context)
    return (node.args[0], *node.args[1:2]) if held is True else (node.args[0], *node.args[2:])


def _value(part: Node, text: str, schema: Schema, entity: str, row: Row, context: Context) -> object:
    """The value of a part by itself; None for one that means something only where it stands."""
    try:
        tree = check(text[part.start : part.end], schema, entity).tree
    except FormulaErrors:
        return None
    return program(tree).run(row, context)
