"""Comparisons in the typed tree, and constants that take the type of what they stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from formulas.errors import FormulaError, Message, did_you_mean, nearest
from formulas.functions.declare import unify
from formulas.literals import WrongValueError, read_value
from formulas.syntax import Node
from formulas.tree import Call, Literal, Tree, join, negate
from formulas.types import BLANK, BOOLEAN, DATETIME, NARROW_DIGITS, TEXT, Type

_FROM_TEXT = ("option", "date", "datetime", "person", "department", "record", "file")
#: So many options are named where none is like what was written.
_FEW = 8
_ORDERED = ("text", "option", "integer", "decimal", "date", "datetime", "time", "duration", "boolean")


def literal_for(tree: Tree, type_: Type, node: Node) -> Tree:
    """A constant as the type of its neighbours: a text as option, date or id, a number at the same scale."""
    if not isinstance(tree, Literal) or tree.value is None:
        return tree
    if tree.type.kind == "text" and type_.kind in _FROM_TEXT:
        return Literal(_read(tree.value, type_, node), type_, tree.fixed)
    if tree.type.kind == "set" and type_.kind == "set" and type_.element is not None:
        items = [literal_for(Literal(value, tree.type.element or TEXT), type_.element, node) for value in tree.value]
        fits = all(item.type == type_.element for item in items)
        values = tuple(item.value for item in items if isinstance(item, Literal))
        return Literal(values, type_, tree.fixed) if fits else tree
    if tree.type.is_number and type_.is_number and _holds(type_, tree.value):
        value = Decimal(tree.value) if type_.kind == "decimal" else int(tree.value)
        narrow = replace(type_, digits=min(type_.digits, NARROW_DIGITS))
        return Literal(value, narrow if _holds(narrow, tree.value) else type_, tree.fixed)
    return tree


def _holds(type_: Type, value: int | Decimal) -> bool:
    """Whether a number has no more places and digits than the type."""
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    return places <= type_.scale and max(number.adjusted() + 1, 1) + type_.scale <= type_.digits


def _read(value: str, type_: Type, node: Node) -> object:
    try:
        return read_value(value, type_)
    except WrongValueError:
        pass
    if type_.kind == "option":
        labelled = type_.key_of(value)
        if labelled is not None:
            return labelled
        zh, en = did_you_mean(nearest(value, [*type_.options, *(label for label, _ in type_.labels)]))
        if not zh and len(type_.options) <= _FEW:
            zh, en = f"，可选：{'、'.join(type_.options)}", f"; options are {', '.join(type_.options)}"
        message = Message(f"没有选项“{value[:60]}”{zh}", f'no option "{value[:60]}"{en}')
    else:
        name = type_.name
        message = Message(f"“{value[:60]}”不是{name.zh}", f'"{value[:60]}" is not a {name.en}')
    raise FormulaError("TYPE", message, node.at)


def compare(function: str, left: Tree, right: Tree, node: Node) -> Tree:
    """A comparison of two typed trees. Raises `FormulaError` (TYPE) if they cannot be compared."""
    if function in ("eq", "ne"):
        left, right = without_empty_texts((left, right))
    left, right = _neighbours(left, right, node)
    common = unify((left.type, right.type))
    if common is None or {left.type.kind, right.type.kind} == {"option", "boolean"}:
        raise _differ(left.type, right.type, node)
    if function in ("eq", "ne"):
        return _equality(function, left, right, common)
    if common != BLANK and common.kind not in _ORDERED:
        zh = f"{common.name.zh}不能比较大小"
        raise FormulaError("TYPE", Message(zh, f"{common.name.en} values have no order"), node.at)
    return Call(function, (left, right), BOOLEAN)


def _neighbours(left: Tree, right: Tree, node: Node) -> tuple[Tree, Tree]:
    """Constants take the other side's type; a date beside an instant becomes the beginning of its day."""
    if isinstance(right, Literal) and not isinstance(left, Literal):
        right = literal_for(right, left.type, node.args[1] if len(node.args) > 1 else node)
    elif isinstance(left, Literal) and not isinstance(right, Literal):
        left = literal_for(left, right.type, node.args[0] if node.args else node)
    if {left.type.kind, right.type.kind} == {"date", "datetime"}:
        return as_instant(left), as_instant(right)
    return left, right


def without_empty_texts(trees: Sequence[Tree]) -> list[Tree]:
    """`""` means a blank where the other values are no texts: `amount = ""`, `IF(amount > 3, "", amount)`."""
    empty = [isinstance(tree, Literal) and tree.type == TEXT and tree.value == "" for tree in trees]
    others = unify([tree.type for tree, is_empty in zip(trees, empty, strict=True) if not is_empty])
    if others is None or others == BLANK or others.is_textual:
        return list(trees)
    return [Call("BLANK", (), BLANK) if is_empty else tree for tree, is_empty in zip(trees, empty, strict=True)]


def as_instant(tree: Tree) -> Tree:
    """A date as the beginning of its day."""
    return Call("to_instant", (tree,), DATETIME) if tree.type.kind == "date" else tree


def _equality(function: str, left: Tree, right: Tree, common: Type) -> Tree:
    """An empty text constant is a blank; sets are equal when each has what the other has."""
    left, right = _blank_text(left), _blank_text(right)
    if common.kind != "set" or BLANK in (left.type, right.type):
        return Call(function, (left, right), BOOLEAN)
    both = join("and", [Call("HASALL", (left, right), BOOLEAN), Call("HASALL", (right, left), BOOLEAN)])
    return both if function == "eq" else negate(both)


def _blank_text(tree: Tree) -> Tree:
    if isinstance(tree, Literal) and tree.value == "" and tree.type.is_textual:
        return replace(tree, value=None)
    return tree


def _differ(left: Type, right: Type, node: Node) -> FormulaError:
    zh = f"{left.name.zh}不能与{right.name.zh}比较"
    en = f"{left.name.en} cannot be compared with {right.name.en}"
    return FormulaError("TYPE", Message(zh, en), node.at)
