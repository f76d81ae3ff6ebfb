"""Joins for bringing stored values up to date: all rollups over one relation are computed in one pass over its rows.

A subquery for each rollup reads the children once for each place in which the statement names it: to compare, to bound, to set.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.resolver import ChildRows, Joins
from builder.fields.parts.many import ManyField
from formulas.sql import Dialect, Gathered, Gathering, Resolver

Element = sa.ColumnElement[Any]


class GatheredJoins(Joins, Gathering):
    """A table with its to-one joins, and a join for each to-many relation of its own that rollups read.

    Args:
        within: the ids of the records that are wanted; None = all of them.
    """

    def __init__(
        self,
        app: CompiledApp,
        entity: CompiledEntity,
        table: sa.FromClause,
        dialect: Dialect,
        within: sa.Select[Any] | None,
    ) -> None:
        super().__init__(app, entity, table, dialect)
        self._within = within
        self._gathered: dict[str, _GatheredRows] = {}

    def gathered(self, relation: tuple[str, ...]) -> Gathered | None:
        """Return the rows of a relation of the record itself."""
        if len(relation) > 1:
            return None
        key = relation[0]
        found = self._gathered.get(key)
        if found is None:
            many = self.entity.fields[key]
            assert isinstance(many, ManyField)
            rows = ChildRows(self.app, many, self.table.c.id, self.dialect)
            made = _Beside(rows, key) if self.dialect == "postgresql" else _Grouped(rows, key, self.table, self._within)
            found = self._gathered[key] = made
        return found

    def from_clause(self) -> sa.FromClause:
        """Return the table with all joins; ask after every column was given."""
        clause = super().from_clause()
        for rows in self._gathered.values():
            clause = clause.outerjoin(*rows.joined())
        return clause


class _GatheredRows(Gathered):
    """Aggregates over the rows of one relation, as the columns of one subquery that is joined."""

    def __init__(self, rows: ChildRows, name: str) -> None:
        self._rows = rows
        self._name = f"g_{name}"
        self._columns: list[Element] = []

    @property
    def resolver(self) -> Resolver:
        """The columns of the children."""
        return self._rows.resolver

    def add(self, aggregate: Element, empty: Element) -> Element:
        """Take one more aggregate."""
        self._columns.append(aggregate.label(f"a{len(self._columns)}"))
        return self._shown(self._column(f"a{len(self._columns) - 1}", aggregate.type), empty)

    def _column(self, name: str, type_: TypeEngine[Any]) -> Element:
        return sa.literal_column(f"{self._name}.{name}", type_)

    def _shown(self, column: Element, empty: Element) -> Element:
        raise NotImplementedError

    def joined(self) -> tuple[sa.FromClause, Element]:
        """Return the subquery and the condition of its join."""
        raise NotImplementedError


class _Beside(_GatheredRows):
    """PostgreSQL: a lateral subquery, which finds the children of each record by their index however many there are."""

    def _shown(self, column: Element, _empty: Element) -> Element:
        return column  # aggregates without GROUP BY give a row for nothing, too

    def joined(self) -> tuple[sa.FromClause, Element]:
        """Return the subquery."""
        return self._rows.select(self._columns, None).lateral(self._name), sa.true()


class _Grouped(_GatheredRows):
    """SQLite knows no lateral subqueries: the children are grouped by their parent."""

    def __init__(self, rows: ChildRows, name: str, table: sa.FromClause, within: sa.Select[Any] | None) -> None:
        super().__init__(rows, name)
        self._table, self._within = table, within

    def _shown(self, column: Element, empty: Element) -> Element:
        if isinstance(empty, sa.sql.elements.Null):
            return column
        missing = self._column("parent", sa.Text()).is_(sa.null())
        return sa.type_coerce(sa.case((missing, empty), else_=column), column.type)

    def joined(self) -> tuple[sa.FromClause, Element]:
        """Return the grouped rows."""
        grouped = self._rows.grouped(self._columns, self._within).subquery(self._name)
        return grouped, grouped.c.parent == self._table.c.id
