"""The physical shape of an app: its tables, columns and indexes as plain values, from which steps, checks of the database and SQL are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import sqlalchemy as sa

from builder.compiled.conditional import Where, where_of
from builder.definition.entity import Entity, UniqueIf
from builder.definition.links import is_link
from builder.fields.base import Field
from builder.fields.department import DepartmentField
from builder.fields.parts.many import LINK_DOT, SOURCE
from builder.fields.reference import ReferenceField
from builder.fields.user import UserField
from builder.store.names import cut_name
from builder.store.tables import PREFIX
from builder.store.types import Identifier, Instant, StoredType, Whole, Words

T = TypeVar("T", "PhysicalColumn", "PhysicalIndex")


@dataclass(frozen=True, slots=True)
class PhysicalColumn:
    """A column; ``references`` is the table its values are ids of."""

    name: str
    type: StoredType
    references: str | None = None
    nullable: bool = True

    @property
    def storage(self) -> str:
        """Equal for two columns that can hold each other's values as they are."""
        return self.type.signature()


@dataclass(frozen=True, slots=True)
class PhysicalIndex:
    """An index over columns, in order."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    where: Where = ()
    """Only records for which this holds are in it; empty: all."""


@dataclass(frozen=True, slots=True)
class PhysicalTable:
    """A table. The mappings are read-only and in order."""

    name: str
    columns: Mapping[str, PhysicalColumn]
    indexes: Mapping[str, PhysicalIndex]

    def changed(
        self,
        *,
        name: str | None = None,
        columns: Iterable[PhysicalColumn] | None = None,
        indexes: Iterable[PhysicalIndex] | None = None,
    ) -> PhysicalTable:
        """Return the table with parts replaced."""
        return replace(
            self,
            name=name or self.name,
            columns=self.columns if columns is None else _by_name(columns),
            indexes=self.indexes if indexes is None else _by_name(indexes),
        )

    def to_sqlalchemy(self, metadata: sa.MetaData) -> sa.Table:
        """Return the table as SQLAlchemy sees it, foreign keys named, without indexes."""
        columns: list[sa.Column[Any]] = [
            sa.Column(column.name, column.type, primary_key=column.name == "id", nullable=column.nullable)
            for column in self.columns.values()
        ]
        references = [
            sa.ForeignKeyConstraint(
                [column.name],
                [f"{column.references}.id"],
                name=reference_name(self.name, column.name),
                link_to_name=True,
            )
            for column in self.columns.values()
            if column.references
        ]
        return sa.Table(self.name, metadata, *columns, *references)


def _by_name(items: Iterable[T]) -> Mapping[str, T]:
    return MappingProxyType({item.name: item for item in items})


def table_name(app: str, entity: str) -> str:
    """Return the table of an entity, or of links (``lead.co_sellers``); always fits PostgreSQL's limit."""
    return cut_name(f"{app}__{entity.replace(LINK_DOT, '__')}")


def reference_name(table: str, column: str) -> str:
    """Return the name of a foreign key."""
    return cut_name(f"fk_{table}__{column}")


def index_name(table: str, columns: Iterable[str], *, unique: bool, condition: str = "") -> str:
    """Return the name of an index; ``condition`` is the key of what makes it a partial one."""
    tail = f"__if_{condition}" if condition else ""
    return cut_name(f"{'uq' if unique else 'ix'}_{table}__{'__'.join(columns)}{tail}")


_SYSTEM_COLUMNS: tuple[PhysicalColumn, ...] = (
    PhysicalColumn("id", Identifier(), nullable=False),
    PhysicalColumn("revision", Whole(), nullable=False),
    PhysicalColumn("created_at", Instant(), nullable=False),
    PhysicalColumn("created_by", Words()),
    PhysicalColumn("updated_at", Instant(), nullable=False),
    PhysicalColumn("updated_by", Words()),
)


def physical_column(app: str, field: Field) -> PhysicalColumn | None:
    """Return the column of a field, or None if it has none."""
    column_type = field.column_type()
    if column_type is None:
        return None
    return PhysicalColumn(field.key, column_type, _target_table(app, field))


def _target_table(app: str, field: Field) -> str | None:
    if isinstance(field, ReferenceField):
        return table_name(app, field.entity)
    return PREFIX + field.refers_to if field.refers_to else None


def physical_table(app: str, entity: Entity, *, indexed: bool = True) -> PhysicalTable:
    """Return the table an entity becomes. Raises ``FormulaErrors`` for a wrong condition of an index (checks find it before)."""
    name = table_name(app, entity.key)
    columns = [column for field in entity.fields if (column := physical_column(app, field))]
    return PhysicalTable(
        name, _by_name((*_SYSTEM_COLUMNS, *columns)), _by_name(_indexes(name, entity) if indexed else ())
    )


def _indexes(table: str, entity: Entity) -> list[PhysicalIndex]:
    # lists come newest first; the id makes the order total, so a cursor can stand on it; links are found by their ends alone
    wanted: list[tuple[tuple[str, ...], bool]] = [] if is_link(entity.key) else [(("created_at", "id"), False)]
    for field in entity.fields:
        if field.key == SOURCE:
            continue  # the unique index begins with it
        if field.unique and field.stored:
            wanted.append(((field.key,), True))
        elif field.indexed and is_owner(field):
            wanted.append(((field.key, "created_at", "id"), False))  # whose records they are, the newest first
        elif (field.indexed or isinstance(field, ReferenceField)) and field.stored:
            wanted.append(((field.key,), False))
    wanted += [(tuple(keys), True) for keys in entity.unique]
    wanted += [(tuple(keys), False) for keys in entity.indexes]
    plain = [
        PhysicalIndex(index_name(table, keys, unique=unique), keys, unique) for keys, unique in dict.fromkeys(wanted)
    ]
    return plain + [conditional_index(table, entity, unique) for unique in entity.unique_if]


def is_owner(field: Field) -> bool:
    """Whether a field says whose a record is, and has an index by which the newest of each owner are found."""
    return isinstance(field, UserField | DepartmentField) and field.indexed and not field.unique


def conditional_index(table: str, entity: Entity, unique: UniqueIf) -> PhysicalIndex:
    """Return the partial index of a conditional unique set."""
    keys = tuple(unique.fields)
    name = index_name(table, keys, unique=True, condition=unique.key)
    return PhysicalIndex(name, keys, True, where_of(entity, unique))
