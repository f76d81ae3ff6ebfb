"""Where the columns of paths are: adds the joins that filters, sorts and formulas need (the port of ``formulas.sql``).

This is the one place that makes joins, so it is also where a narrowed app's sight is asked: of every table that is joined, and of
every column that is given out. Row rules and computed fields see everything: they are read through resolvers without a sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.asking import directory_of
from builder.compiled.computing import with_variables
from builder.compiled.sight import Sight
from builder.fields.parts.many import SOURCE, TARGET, ManyField
from builder.fields.reference import ReferenceField
from formulas.sql import Asked, Asking, Dialect, Related, Resolver, to_stored
from formulas.tree import Path

Element = sa.ColumnElement[Any]


class Joins(Resolver, Asking):
    """A record's table with the to-one joins that were asked for, each made once. ``table`` is a real table or an alias of one."""

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
        """Return the column at the end of these steps, or the expression of a field that has none, as it is seen."""
        *relations, last = steps
        if last == "id" and relations:
            return self.at(tuple(relations))  # the reference itself: no join
        owner, table = self._reach(tuple(relations))
        sight = self.app.sight
        if sight is None or sight.is_plain(owner.key, last):
            return self._plain(owner, table, tuple(relations), last)
        whole = self._whole if not relations else scalars(self.app, owner, table, self.dialect)
        return sight.value(owner.key, last, self._plain(owner, table, tuple(relations), last), whole, self.dialect)

    def asked(self, function: str) -> Asked:
        """Return how the directory is asked."""
        return directory_of(function)

    def visible(self, ends: tuple[str, ...] = (SOURCE, TARGET)) -> Element | None:
        """Return the condition of the records of its own table that are seen; None for all.

        Args:
            ends: of links: the ends that are looked at; whoever comes from a record that is seen asks for the other one.
        """
        sight = self.app.sight
        if sight is None:
            return None
        if self.entity.link is not None:
            return self._seen_ends(sight, ends)
        return sight.rows(self.entity.key, self._whole, self.dialect)

    def _seen_ends(self, sight: Sight, ends: tuple[str, ...]) -> Element | None:
        """Return the condition of links whose ends are seen."""
        conditions: list[Element] = []
        for end in ends:
            field = self.entity.fields[end]
            assert isinstance(field, ReferenceField)
            if sight.hides_rows(field.entity):
                conditions.append(self._reach((end,))[1].c.id.is_not(None))
        return sa.and_(*conditions) if conditions else None

    @cached_property
    def _whole(self) -> Joins:
        """The same table without a sight; its joins go with these."""
        whole = self.app.whole
        return Joins(whole, whole.entities[self.entity.key], self.table, self.dialect)

    def _plain(self, owner: CompiledEntity, table: sa.FromClause, relations: tuple[str, ...], key: str) -> Element:
        if key in table.c:
            column: Element = table.c[key]
            return column
        field = owner.find_field(key)
        if field is not None and field.shows is not None:
            return self.at((*relations, field.shows))
        return self._computed(owner, table, relations, key)

    def _computed(self, owner: CompiledEntity, table: sa.FromClause, relations: tuple[str, ...], key: str) -> Element:
        computed = self.app.computed[owner.key, key]
        column_type = computed.shape.column_type()
        inner: Resolver = Under(self, relations)
        if self.app.sight is not None:
            inner = self._whole if not relations else scalars(self.app, owner, table, self.dialect)
        value = to_stored(with_variables(computed.tree), computed.type, inner, self.dialect, computed.context)
        return sa.type_coerce(value, column_type) if column_type is not None else value

    def _reach(self, relations: tuple[str, ...]) -> tuple[CompiledEntity, sa.FromClause]:
        if not relations:
            return self.entity, self.table
        found = self._joined.get(relations)
        if found is None:
            owner, _ = self._reach(relations[:-1])
            reference = owner.fields[relations[-1]]
            assert isinstance(reference, ReferenceField)
            target = self.app.entities[reference.entity]
            alias = target.table.alias()
            meets = seen_when(self.app, target, alias, self.dialect, alias.c.id == self.at(relations))
            found = self._joined[relations] = (target, alias, meets)
        return found[0], found[1]

    def related(self, relation: tuple[str, ...]) -> Related:
        """Return the records at the end of a path whose last step leads to several."""
        owner, table = self._reach(relation[:-1])
        many = owner.fields[relation[-1]]
        assert isinstance(many, ManyField)
        return ChildRows(self.app, many, table.c.id, self.dialect)

    def joined(self) -> list[tuple[sa.FromClause, Element]]:
        """Return the joins with their conditions, in order."""
        # what is seen of a reference may hang on the joins of the whole: those stand first
        before = self._whole.joined() if "_whole" in self.__dict__ else []
        return before + [(alias, condition) for _, alias, condition in self._joined.values()]

    def from_clause(self) -> sa.FromClause:
        """Return the table with all joins; ask after every column was given."""
        clause: sa.FromClause = self.table
        for alias, condition in self.joined():
            clause = clause.outerjoin(alias, condition)
        return clause


