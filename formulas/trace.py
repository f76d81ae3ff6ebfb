"""How a value came about: each part of a formula with its own value, innermost first, in words a manager can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from formulas.errors import CellError
from formulas.evaluate import Row, program
from formulas.schema import Context, Schema
from formulas.tree import Call, Literal, Path, Rollup, Tree
from formulas.writer import write

STEP_LIMIT = 200
_SILENT = ("zero", "to_instant", "bounded")


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a formula: its text with keys and with labels, its value or error, and how deep it stands.

    `taken` is False for the branch of a choice that did not count.
    """

    text: str
    shown: str
    value: Any
    depth: int
    taken: bool = True


def trace(tree: Tree, row: Row, context: Context, schema: Schema, entity: str) -> tuple[Step, ...]:
    """The steps of an evaluation on a record, the result last. A rollup is one step: its rows are not the formula's."""
    steps: list[Step] = []
    _visit(tree, 0, True, steps, lambda part: program(part).run(row, context), (schema, entity))
    return tuple(steps[-STEP_LIMIT:])


def _visit(tree: Tree, depth: int, taken: bool, steps: list[Step], value: Any, names: tuple[Schema, str]) -> None:
    if isinstance(tree, Literal):
        return
    if isinstance(tree, Call) and tree.function in _SILENT:
        _visit(tree.args[0], depth, taken, steps, value, names)
        return
    if isinstance(tree, Call):
        dead = untaken(tree, value)
        for place, part in enumerate(tree.args):
            _visit(part, depth + 1, taken and place not in dead, steps, value, names)
    schema, entity = names
    text = write(tree, schema, entity)
    if all(step.text != text for step in steps) or not isinstance(tree, Path | Rollup):
        steps.append(Step(text, write(tree, schema, entity, labels=True), value(tree), depth, taken))


def untaken(call: Call, value: Any) -> frozenset[int]:
    """The places of arguments that did not count: the other branch of IF, the stand-in of a value without error."""
    if call.function == "IF":
        return frozenset((2,)) if value(call.args[0]) is True else frozenset((1,))
    if call.function == "IFERROR":
        return frozenset((0,)) if isinstance(value(call.args[0]), CellError) else frozenset((1,))
    if call.function == "IFS":
        holds = [place for place in range(0, len(call.args), 2) if value(call.args[place]) is True]
        first = holds[0] if holds else len(call.args)
        return frozenset(
            place for place in range(len(call.args)) if place > first + 1 or (place % 2 and place != first + 1)
        )
    return frozenset()
