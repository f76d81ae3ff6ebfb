"""A typed tree back to text: canonical, with keys as names, and with no bracket more than needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from formulas.functions.record import OF_FIELDS
from formulas.literals import format_instant
from formulas.numbers import MAX_SCALE, number_text
from formulas.schema import Schema
from formulas.tree import Call, Literal, Param, Path, Rollup, Tree
from formulas.types import Type

_WORD = re.compile(r"[^\W\d]\w*\Z")
_RESERVED = {"AND", "OR", "NOT", "TRUE", "FALSE", "THIS"}
#: Operator sign and how tightly it binds.
_INFIX: dict[str, tuple[str, int]] = {
    "or": ("OR", 1),
    "and": ("AND", 2),
    "eq": ("=", 4),
    "ne": ("<>", 4),
    "lt": ("<", 4),
    "le": ("<=", 4),
    "gt": (">", 4),
    "ge": (">=", 4),
    "add": ("+", 6),
    "sub": ("-", 6),
    "add_days": ("+", 6),
    "add_time": ("+", 6),
    "days_between": ("-", 6),
    "time_between": ("-", 6),
    "mul": ("*", 7),
    "div": ("/", 7),
    "POWER": ("^", 8),
}
_CONCAT = 5
_NOT, _SIGN, _TIGHT = 3, 9, 10
#: Nodes that the checker adds and text does not show.
_SILENT = ("zero", "to_instant", "bounded")


@dataclass(frozen=True, slots=True)
class _Writer:
    schema: Schema | None
    entities: tuple[str, ...]
    labels: bool
    relation: tuple[str, ...] = ()

    def write(self, tree: Tree, binding: int = 0) -> str:
        """The text; in brackets if it binds more loosely than what is around it."""
        text, own = self.node(tree)
        return f"({text})" if own < binding else text

    def node(self, tree: Tree) -> tuple[str, int]:
        if isinstance(tree, Literal):
            return _literal(_labelled(tree.value, tree.type) if self.labels else tree.value)
        if isinstance(tree, Path):
            return self.path(tree), _TIGHT
        if isinstance(tree, Rollup):
            return self.rollup(tree), _TIGHT
        if isinstance(tree, Param):
            return f"?{tree.index}", _TIGHT
        return self.call(tree)

    def call(self, call: Call) -> tuple[str, int]:
        if call.function in _SILENT or _is_cut(call):
            return self.node(call.args[0])
        if call.function in _INFIX and len(call.args) >= 2:
            return self.infix(call)
        special = _SPECIAL.get(call.function)
        if special is not None:
            return special(self, call)
        args = call.args[1:] if call.function in OF_FIELDS else call.args
        return self.function(call.function, args), _TIGHT

    def infix(self, call: Call) -> tuple[str, int]:
        sign, power = _INFIX[call.function]
        args = list(call.args)
        if call.function in ("add_days", "add_time") and (opposite := _opposite(args[1])) is not None:
            sign, args[1] = "-", opposite
        first, *rest = args
        parts = [self.write(first, power), *(self.write(arg, power + 1) for arg in rest)]
        return f" {sign} ".join(parts), power

    def function(self, name: str, args: Sequence[Tree]) -> str:
        return f"{name}({', '.join(self.write(arg) for arg in args)})"

    def path(self, path: Path) -> str:
        """`customer.level`; the parent of a rollup's row is `this`."""
        place = -1 - path.up
        names = self.names(self.entities[place], path.steps)
        prefix = ["this"] * path.up if path.up else list(self.relation)
        return ".".join([*prefix, *names])

    def names(self, entity: str, steps: tuple[str, ...]) -> list[str]:
        names: list[str] = []
        for step in steps:
            info = self.schema.find_field(entity, step) if self.schema is not None else None
            if step[:1] == "_":  # the end of a link: people name what is behind it
                entity = info.target_entity or "" if info is not None else ""
                continue
            shown = info.label if self.labels and info is not None and info.label else step
            names.append(shown if _WORD.match(shown) and shown.upper() not in _RESERVED else f"{{{shown}}}")
            entity = info.target_entity or "" if info is not None else ""
        return names

    def rollup(self, tree: Rollup) -> str:
        base = self.entities[-1 - tree.up]
        relation = (*(["this"] * tree.up), *self.names(base, tree.relation))
        entities = (*self.entities, tree.entity)
        inner = _Writer(self.schema, entities, self.labels)
        value_writer = _Writer(self.schema, entities, self.labels, relation)
        value = ".".join(relation) if tree.value is None else value_writer.write(tree.value)
        options = [inner.write(option) for option in tree.options]
        parts = [*options, value] if tree.function == "TEXTJOIN" else [value, *options]
        if tree.condition is not None:
            parts.append(inner.write(tree.condition))
        return f"{tree.function}({', '.join(parts)})"


