"""Where the columns of paths are: adds the joins that filters, sorts and formulas need (the port of ``formulas.sql``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.fields.children import ChildrenField
from builder.fields.reference import ReferenceField
from formulas.sql import Dialect, Related, Resolver, to_stored
from formulas.tree import Path

Element = sa.ColumnElement[Any]


class Joins(Resolver):
    """A record's table with the to-one joins that were asked for, each made once."""

    def __init__(self, app: CompiledApp, entity: CompiledEntity, table: sa.FromClause, dialect: Dialect) -> None:
        self.app = app
        self.entity = entity
        self.table = table
        self.dialect: Dialect = dialect
        self._joined: dict[tuple[str, ...], tuple[CompiledEntity, sa.FromClause, Element]] = {}

    def column(self, path: Path) -> Element:
        """Return the column at the end of a path over to-one relations."""
        return self.at(path.steps)

    def at(self, steps: tuple[str, ...]) -> Element:
        """Return the column at the end of these steps, or the expression of a field that has none."""
        *relations, last = steps
        if last == "id" and relations:
            return self.at(tuple(relations))  # the reference itself: no join
        owner, table = self._reach(tuple(relations))
        if last in table.c:
            column: Element = table.c[last]
            return column
        field = owner.find_field(last)
        if field is not None and field.shows is not None:
            return self.at((*relations, field.shows))
        return self._computed(owner, tuple(relations), last)

    def _computed(self, owner: CompiledEntity, relations: tuple[str, ...], key: str) -> Element:
        computed = self.app.computed[owner.key, key]
        column_type = computed.shape.column_type()
        inner = Under(self, relations)
        value = to_stored(with_variables(computed.tree), computed.type, inner, self.dialect, computed.context)
        return sa.type_coerce(value, column_type) if column_type is not None else value

    def _reach(self, relations: tuple[str, ...]) -> tuple[CompiledEntity, sa.FromClause]:
        if not relations:
            return self.entity, self.table
        found = self._joined.get(relations)
        if found is None:
            owner, table = self._reach(relations[:-1])
            reference = owner.fields[relations[-1]]
            assert isinstance(reference, ReferenceField)
            target = self.app.entities[reference.entity]
            alias = target.table.alias()
            found = self._joined[relations] = (target, alias, alias.c.id == table.c[reference.key])
        return found[0], found[1]

    def related(self, relation: tuple[str, ...]) -> Related:
        """Return the records at the end of a path whose last step is a children field."""
        owner, table = self._reach(relation[:-1])
        children_field = owner.fields[relation[-1]]
        assert isinstance(children_field, ChildrenField)
        return _ChildRows(self.app, children_field, table, self.dialect)

    def joined(self) -> list[tuple[sa.FromClause, Element]]:
        """Return the joins with their conditions, in order."""
        return [(alias, condition) for _, alias, condition in self._joined.values()]

    def from_clause(self) -> sa.FromClause:
        """Return the table with all joins; ask after every column was given."""
        clause: sa.FromClause = self.table
        for _, alias, condition in self._joined.values():
            clause = clause.outerjoin(alias, condition)
        return clause


class Under(Resolver):
    """The same joins, seen from a record at the end of a path: for the formula of a field there."""

    def __init__(self, joins: Joins, relations: tuple[str, ...]) -> None:
        self._joins = joins
        self._relations = relations

    def column(self, path: Path) -> Element:
        """Return the column at the end of a path from there."""
        return self._joins.at((*self._relations, *path.steps))

    def related(self, relation: tuple[str, ...]) -> Related:
        """Return the related records from there."""
        return self._joins.related((*self._relations, *relation))


class _ChildRows(Related):
    """The records of a children field, correlated with the record above."""

    def __init__(self, app: CompiledApp, field: ChildrenField, parent: sa.FromClause, dialect: Dialect) -> None:
        self._parent = parent
        self._via = field.via
        target = app.entities[field.entity]
        self._joins = Joins(app, target, target.table.alias(), dialect)

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
        # everything but its own tables belongs to the records above: `this.` may reach over their joins
        own = [alias for alias, _ in self._joins.joined()]
        return statement.correlate_except(self._joins.table, *own)
