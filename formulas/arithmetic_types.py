"""Arithmetic in the typed tree: which operator fits which types, and how many digits a result can have."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from formulas.errors import FormulaError, Message
from formulas.functions.declare import Function, whole_digits
from formulas.numbers import MAX_DIGITS, MAX_SCALE, QUOTIENT_SCALE
from formulas.syntax import Node
from formulas.tree import Call, Literal, Tree
from formulas.types import DATE, DATETIME, DURATION, Type, decimal, integer

_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "POWER"}
#: Operators on dates, instants and durations.
_MOMENTS: dict[tuple[str, str, str], tuple[str, Type]] = {
    ("+", "date", "number"): ("add_days", DATE),
    ("-", "date", "date"): ("days_between", integer(7)),
    ("-", "date", "number"): ("add_days", DATE),
    ("+", "datetime", "duration"): ("add_time", DATETIME),
    ("-", "datetime", "duration"): ("add_time", DATETIME),
    ("-", "datetime", "datetime"): ("time_between", DURATION),
    ("+", "duration", "duration"): ("add", DURATION),
    ("-", "duration", "duration"): ("sub", DURATION),
}


def arithmetic(node: Node, left: Tree, right: Tree) -> Tree:
    """A binary operator on two typed trees. Raises `FormulaError` (TYPE)."""
    kinds = (node.value, _kind(left.type), _kind(right.type))
    if kinds[0] == "+" and (kinds[2] == "date" or kinds[1:] == ("duration", "datetime")):
        left, right, kinds = right, left, (kinds[0], kinds[2], kinds[1])
    found = _MOMENTS.get(kinds)
    if found is not None:
        function, type_ = found
        if function in ("add_days", "add_time") and node.value == "-":
            right = negative(right)
        return Call(function, (left, right), type_)
    if not (_is_numeric(left.type) and _is_numeric(right.type)):
        zh = f"“{node.value}”不能用于{left.type.name.zh}和{right.type.name.zh}"
        en = f'"{node.value}" does not apply to {left.type.name.en} and {right.type.name.en}'
        if node.value == "+" and (left.type.is_textual or right.type.is_textual):
            zh, en = zh + "，拼接文本请用 &", en + "; texts are joined with &"
        raise FormulaError("TYPE", Message(zh, en), node.at)
    return number_call(_NAMES[node.value], left, right)


def _is_numeric(type_: Type) -> bool:
    return type_.kind in ("decimal", "integer", "blank")


def _kind(type_: Type) -> str:
    return "number" if type_.is_number else type_.kind


def number_call(function: str, left: Tree, right: Tree) -> Tree:
    """An arithmetic call with its type, kept within the digits that a value may have."""
    scale, whole, is_integer = _size(function, left.type, right.type)
    type_ = integer(whole) if is_integer else decimal(scale, whole + scale)
    return kept(Call(function, (left, right), type_))


def _size(function: str, left: Type, right: Type) -> tuple[int, int, bool]:
    """Places, digits before the point, and whether the result is whole by nature."""
    integers = left.kind != "decimal" and right.kind != "decimal"
    first, second = whole_digits(left), whole_digits(right)
    if function in ("add", "sub"):
        return max(left.scale, right.scale), max(first, second) + 1, integers
    if function == "mul":
        return left.scale + right.scale, first + second, integers
    if function == "div":
        return QUOTIENT_SCALE, first + right.scale + 1, False
    return 15, MAX_DIGITS, False


def kept(call: Call) -> Tree:
    """Round what has too many places, and bound what may have too many digits."""
    tree: Tree = call
    whole = whole_digits(call.type)
    if call.type.scale > MAX_SCALE:
        type_ = decimal(MAX_SCALE, whole + MAX_SCALE)
        tree = Call("ROUND", (tree, Literal(MAX_SCALE, integer(2), fixed=True)), type_)
    if whole > MAX_DIGITS:
        bounded = (
            integer(MAX_DIGITS)
            if call.type.kind == "integer"
            else decimal(tree.type.scale, MAX_DIGITS + tree.type.scale)
        )
        tree = Call("bounded", (tree,), bounded)
    return tree


def negative(tree: Tree) -> Tree:
    """The opposite; of a constant at once."""
    if isinstance(tree, Literal) and tree.value is not None and tree.type.is_number:
        return Literal(-tree.value, tree.type, tree.fixed)
    return Call("neg", (tree,), tree.type)


def percent(tree: Tree) -> Tree:
    """A hundredth; of a constant at once."""
    scale = tree.type.scale + 2
    type_ = decimal(scale, max(tree.type.digits, 1) + 2)
    if isinstance(tree, Literal) and tree.value is not None:
        return Literal(Decimal(tree.value).scaleb(-2), type_, tree.fixed)
    return kept(Call("percent", (tree,), type_))


def combine(function: Function, args: Sequence[Tree], _node: Node) -> Tree:
    """A function on checked arguments, with the type of its result."""
    result = function.result
    type_ = result if isinstance(result, Type) else result([arg.type for arg in args], args)
    call = Call(function.name, tuple(args), type_)
    return kept(call) if type_.is_number and function.name != "POWER" else call
