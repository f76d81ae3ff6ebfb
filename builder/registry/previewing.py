"""What a formula gives on one record: a published one, read step by step as the formula asks, or values typed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.asking import directory_of
from builder.definition.kinds import Definition
from builder.fields.base import Invalid
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.many import ManyField
from builder.fields.reference import ReferenceField
from builder.kernel.problems import Problem, Violation, escape_pointer
from builder.kernel.text import errors_found, say
from formulas.evaluate import DictRow, program
from formulas.schema import Context, Directory

JSON = Any
ROWS = 1_000
"""Related records that a preview looks at."""


@dataclass
class StoredRow:
    """A published record as the evaluator reads it. Cost: one statement for the record and for each relation on the way."""

    connection: sa.Connection
    app: CompiledApp
    entity: CompiledEntity
    context: Context
    values: Mapping[str, Any]
    _reached: dict[str, StoredRow | None] = field(default_factory=dict)

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value at the end of a path; blank for a field that is not published yet."""
        first, *rest = steps
        if rest:
            target = self._reach(first)
            return None if target is None else target.value(tuple(rest))
        computed = self.app.computed.get((self.entity.key, first))
        if computed is not None and computed.place == "volatile":
            return program(computed.tree).run(self, self.context)
        shows = getattr(self.entity.fields.get(first), "shows", None)
        return self.values.get(shows or first)

    def rows(self, relation: tuple[str, ...]) -> list[StoredRow]:
        """The related records, the oldest first."""
        owner: StoredRow | None = self
        for step in relation[:-1]:
            owner = owner._reach(step) if owner is not None else None
        children = owner.entity.fields.get(relation[-1]) if owner is not None else None
        if owner is None or not isinstance(children, ManyField):
            return []
        target = self.app.entities[children.rows]
        wanted = sa.select(target.table).where(target.table.c[children.by] == owner.values["id"])
        found = self.connection.execute(wanted.order_by(target.table.c.id).limit(ROWS)).mappings()
        return [StoredRow(self.connection, self.app, target, self.context, dict(row)) for row in found]

    def _reach(self, key: str) -> StoredRow | None:
        if key not in self._reached:
            reference, target_id = self.entity.fields.get(key), self.values.get(key)
            known = isinstance(reference, ReferenceField) and target_id is not None
            self._reached[key] = (
                find_row(self.connection, self.app, reference.entity, str(target_id), self.context)  # type: ignore[union-attr]
                if known
                else None
            )
        return self._reached[key]


class StoredDirectory(Directory):
    """The directory as it stands. Cost: one statement a question."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def answer(self, function: str, subject: str) -> str | None:
        """What it says."""
        asked = directory_of(function)
        found = self._connection.scalar(sa.select(asked.answer(asked.subject)).where(asked.subject == subject))
        return None if found is None else str(found)


def find_row(
    connection: sa.Connection, app: CompiledApp, entity: str, record_id: str, context: Context
) -> StoredRow | None:
    """Return a published record, or None if there is none."""
    owner = app.entities.get(entity)
    if owner is None:
        return None
    row = connection.execute(sa.select(owner.table).where(owner.table.c.id == record_id)).mappings().first()
    return None if row is None else StoredRow(connection, app, owner, context, dict(row))


def typed_row(definition: Definition, entity: str, given: Mapping[str, JSON]) -> DictRow:
    """Return values that somebody typed in as a row: a to-one relation is an object, a to-many relation an array of them.

    Raises:
        Problem: ``record.invalid`` with every value that its field does not take.
    """
    violations: list[Violation] = []
    values = _typed(definition, entity, given, "/values", violations)
    if violations:
        count = len(violations)
        raise Problem("record.invalid", errors_found(count), violations=violations)
    return DictRow(values)


def _typed(
    definition: Definition, entity: str, given: Mapping[str, JSON], pointer: str, violations: list[Violation]
) -> dict[str, Any]:
    owner = definition.find_entity(entity)
    fields = {item.key: item for item in owner.fields} if owner is not None else {}
    values: dict[str, Any] = {}
    for key, value in given.items():
        item, at = fields.get(key), f"{pointer}/{escape_pointer(key[:100])}"
        if isinstance(item, ReferenceField) and isinstance(value, dict):
            values[key] = {"id": key, **_typed(definition, item.entity, value, at, violations)}
        elif isinstance(item, ManyField) and isinstance(value, list):
            values[key] = [
                _typed_row(definition, item, row, f"{at}/{n}", violations)
                for n, row in enumerate(value)
                if isinstance(row, dict)
            ]
        elif item is None or item.column_type() is None:
            message = say("没有这个可填的字段", "There is no such field that takes a value")
            violations.append(Violation("unknown", at, message))
        else:
            try:
                values[key] = None if value is None else item.coerce(value)
            except Invalid as invalid:
                violations.append(Violation(invalid.code, at, invalid.message, invalid.params))
    return values


def _typed_row(
    definition: Definition, item: ManyField, row: Mapping[str, JSON], pointer: str, violations: list[Violation]
) -> dict[str, Any]:
    """Return a row of a to-many relation; one of links holds the record at its end."""
    inside = dict(row)
    attributes = {a.key: a for a in item.attributes if a.key in inside} if isinstance(item, MultiReferenceField) else {}
    values: dict[str, Any] = {key: attribute.coerce(inside.pop(key)) for key, attribute in attributes.items()}
    shown = _typed(definition, item.entity, inside, pointer, violations)
    return values | ({item.through[0]: {"id": item.key, **shown}} if item.through else shown)
