"""Aggregates over the rows of a to-many relation: how their arguments are read and what they result in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from formulas.errors import FormulaError, Message
from formulas.functions.declare import Function, Parameter
from formulas.names import Relation
from formulas.syntax import Node
from formulas.tree import Literal, Rollup, Tree, negate
from formulas.types import BLANK, BOOLEAN, TEXT, Type, set_of


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the arguments of a rollup stand. `value` is the letter of the value, empty if the rows alone count."""

    value: str
    value_place: int = 0
    condition_place: int = 1
    option_places: tuple[int, ...] = ()
    needs_value: bool = True


ROLLUPS: dict[str, Shape] = {
    **dict.fromkeys(("SUM", "AVERAGE", "MEDIAN", "PRODUCT", "GEOMEAN"), Shape("n")),
    **dict.fromkeys(("VAR.S", "VAR.P", "STDEV.S", "STDEV.P"), Shape("n")),
    **dict.fromkeys(("MIN", "MAX"), Shape("O")),
    **dict.fromkeys(("COUNTA", "COUNTUNIQUE", "UNIQUE"), Shape("A")),
    "COUNT": Shape("A", needs_value=False),
    "EXISTS": Shape("", needs_value=False),
    "ALL": Shape("", needs_value=False),
    **dict.fromkeys(("FIRST", "LAST"), Shape("A", condition_place=2, option_places=(1,))),
    "TEXTJOIN": Shape("A", value_place=2, condition_place=3, option_places=(0, 1)),
}


def build_rollup(function: Function, relation: Relation, parts: Sequence[Tree | None], node: Node) -> Tree:
    """The rollup node of a call whose value crosses a relation. Raises `FormulaError` (TYPE)."""
    shape = ROLLUPS[function.name]
    most = max(shape.value_place, shape.condition_place, *shape.option_places, 0) + 1
    if len(parts) > most or len(parts) < max((*shape.option_places, shape.value_place)) + 1:
        raise _wrong(node, f"{function.name} 的参数个数不对", f"wrong number of arguments for {function.name}")
    value = parts[shape.value_place]
    condition = parts[shape.condition_place] if len(parts) > shape.condition_place else None
    if condition is not None and not Parameter("b").accepts(condition.type):
        raise _wrong(node.args[shape.condition_place], "条件应为是/否", "the condition must be true or false")
    _check_value(function, shape, value, node)
    options = tuple(part for part in (parts[place] for place in shape.option_places) if part is not None)
    base = Rollup(relation.steps, relation.entity, function.name, value, condition, BOOLEAN, options, relation.up)
    return _finished(function, base)


def _check_value(function: Function, shape: Shape, value: Tree | None, node: Node) -> None:
    at = node.args[shape.value_place]
    if value is None and shape.needs_value:
        raise _wrong(
            at, f"{function.name} 需要关联记录的一个字段", f"{function.name} needs a field of the related records"
        )
    if value is not None and not shape.value:
        raise _wrong(at, "这里应为一对多关联本身", "the relation itself is expected here")
    if value is not None and not Parameter(shape.value).accepts(value.type):
        raise _wrong(
            at,
            f"{function.name} 不能用于{value.type.name.zh}",
            f"{function.name} does not apply to {value.type.name.en}",
        )


def _finished(function: Function, base: Rollup) -> Tree:
    if function.name == "ALL":
        condition = base.condition or Literal(True, BOOLEAN)
        exists = _with(base, "EXISTS", BOOLEAN, condition=negate(condition))
        return negate(exists)
    if function.name == "EXISTS":
        return base
    return _with(base, function.name, _result(function, base.value), base.condition)


def _with(base: Rollup, name: str, type_: Type, condition: Tree | None) -> Rollup:
    return Rollup(base.relation, base.entity, name, base.value, condition, type_, base.options, base.up)


def _result(function: Function, value: Tree | None) -> Type:
    type_ = BLANK if value is None else value.type
    if function.name == "UNIQUE":
        return set_of(type_)
    if function.name in ("FIRST", "LAST"):
        return type_
    if function.name == "TEXTJOIN":
        return TEXT
    result = function.result
    return result if isinstance(result, Type) else result([type_], [])


def _wrong(node: Node, zh: str, en: str) -> FormulaError:
    return FormulaError("TYPE", Message(zh, en), node.at)
