"""Where the columns of paths are: adds the joins that filters and sorts need (the port of ``formulas.sql``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.children import ChildrenField
from builder.fields.reference import ReferenceField
from formulas.sql import Related, Resolver
from formulas.tree import Path

Element = sa.ColumnElement[Any]


class Joins(Resolver):
    """A record's table with the to-one joins that were asked for, each made once."""

    def __init__(self, app: CompiledApp, entity: CompiledEntity, table: sa.FromClause) -> None:
        self.app = app
        self.entity = entity
        self.table = table
        self._joined: dict[tuple[str, ...], tuple[CompiledEntity, sa.FromClause, Element]] = {}

    def column(self, path: Path) -> Element:
        """Return the column at the end of a path over to-one relations."""
        return self.at(path.steps)

    def at(self, steps: tuple[str, ...]) -> Element:
        """Return the column at the end of these steps."""
        *relations, last = steps
        if last == "id" and relations:
            return self.at(tuple(relations))  # the reference itself: no join
        _, table = self._reach(tuple(relations))
        column: Element = table.c[last]
        return column

    def _reach(self, relations: tuple[str, ...]) -> tuple[CompiledEntity, sa.FromClause]:
        if not relations:
            return self.entity, self.table
        found = self._joined.get(relations)
        if found is None:
            owner, table = self._reach(relations[:-1])
            reference = owner.fields[relations[-1]]
            assert isinstance(reference, ReferenceField)
            target = self.app.entities[reference.entity]
            alias = target.table.alias("__".join(("j", *relations))[:60])
            found = self._joined[relations] = (target, alias, alias.c.id == table.c[reference.key])
        return found[0], found[1]

    def related(self, relation: tuple[str, ...]) -> Related:
        """Return the records at the end of a path whose last step is a children field."""
        owner, table = self._reach(relation[:-1])
        children = owner.fields[relation[-1]]
        assert isinstance(children, ChildrenField)
        return _ChildRows(self.app, children, table)

    def from_clause(self) -> sa.FromClause:
        """Return the table with all joins; ask after every column was given."""
        clause: sa.FromClause = self.table
        for _, alias, condition in self._joined.values():
            clause = clause.outerjoin(alias, condition)
        return clause


class _ChildRows(Related):
    """The records of a children field, correlated with the record above."""

    def __init__(self, app: CompiledApp, children: ChildrenField, parent: sa.FromClause) -> None:
        self._parent = parent
        self._via = children.via
        target = app.entities[children.entity]
        self._joins = Joins(app, target, target.table.alias())

    @property
    def resolver(self) -> Resolver:
        """The columns of the children."""
        return self._joins

    def select(self, columns: Sequence[Element], condition: Element | None) -> sa.Select[Any]:
        """Return the correlated select."""
        statement = sa.select(*columns).select_from(self._joins.from_clause())
        statement = statement.where(self._joins.table.c[self._via] == self._parent.c.id)
        if condition is not None:
            statement = statement.where(condition)
        return statement.correlate(self._parent)
