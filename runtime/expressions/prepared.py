"""Formulas made ready once per published version: what Python computes, and what the database has to bring for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import kept_type, with_variables
from builder.compiled.resolver import Joins
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from formulas.checker import check
from formulas.evaluate import Program, program
from formulas.filters import parse_filter
from formulas.nodes import asks_directory
from formulas.schema import Context
from formulas.sql import Dialect, to_stored
from formulas.tree import Call, Path, Rollup, Tree, children, with_children
from formulas.types import BOOLEAN, Type
from runtime.query.fetched import stored_type_of
from runtime.records.own_values import shown_value

JSON = Any

BROUGHT = "#"
"""First step of a path to a value that the database brought; no field's key begins so."""
FORMER = "#former"
"""First step of a path to the value that a field had before the write."""
CHANGED = "#changed"
"""First step of a path to whether a field changed; alone: whether the record is new."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOWHERE = Context(now=_EPOCH)
"""The context of formulas that read nothing but fields."""


class Subject(NamedTuple):
    """A record as a formula sees it in the middle of a write."""

    entity: CompiledEntity
    record_id: str
    shown: Mapping[str, JSON]
    """As the API shows it; of one that is gone, as it was."""
    before: Mapping[str, JSON] | None = None
    """As it was before the write; empty for a new one; None where there was no write."""
    gone: bool = False


@dataclass(frozen=True)
class Prepared:
    """A formula that is right, ready to run."""

    entity: str
    program: Program
    type: Type
    brought: tuple[Tree, ...]
    """What a row of the database has to bring, in the order of its places."""
    source: Tree
    """The tree as it was written."""
    asks: bool
    """Python asks the directory for it."""

    at_hand: bool
    """The record itself has all that it reads."""

    @property
    def needs_context(self) -> bool:
        """Whether it asks for more than fields: the moment, the person."""
        return self.program.plain is None


@dataclass
class _Split:
    """Takes out of a tree what only the database knows."""

    app: CompiledApp
    entity: CompiledEntity
    brought: list[Tree] = field(default_factory=list)

    def tree(self, node: Tree) -> Tree:
        if isinstance(node, Call) and node.function in ("PRIORVALUE", "ISCHANGED", "ISNEW"):
            return self._of_write(node)
        if isinstance(node, Rollup) or (isinstance(node, Path) and not self._is_at_hand(node)):
            if node not in self.brought:
                self.brought.append(node)
            return Path((BROUGHT, str(self.brought.index(node))), node.type)
        parts = children(node)
        return with_children(node, tuple(self.tree(part) for part in parts)) if parts else node

    def _of_write(self, call: Call) -> Tree:
        if call.function == "ISNEW":
            return Path((CHANGED,), BOOLEAN)
        path = call.args[-1]  # the key of the field stands before it
        assert isinstance(path, Path)
        if len(path.steps) > 1 or not self._is_at_hand(path):
            return path if call.function == "PRIORVALUE" else Path((CHANGED, ""), BOOLEAN)
        return Path((FORMER if call.function == "PRIORVALUE" else CHANGED, path.steps[0]), call.type)

    def _is_at_hand(self, path: Path) -> bool:
        """Whether the record itself shows the value, whatever has been written just now."""
        if len(path.steps) > 1:
            return False
        computed = self.app.computed.get((self.entity.key, path.steps[0]))
        return computed is None or computed.place == "local"


def prepare(app: CompiledApp, entity: CompiledEntity, text: str | Mapping[str, JSON]) -> Prepared:
    """Make a formula or a JSON filter ready. Cost: about a millisecond; keep the result.

    Raises:
        FormulaErrors: it does not fit the app (checks find that before a publish).
    """
    source = check(text, app, entity.key).tree if isinstance(text, str) else parse_filter(dict(text), app, entity.key)
    return prepare_tree(app, entity, source)


def prepare_tree(app: CompiledApp, entity: CompiledEntity, source: Tree) -> Prepared:
    """Make a checked tree ready."""
    split = _Split(app, entity)
    tree = split.tree(source)
    made, brought, asks = program(tree), tuple(split.brought), asks_directory(tree)
    at_hand = made.plain is not None and not brought and not asks
    return Prepared(entity.key, made, source.type, brought, source, asks, at_hand)


def statement(app: CompiledApp, entity: CompiledEntity, wanted: tuple[Tree, ...], dialect: Dialect) -> sa.Select[Any]:
    """Return the select that brings values of the record with the id ``id``; parameters: ``runtime.query.variables``."""
    joins = Joins(app, entity, entity.table, dialect)
    columns = [column.label(f"c{place}") for place, column in enumerate(_columns(app, joins, wanted, dialect))]
    source = joins.from_clause()
    return (
        sa.select(*columns)
        .select_from(source)
        .where(entity.table.c.id == sa.bindparam("id", type_=entity.table.c.id.type))
    )


def _columns(app: CompiledApp, joins: Joins, wanted: tuple[Tree, ...], dialect: Dialect) -> list[sa.ColumnElement[Any]]:
    found: list[sa.ColumnElement[Any]] = []
    for tree in wanted:
        if isinstance(tree, Path):
            found.append(joins.at(tree.steps))
        else:
            kept = kept_type(tree.type)
            value = to_stored(with_variables(tree), kept, joins, dialect, zone_only(app))
            found.append(sa.type_coerce(value, stored_type_of(app, joins.entity, tree)))
    return found


def zone_only(app: CompiledApp) -> Context:
    """Return a context of which only the zone counts: moment and person are parameters of the statement."""
    return Context(now=_EPOCH, zone=app.zone)


def end_of(app: CompiledApp, entity: CompiledEntity, steps: tuple[str, ...]) -> Field | None:
    """Return the field at the end of a path over to-one relations."""
    owner: CompiledEntity | None = entity
    found: Field | None = None
    for step in steps:
        found = owner.find_field(step) if owner is not None else None
        info = app.find_field(owner.key, step) if owner is not None else None
        owner = app.entities.get(info.target_entity) if info is not None and info.target_entity else None
    if found is not None and found.shows is not None:
        return None
    if isinstance(found, ComputedField):
        return None
    return found


class RecordRow:
    """A record as the evaluator reads it."""

    __slots__ = ("_brought", "_subject")

    def __init__(self, subject: Subject, brought: tuple[Any, ...]) -> None:
        self._subject = subject
        self._brought = brought

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value of a field, or of what the database brought."""
        first = steps[0]
        if first[0] != "#":
            return shown_value(self._subject.entity, first, self._subject.shown)
        if first == BROUGHT:
            return self._brought[int(steps[1])] if self._brought else None
        if first == CHANGED:
            return self._changed(steps)
        return shown_value(self._subject.entity, steps[1], self._former())

    def rows(self, relation: tuple[str, ...]) -> tuple[RecordRow, ...]:
        """Rollups are computed by the database."""
        raise AssertionError(relation)

    def _former(self) -> Mapping[str, JSON]:
        before = self._subject.before
        return self._subject.shown if before is None else before

    def _changed(self, steps: tuple[str, ...]) -> bool:
        before = self._subject.before
        if len(steps) == 1:
            return before is not None and not before
        key = steps[1]
        if before is None or not key:
            return False
        entity = self._subject.entity
        return bool(shown_value(entity, key, before) != shown_value(entity, key, self._subject.shown))