class Scalars(Joins):
    """Paths as subqueries instead of joins: for conditions of a join, which can bring no joins of their own."""

    @cached_property
    def _whole(self) -> Joins:
        """The same table without a sight."""
        return scalars(self.app, self.entity, self.table, self.dialect)

    def at(self, steps: tuple[str, ...]) -> Element:
        """Return the column at the end of these steps."""
        first, *rest = steps
        if not rest or steps[1:] == ("id",):
            return super().at((first,))
        reference = self.entity.fields[first]
        assert isinstance(reference, ReferenceField)
        target = self.app.entities[reference.entity]
        alias = target.table.alias()
        value = Scalars(self.app, target, alias, self.dialect).at(tuple(rest))
        chosen = sa.select(value).select_from(alias).where(alias.c.id == super().at((first,)))
        return chosen.correlate_except(alias).scalar_subquery()

    def related(self, relation: tuple[str, ...]) -> Related:
        """Return the records at the end of a path whose last step leads to several."""
        owner = self.entity
        for step in relation[:-1]:
            reference = owner.fields[step]
            assert isinstance(reference, ReferenceField)
            owner = self.app.entities[reference.entity]
        many = owner.fields[relation[-1]]
        assert isinstance(many, ManyField)
        parent: Element = self.at(relation[:-1]) if len(relation) > 1 else self.table.c.id
        return ChildRows(self.app, many, parent, self.dialect)


def scalars(app: CompiledApp, entity: CompiledEntity, table: sa.FromClause, dialect: Dialect) -> Scalars:
    """Return the columns of a table that nothing is hidden of, for conditions of its own joins."""
    whole = app.whole
    return Scalars(whole, whole.entities[entity.key], table, dialect)


def seen_when(
    app: CompiledApp, entity: CompiledEntity, table: sa.FromClause, dialect: Dialect, meets: Element
) -> Element:
    """Return a join's condition, with that of the records that are seen."""
    if app.sight is None:
        return meets
    rows = app.sight.rows(entity.key, scalars(app, entity, table, dialect), dialect)
    return meets if rows is None else sa.and_(meets, rows)


class Under(Resolver, Asking):
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

    def asked(self, function: str) -> Asked:
        """Return how the directory is asked."""
        return directory_of(function)


class ChildRows(Related):
    """The rows of a to-many relation, correlated with the record above."""

    def __init__(self, app: CompiledApp, field: ManyField, parent_id: Element, dialect: Dialect) -> None:
        self._parent_id = parent_id
        self._by, self._through = field.by, field.through
        target = app.entities[field.rows]
        self._joins = Joins(app, target, target.table.alias(), dialect)

    @property
    def resolver(self) -> Resolver:
        """The columns of the children."""
        return self._joins

    def select(self, columns: Sequence[Element], condition: Element | None) -> sa.Select[Any]:
        """Return the correlated select of those that are seen."""
        visible = self._joins.visible(self._through)
        statement = sa.select(*columns).select_from(self._joins.from_clause())
        statement = statement.where(self._joins.at((self._by,)) == self._parent_id)
        for each in (condition, visible):
            if each is not None:
                statement = statement.where(each)
        # everything but its own tables belongs to the records above: `this.` may reach over their joins
        own = [alias for alias, _ in self._joins.joined()]
        return statement.correlate_except(self._joins.table, *own)

    def grouped(self, columns: Sequence[Element], parents: sa.Select[Any] | None) -> sa.Select[Any]:
        """Return aggregates of those that are seen by ``parent``, of all parents or of some."""
        parent, visible = self._joins.at((self._by,)), self._joins.visible(self._through)
        statement = sa.select(parent.label("parent"), *columns).select_from(self._joins.from_clause())
        statement = statement.group_by(parent)
        if visible is not None:
            statement = statement.where(visible)
        return statement if parents is None else statement.where(parent.in_(parents))
