"""What a formula reads, and in which order formulas that read each other are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from formulas.errors import FormulaError, Message
from formulas.schema import Schema
from formulas.tree import Tree, paths


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """A field that a formula reads: of which entity, and over which relations (keys from the root) it is reached."""

    entity: str
    field: str
    path: tuple[str, ...] = ()


def dependencies(tree: Tree, schema: Schema, entity: str) -> tuple[Dependency, ...]:
    """Every field that can change the value, relations on the way included, in order."""
    return tuple(sorted({found for path in paths(tree) if (found := _of_path(path, schema, entity)) is not None}))


def _of_path(path: tuple[str, ...], schema: Schema, entity: str) -> Dependency | None:
    for step in path[:-1]:
        info = schema.find_field(entity, step)
        if info is None or info.leads_to is None:
            return None
        entity = info.leads_to
    return Dependency(entity, path[-1], path[:-1])


Field = tuple[str, str]


def computation_order(formulas: Mapping[Field, Iterable[Dependency]]) -> tuple[Field, ...]:
    """Formula fields (entity, key) in an order where each comes after those it reads.

    A cycle is refused, also one across relations or from an entity to itself: what a record's value needs of another
    record of the same field cannot be computed in one pass. Raises `FormulaError` (NAME) that names the cycle.
    """
    needs = {field: sorted({(d.entity, d.field) for d in reads} & set(formulas)) for field, reads in formulas.items()}
    order: list[Field] = []
    state: dict[Field, int] = {}
    for start in sorted(needs):
        _visit(start, needs, state, order)
    return tuple(order)


def _visit(start: Field, needs: Mapping[Field, list[Field]], state: dict[Field, int], order: list[Field]) -> None:
    """Depth first without recursion. State 1 is on the way, 2 is done."""
    if state.get(start):
        return
    trail, pending = [start], [iter(needs[start])]
    state[start] = 1
    while pending:
        following = next(pending[-1], None)
        if following is None:
            done = trail.pop()
            pending.pop()
            state[done] = 2
            order.append(done)
        elif state.get(following) == 1:
            raise _cycle([*trail[trail.index(following) :], following])
        elif following not in state:
            state[following] = 1
            trail.append(following)
            pending.append(iter(needs[following]))


def _cycle(fields: list[Field]) -> FormulaError:
    shown = " → ".join(f"{entity}.{key}" for entity, key in fields)
    return FormulaError("NAME", Message(f"公式互相引用：{shown}", f"formulas read each other: {shown}"))
