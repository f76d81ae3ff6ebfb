"""Calls that mean the record itself: a system field under the name of a function, or what a field was before a write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from formulas.errors import Kind
from formulas.functions.declare import Function
from formulas.functions.record import OF_FIELDS, SYSTEM_FIELDS
from formulas.names import Scope
from formulas.schema import Schema
from formulas.syntax import Node
from formulas.tree import Call, Literal, Path, Tree
from formulas.types import BOOLEAN, TEXT


class Checking(Protocol):
    """What is asked of the checker."""

    schema: Schema

    def guarded(self, node: Node, scope: Scope) -> Tree:
        """A typed tree."""

    def apply(self, function: Function, nodes: Sequence[Node], node: Node, scope: Scope) -> Tree:
        """A plain call."""

    def count(self, function: Function, given: int, node: Node) -> None:
        """The right number of arguments."""

    def stop(self, kind: Kind, node: Node, zh: str, en: str) -> Exception:
        """An error to raise."""


def record_function(checker: Checking, function: Function, node: Node, scope: Scope) -> Tree:
    """A system field under the name of a function, or a function that knows which field its argument is."""
    if function.name in OF_FIELDS:
        checker.count(function, len(node.args), node)
        path = checker.guarded(node.args[0], scope)
        if not isinstance(path, Path) or len(path.steps) != 1 or path.up or len(scope.entities) > 1:
            raise checker.stop(
                "TYPE", node.args[0], "这里应为本记录的一个字段", "a field of the record itself is needed here"
            )
        type_ = path.type if function.name == "PRIORVALUE" else BOOLEAN
        return Call(function.name, (Literal(path.steps[0], TEXT, fixed=True), path), type_)
    if function.name not in SYSTEM_FIELDS and function.name != "AUTONUMBER":
        return checker.apply(function, node.args, node, scope)
    checker.count(function, len(node.args), node)
    key = SYSTEM_FIELDS.get(function.name) or numbered(checker, scope.entity)
    info = checker.schema.find_field(scope.entity, key) if key else None
    if info is None:
        raise checker.stop("NAME", node, "这里没有这个系统字段", "there is no such system field here")
    return Path((info.key,), info.type)


def numbered(checker: Checking, entity: str) -> str | None:
    """The key of the field that the system numbers."""
    infos = (checker.schema.find_field(entity, key) for key, _ in checker.schema.fields(entity))
    return next((info.key for info in infos if info is not None and info.numbered), None)
