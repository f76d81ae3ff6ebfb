"""Small questions about syntax and trees that checking asks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from formulas.errors import CellError
from formulas.evaluate import DictRow, program
from formulas.functions import find_function
from formulas.schema import Context
from formulas.syntax import Node
from formulas.tree import Call, Literal, Path, Rollup, Tree, children, size, walk
from formulas.types import decimal, integer

DEPTH_LIMIT = 100
_NOWHEN = Context(datetime(1970, 1, 1, tzinfo=UTC))


def constant(tree: Tree) -> Tree:
    """The value of a call on constants alone, as a constant; anything else, and what fails, as it is."""
    calls = [node for node in walk(tree) if isinstance(node, Call)]
    declared = [find_function(call.function) for call in calls]
    if not calls or any(isinstance(node, Path | Rollup) for node in walk(tree)):
        return tree
    if any(function.volatility != "stable" or function.needs_context for function in declared):
        return tree
    value = program(tree).run(DictRow({}), _NOWHEN)
    return tree if isinstance(value, CellError) else Literal(value, tree.type)


def asks_directory(tree: Tree) -> bool:
    """Whether a value depends on where people and departments stand, so that `Context.directory` has to be filled."""
    return any(find_function(node.function).asks for node in walk(tree) if isinstance(node, Call))


def chain(node: Node, operator: str) -> list[Node]:
    """The operands of `a & b & c` from left to right."""
    parts: list[Node] = []
    while node.kind == "binary" and node.value == operator:
        parts.append(node.args[1])
        node = node.args[0]
    return [node, *reversed(parts)]


def names_in(node: Node) -> list[Node]:
    """Every name in a part of a formula."""
    pending, found = [node], []
    while pending:
        part = pending.pop()
        if part.kind == "name":
            found.append(part)
        pending.extend(part.args)
    return found


def number_literal(value: Decimal) -> Literal:
    """A number with the type that just holds it."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    digits = max(value.adjusted() + 1, 1)
    if exponent >= 0:
        return Literal(int(value), integer(digits))
    return Literal(value, decimal(-exponent, digits - exponent))


def tree_depth(tree: Tree) -> int:
    """The longest way from root to leaf, found without recursion."""
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [part for node in level for part in children(node)]
        if deepest > DEPTH_LIMIT:
            break
    return deepest


def written_size(tree: Tree) -> int:
    """Nodes once IFS and SWITCH are written as IF: SWITCH repeats its subject."""
    count = 0
    for node in walk(tree):
        count += 1
        if isinstance(node, Call) and node.function == "SWITCH":
            count += size(node.args[0]) * len(node.args)
        elif isinstance(node, Call) and node.function == "IFS":
            count += len(node.args)
    return count
