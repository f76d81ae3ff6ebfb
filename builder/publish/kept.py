"""Columns and tables that left the definition and are kept aside until they come back or are purged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from builder.compiled.physical import PhysicalColumn, cut_name
from builder.publish.step import Work
from builder.store import tables
from builder.store.types import type_of_signature


class Kept(NamedTuple):
    """One thing kept aside. ``field`` and ``column_name`` are empty for a whole entity, whose ``storage`` is its document."""

    id: str
    entity: str
    field: str
    table_name: str
    column_name: str
    storage: str
    version: int

    def column(self) -> PhysicalColumn:
        """Return the column as it stands in its table."""
        return PhysicalColumn(self.column_name, type_of_signature(self.storage))


def kept_name(name: str, version: int) -> str:
    """Return the name something takes when a version sets it aside."""
    return cut_name(f"{name}__kept{version}")


def list_kept(connection: sa.Connection, app: str) -> list[Kept]:
    """Return what an app keeps, latest first."""
    kept = tables.kept
    columns = (
        kept.c.id,
        kept.c.entity,
        kept.c.field,
        kept.c.table_name,
        kept.c.column_name,
        kept.c.storage,
        kept.c.version,
    )
    statement = (
        sa.select(*columns).where(kept.c.app == app).order_by(kept.c.version.desc(), kept.c.entity, kept.c.field)
    )
    return [Kept(*row) for row in connection.execute(statement)]


def find_kept_field(kept: Iterable[Kept], table: str, field: str, storage: str) -> Kept | None:
    """Return the latest kept column of a field with this storage."""
    return next(
        (k for k in kept if k.table_name == table and k.field == field and k.storage == storage and k.column_name), None
    )


def find_kept_entity(kept: Iterable[Kept], entity: str) -> Kept | None:
    """Return the latest kept table of an entity."""
    return next((k for k in kept if k.entity == entity and not k.column_name), None)


def kept_columns(kept: Sequence[Kept], table: str) -> list[PhysicalColumn]:
    """Return the columns that stand aside in a table."""
    return [k.column() for k in kept if k.table_name == table and k.column_name]


def remember(work: Work, entity: str, field: str, table: str, column: str, storage: str) -> None:
    """Record that something was set aside."""
    work.connection.execute(
        sa.insert(tables.kept).values(
            id=work.ids.record_id(),
            app=work.app,
            entity=entity,
            field=field,
            table_name=table,
            column_name=column,
            storage=storage,
            version=work.version,
            kept_at=work.now,
        )
    )


def forget(work: Work, kept_id: str) -> None:
    """Record that something was taken up again."""
    work.connection.execute(sa.delete(tables.kept).where(tables.kept.c.id == kept_id))


def follow_table(work: Work, old_table: str, new_table: str, new_entity: str) -> None:
    """Keep the records of kept columns true when their table is renamed."""
    kept = tables.kept
    here = (kept.c.app == work.app) & (kept.c.table_name == old_table) & (kept.c.column_name != "")
    work.connection.execute(sa.update(kept).where(here).values(table_name=new_table, entity=new_entity))
