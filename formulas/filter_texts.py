"""Conditions written as text inside the JSON form: `{"_formula": "…"}`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formulas.checker import TREE_LIMIT, check_condition
from formulas.errors import FormulaError, FormulaErrors, Kind, Message
from formulas.functions.record import OF_FIELDS
from formulas.moments import bind_context
from formulas.names import HOP_LIMIT
from formulas.nodes import DEPTH_LIMIT, tree_depth, written_size
from formulas.schema import Context, Schema
from formulas.syntax import LENGTH_LIMIT
from formulas.tree import Call, Path, Rollup, Tree, seen_from, walk

#: The key of a condition as text.
FORMULA = "_formula"
#: Takes a condition and its text; raises `FormulaErrors`.
Judge = Callable[[Tree, str], None]


@dataclass(slots=True)
class Texts:
    """Reads the texts of one filter. Together they are as long and as large as one text may be: reading costs no more."""

    schema: Schema
    context: Context | None
    judge: Judge | None
    length: int = 0
    size: int = 0

    def read(self, value: object, rows: tuple[str, ...], steps: tuple[str, ...], entity: str) -> Tree:
        """The condition on a record of `entity`, reached by to-one steps from the last of the rows, as one on that row.

        Raises `FormulaErrors` with spans in the text.
        """
        if not isinstance(value, str):
            raise _wrong("TYPE", "这里应为公式文本", "expected a formula, as text")
        self._lengthen(value)
        own = check_condition(value, self.schema, entity, outer=rows[:-1])
        self.size += written_size(own)
        if self.size > TREE_LIMIT:
            raise _wrong("LIMIT", "筛选中的公式过于复杂", "the formulas of the filter are too complex")
        tree = _reached(own, steps) if steps else own
        if self.context is not None:
            tree = bind_context(tree, self.context)
        if self.judge is not None:
            self.judge(tree, value)
        return tree

    def _lengthen(self, text: str) -> None:
        room = max(LENGTH_LIMIT - self.length, 0)
        self.length += len(text)
        if len(text) > room:
            zh = f"筛选中的公式共超过 {LENGTH_LIMIT} 个字符"
            en = f"the formulas of the filter are longer than {LENGTH_LIMIT} characters"
            raise _wrong("LIMIT", zh, en, (room, len(text)))

    def bound(self, tree: Tree) -> None:
        """Bound the whole filter as a text is bounded, if it has texts. Raises `FormulaErrors`."""
        if self.length and tree_depth(tree) > DEPTH_LIMIT:
            raise _wrong("LIMIT", "筛选过于复杂", "the filter is too complex")


def _reached(own: Tree, steps: tuple[str, ...]) -> Tree:
    if any(isinstance(node, Call) and node.function in OF_FIELDS for node in walk(own)):
        raise _wrong("TYPE", "这里应为本记录的一个字段", "a field of the record itself is needed here")
    tree = seen_from(own, steps)
    if any(_steps_of(node) > HOP_LIMIT + 1 for node in walk(tree)):
        raise _wrong("LIMIT", f"路径超过 {HOP_LIMIT} 层", f"path longer than {HOP_LIMIT} steps")
    return tree


def _steps_of(node: Tree) -> int:
    if isinstance(node, Path):
        return len(node.steps)
    return len(node.relation) if isinstance(node, Rollup) else 0


def _wrong(kind: Kind, zh: str, en: str, at: tuple[int, int] | None = None) -> FormulaErrors:
    return FormulaErrors([FormulaError(kind, Message(zh, en), at)])