def write(
    tree: Tree,
    schema: Schema | None = None,
    entity: str = "",
    *,
    labels: bool = False,
    outer: tuple[str, ...] = (),
) -> str:
    """The text of a tree of `entity`. With `labels` fields are shown by their labels, as people read them.

    `outer` are the entities of the rows that the record is related to, the outermost first.
    """
    return _Writer(schema, (*outer, entity), labels).write(tree)


def _labelled(value: Any, type_: Type) -> Any:
    """Options by their labels, as the checker reads them, too."""
    if type_.kind == "set" and type_.element is not None and isinstance(value, tuple):
        return tuple(_labelled(item, type_.element) for item in value)
    label = type_.label_of(value) if type_.kind == "option" else None
    return value if label is None else label


def _literal(value: Any) -> tuple[str, int]:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        text = number_text(value)
        return text, _SIGN if text.startswith("-") else _TIGHT
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item)[0] for item in value)}]", _TIGHT
    return _CONSTANTS[type(value)](value), _TIGHT


def _is_cut(call: Call) -> bool:
    """Whether the checker rounds here what has more places than a value may have: every call is, so no ROUND of people is about one."""
    return call.function == "ROUND" and isinstance(call.args[0], Call) and call.args[0].type.scale > MAX_SCALE


def _quoted(text: str) -> str:
    escaped = text.replace('"', '""')
    return f'"{escaped}"'


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    return f"TIME(0, 0, {seconds})"


_CONSTANTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "BLANK()",
    bool: lambda value: "TRUE" if value else "FALSE",
    str: _quoted,
    date: lambda value: f"DATE({value.year}, {value.month}, {value.day})",
    datetime: lambda value: _quoted(format_instant(value)),
    time: lambda value: _quoted(value.isoformat("seconds")),
    timedelta: _duration,
}


def _opposite(tree: Tree) -> Tree | None:
    """What a negative constant or an opposite is the opposite of."""
    if isinstance(tree, Call) and tree.function == "neg":
        return tree.args[0]
    if isinstance(tree, Literal) and isinstance(tree.value, int | Decimal) and tree.value < 0:
        return Literal(-tree.value, tree.type)
    return None


def _not(writer: _Writer, call: Call) -> tuple[str, int]:
    return f"NOT({writer.write(call.args[0])})", _TIGHT


def _neg(writer: _Writer, call: Call) -> tuple[str, int]:
    return f"-{writer.write(call.args[0], _SIGN)}", _SIGN


def _percent(writer: _Writer, call: Call) -> tuple[str, int]:
    return f"{writer.write(call.args[0], _TIGHT)}%", _TIGHT


def _concat(writer: _Writer, call: Call) -> tuple[str, int]:
    if len(call.args) < 2:
        return writer.function("CONCAT", call.args), _TIGHT
    return " & ".join(writer.write(arg, _CONCAT + 1) for arg in call.args), _CONCAT


def _among(writer: _Writer, call: Call) -> tuple[str, int]:
    choices = call.args[1]
    assert isinstance(choices, Literal)
    element = choices.type.element or choices.type
    items = [Literal(value, element) for value in choices.value]
    if len(items) < 2:
        return (writer.call(Call("eq", (call.args[0], items[0]), call.type))) if items else ("FALSE", _TIGHT)
    return writer.function("IN", (call.args[0], *items)), _TIGHT


_SPECIAL: dict[str, Callable[[_Writer, Call], tuple[str, int]]] = {
    "not": _not,
    "neg": _neg,
    "percent": _percent,
    "CONCAT": _concat,
    "in": _among,
}
