"""Columns and tables that left the definition and are kept aside until they come back or are purged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.physical import PhysicalColumn, PhysicalTable, physical_table
from builder.definition.entity import Entity
from builder.definition.kinds import ENTITIES, dump_document
from builder.definition.links import dump_link, is_link, read_link
from builder.definition.parse import parse_document
from builder.kernel.canonical import dump_sorted, parse_json
from builder.publish.lineage import EntityLine, dump_line, read_line
from builder.publish.step import Work, operations_on
from builder.store import tables
from builder.store.names import cut_name
from builder.store.types import Identifier, type_of_signature

JSON = Any
_LEADS_TO = ">"


class Kept(NamedTuple):
    """One thing kept aside. ``field`` and ``column_name`` are empty for a whole entity."""

    id: str
    entity: str
    field: str
    table_name: str
    column_name: str
    storage: str
    """Of a column: its type, and the table its ids lead to. Of an entity: a ``KeptEntity`` as JSON."""
    origin: str
    """Its id in the app's lineage."""
    version: int
    kept_at: datetime

    @property
    def signature(self) -> str:
        """The type of a column's values."""
        return self.storage.partition(_LEADS_TO)[0]

    @property
    def target(self) -> str | None:
        """The table that a column's ids lead to, as it is called now."""
        return self.storage.partition(_LEADS_TO)[2] or None

    def column(self) -> PhysicalColumn:
        """Return the column as it stands in its table: without a foreign key, so that it holds nobody."""
        return PhysicalColumn(self.column_name, type_of_signature(self.signature))


class KeptEntity(NamedTuple):
    """What an entity was when it was set aside."""

    entity: Entity
    references: Mapping[str, str]
    """Column -> table that its ids lead to, as it is called now."""
    line: EntityLine

    def dump(self) -> str:
        """Write as canonical JSON."""
        value = {
            "document": dump_link(self.entity) if is_link(self.entity.key) else dump_document(self.entity),
            "references": dict(self.references),
            "line": dump_line(self.line),
        }
        return dump_sorted(value).decode()

    @classmethod
    def read(cls, text: str) -> KeptEntity:
        """Read what ``dump`` wrote."""
        value = parse_json(text)
        document = value["document"]
        entity = read_link(document) if "owner" in document else parse_document(ENTITIES, document)
        assert isinstance(entity, Entity)
        return cls(entity, value["references"], read_line(value["line"]))

    def table(self, app: str, name: str) -> PhysicalTable:
        """Return the table as it stands: no index; ``references`` say where ids lead, but no foreign key holds them."""
        bare = physical_table(app, self.entity, indexed=False).changed(name=name)
        return bare.changed(
            columns=[
                PhysicalColumn(c.name, c.type, self.references.get(c.name), c.nullable) for c in bare.columns.values()
            ]
        )


def kept_name(name: str, version: int) -> str:
    """Return the name something takes when a version sets it aside."""
    return cut_name(f"{name}__kept{version}")


def storage_of(column: PhysicalColumn, target: str | None) -> str:
    """Return what is remembered of a column: equal for two columns that can hold each other's values."""
    return f"{column.storage}{_LEADS_TO}{target}" if target else column.storage


def list_kept(connection: sa.Connection, app: str) -> list[Kept]:
    """Return what an app keeps, latest first."""
    kept = tables.kept
    columns = [kept.c[name] for name in Kept._fields]
    statement = (
        sa.select(*columns).where(kept.c.app == app).order_by(kept.c.version.desc(), kept.c.entity, kept.c.field)
    )
    return [Kept(*row) for row in connection.execute(statement)]


def find_kept_entity(kept: Iterable[Kept], entity: str) -> Kept | None:
    """Return the latest kept table of an entity."""
    return next((k for k in kept if k.entity == entity and not k.column_name), None)


def kept_columns(kept: Sequence[Kept], table: str) -> list[PhysicalColumn]:
    """Return the columns that stand aside in a table."""
    return [k.column() for k in kept if k.table_name == table and k.column_name]


# -- inside a publish -------------------------------------------------------------------------------------------------------


class Aside(NamedTuple):
    """What to remember of a thing that is set aside."""

    entity: str
    field: str
    table: str
    column: str
    storage: str
    origin: str


def remember(work: Work, aside: Aside) -> None:
    """Record that something was set aside."""
    work.connection.execute(
        sa.insert(tables.kept).values(
            id=work.ids.record_id(),
            app=work.app,
            entity=aside.entity,
            field=aside.field,
            table_name=aside.table,
            column_name=aside.column,
            storage=aside.storage,
            origin=aside.origin,
            version=work.version,
            kept_at=work.now,
        )
    )


def forget(work: Work, kept_id: str) -> None:
    """Record that something was taken up again."""
    work.connection.execute(sa.delete(tables.kept).where(tables.kept.c.id == kept_id))


def follow_table(work: Work, old_table: str, new_table: str, entity: str) -> None:
    """Keep what is remembered true when a table takes another name: kept columns in it, and kept ids that lead to it."""
    kept = tables.kept
    own = kept.c.app == work.app
    here = own & (kept.c.table_name == old_table) & (kept.c.column_name != "")
    work.connection.execute(sa.update(kept).where(here).values(table_name=new_table, entity=entity))
    leads = Identifier().signature() + _LEADS_TO
    work.connection.execute(
        sa.update(kept).where(own & (kept.c.storage == leads + old_table)).values(storage=leads + new_table)
    )
    for row in work.connection.execute(sa.select(kept.c.id, kept.c.storage).where(own & (kept.c.column_name == ""))):
        found = KeptEntity.read(row.storage)
        if old_table in found.references.values():
            moved = {column: new_table if t == old_table else t for column, t in found.references.items()}
            storage = found._replace(references=moved).dump()
            work.connection.execute(sa.update(kept).where(kept.c.id == row.id).values(storage=storage))


def follow_counters(work: Work, old_entity: str, new_entity: str) -> None:
    """Let the counters of an entity's numbers go with it, and what its records hold of files."""
    for table in (tables.counter, tables.file_use):
        here = (table.c.app == work.app) & (table.c.entity == old_entity)
        work.connection.execute(sa.update(table).where(here).values(entity=new_entity))


def follow_counter(work: Work, entity: str, old_field: str, new_field: str) -> None:
    """Let the counters of one field go with it."""
    counter = tables.counter
    here = (counter.c.app == work.app) & (counter.c.entity == entity) & (counter.c.field == old_field)
    work.connection.execute(sa.update(counter).where(here).values(field=new_field))


# -- for good ---------------------------------------------------------------------------------------------------------------


def forget_for_good(connection: sa.Connection, app: str, kept: Kept) -> None:
    """Drop a kept column or table with all that is remembered of it. The caller holds the app."""
    operations = operations_on(connection)
    row, counter = tables.kept, tables.counter
    gone = (row.c.app == app) & (row.c.id == kept.id)
    counted = counter.c.app == app
    if kept.column_name:
        operations.drop_column(kept.table_name, kept.column_name)
        counted &= (counter.c.entity == kept.entity) & (counter.c.field == kept.column_name)
    else:
        operations.drop_table(kept.table_name)
        gone |= (row.c.app == app) & (row.c.table_name == kept.table_name)  # its own kept columns too
        counted &= counter.c.entity == kept.table_name
    connection.execute(sa.delete(counter).where(counted))
    connection.execute(sa.delete(row).where(gone))
