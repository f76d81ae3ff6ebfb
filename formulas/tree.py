"""The typed tree: what filters and formulas become, and what both back ends read. See docs/decisions/0002."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from formulas.types import BLANK, BOOLEAN, Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant in canonical form: Decimal, int, str, bool, date, datetime, a tuple for sets, None for blank.

    A `fixed` literal decides which statement is built (places of a rounding, unit of a date step), so it stays in the
    shape of a tree.
    """

    value: Any
    type: Type
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A field reached from the current row over to-one relations. `up` counts rollups to step out of (`this.`)."""

    steps: tuple[str, ...]
    type: Type
    up: int = 0


@dataclass(frozen=True, slots=True)
class Param:
    """The place of a lifted literal."""

    index: int
    type: Type


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator (`eq`, `add`, `and` …) on its arguments."""

    function: str
    args: tuple[Tree, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Rollup:
    """A function over the rows of a to-many relation. Value and condition are trees of the related row.

    `relation` is the path to the rows: to-one steps and, last, the to-many relation. `options` are further constant or
    related arguments (the separator of a join, the order of FIRST).
    """

    relation: tuple[str, ...]
    entity: str
    function: str
    value: Tree | None
    condition: Tree | None
    type: Type
    options: tuple[Tree, ...] = ()
    up: int = 0


Tree: TypeAlias = Literal | Path | Param | Call | Rollup


def children(tree: Tree) -> tuple[Tree, ...]:
    """The direct parts of a node, in order."""
    if isinstance(tree, Call):
        return tree.args
    if isinstance(tree, Rollup):
        return tuple(part for part in (tree.value, tree.condition) if part is not None) + tree.options
    return ()


def with_children(tree: Tree, parts: tuple[Tree, ...]) -> Tree:
    """The node with other direct parts, given in the order of `children`."""
    if isinstance(tree, Call):
        return replace(tree, args=parts)
    if not isinstance(tree, Rollup):
        return tree
    rest = iter(parts)
    value = next(rest) if tree.value is not None else None
    condition = next(rest) if tree.condition is not None else None
    return replace(tree, value=value, condition=condition, options=tuple(rest))


def walk(tree: Tree) -> Iterator[Tree]:
    """Every node, parents first."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def size(tree: Tree) -> int:
    """How many nodes the tree has."""
    return sum(1 for _ in walk(tree))


def lift(tree: Tree) -> tuple[Tree, tuple[Any, ...]]:
    """Separate the shape of a tree from its values, so that a statement is built once per shape.

    Blanks, empty texts, booleans and fixed literals stay: they decide the statement.
    """
    values: list[Any] = []
    shape = _lift(tree, values)
    return shape, tuple(values)


def _lift(tree: Tree, values: list[Any]) -> Tree:
    if isinstance(tree, Literal):
        if tree.fixed or tree.value is None or tree.value == "" or isinstance(tree.value, bool):
            return tree
        values.append(tree.value)
        return Param(len(values) - 1, tree.type)
    parts = children(tree)
    return with_children(tree, tuple(_lift(part, values) for part in parts)) if parts else tree


def bind(tree: Tree, values: tuple[Any, ...]) -> Tree:
    """The inverse of `lift`."""
    if isinstance(tree, Param):
        return Literal(values[tree.index], tree.type)
    parts = children(tree)
    return with_children(tree, tuple(bind(part, values) for part in parts)) if parts else tree


def paths(tree: Tree) -> frozenset[tuple[str, ...]]:
    """Every path from the root entity that the tree touches: relations themselves and the insides of rollups too."""
    found: set[tuple[str, ...]] = set()
    _collect(tree, ((),), found)
    return frozenset(found)


def _collect(tree: Tree, scopes: tuple[tuple[str, ...], ...], found: set[tuple[str, ...]]) -> None:
    if isinstance(tree, Path):
        base = scopes[-1 - tree.up]
        found.update(base + tree.steps[: count + 1] for count in range(len(tree.steps)))
    elif isinstance(tree, Call):
        for part in tree.args:
            _collect(part, scopes, found)
    elif isinstance(tree, Rollup):
        base = scopes[-1 - tree.up]
        found.update(base + tree.relation[: count + 1] for count in range(len(tree.relation)))
        for part in children(tree):
            _collect(part, (*scopes, base + tree.relation), found)


def seen_from(tree: Tree, steps: tuple[str, ...], inside: int = 0) -> Tree:
    """The tree of a record as the tree of another one, which leads to it over these to-one relations.

    `inside` counts the rollups that the tree stands in.
    """
    if isinstance(tree, Path):
        return replace(tree, steps=(*steps, *tree.steps)) if tree.up == inside else tree
    deeper = isinstance(tree, Rollup)
    parts = children(tree)
    moved = with_children(tree, tuple(seen_from(part, steps, inside + deeper) for part in parts)) if parts else tree
    if isinstance(moved, Rollup) and moved.up == inside:
        return replace(moved, relation=(*steps, *moved.relation))
    return moved


def desugared(call: Call) -> Call:
    """IFS and SWITCH as nested IF, which both back ends know; any other call as it is."""
    if call.function == "IFS":
        return _nested(call.args[0::2], call.args[1::2], Call("NA", (), BLANK), call.type)
    if call.function != "SWITCH":
        return call
    subject, *rest = call.args
    default: Tree = rest.pop() if len(rest) % 2 else Call("NA", (), BLANK)
    conditions = [Call("eq", (subject, match), BOOLEAN) for match in rest[0::2]]
    return _nested(conditions, rest[1::2], default, call.type)


def _nested(conditions: Sequence[Tree], results: Sequence[Tree], otherwise: Tree, type_: Type) -> Call:
    for condition, result in reversed(list(zip(conditions, results, strict=True))):
        otherwise = Call("IF", (condition, result, otherwise), type_)
    assert isinstance(otherwise, Call)
    return otherwise


def join(word: str, parts: Iterable[Tree]) -> Tree:
    """`and` or `or` of the parts, flattened; nothing to join is true for `and` and false for `or`."""
    flat: list[Tree] = []
    for part in parts:
        flat.extend(part.args if isinstance(part, Call) and part.function == word else (part,))
    neutral = Literal(word == "and", BOOLEAN, fixed=True)
    kept = [part for part in flat if part != neutral]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else Call(word, tuple(kept), BOOLEAN)


def negate(tree: Tree) -> Tree:
    """The opposite condition."""
    if isinstance(tree, Call) and tree.function == "not":
        return tree.args[0]
    return Call("not", (tree,), BOOLEAN)
