"""The rows of search indexes, read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.store.search_tables import search_index as table

State = Literal["building", "ready"]


class IndexRow(NamedTuple):
    """The search index of one entity."""

    app: str
    entity: str
    table: str
    columns: tuple[str, ...]
    state: State
    position: str | None
    common: str
    counted_at: datetime | None


class SearchIndex(NamedTuple):
    """An index that searches may ask."""

    table: str
    columns: frozenset[str]
    common: Mapping[str, float]
    """Pairs of characters that many records have, and which share of them."""


def list_rows(connection: sa.Connection, app: str | None = None) -> list[IndexRow]:
    """Return the indexes of an app, or of all."""
    statement = sa.select(table).order_by(table.c.app, table.c.entity)
    found = connection.execute(statement if app is None else statement.where(table.c.app == app))
    return [
        IndexRow(
            r.app, r.entity, r.table_name, tuple(parse_json(r.columns)), r.state, r.position, r.common, r.counted_at
        )
        for r in found
    ]


def ready_indexes(connection: sa.Connection, app: str) -> Mapping[str, SearchIndex]:
    """Return what searches of an app may ask, by entity."""
    ready = [row for row in list_rows(connection, app) if row.state == "ready"]
    if not ready or not can_index(connection):
        return MappingProxyType({})
    return MappingProxyType(
        {
            row.entity: SearchIndex(
                row.table,
                frozenset(row.columns),
                {gram: float(share) for gram, share in parse_json(row.common).items()},
            )
            for row in ready
        }
    )


def can_index(connection: sa.Connection) -> bool:
    """Tell whether this database can have such indexes: PostgreSQL always, SQLite if it was built with FTS5."""
    if connection.dialect.name != "sqlite":
        return True
    return bool(connection.exec_driver_sql("SELECT sqlite_compileoption_used('ENABLE_FTS5')").scalar())


def add_row(connection: sa.Connection, app: str, entity: str, table_name: str, columns: Sequence[str]) -> IndexRow:
    """Note an index that is to be built."""
    values = {"table_name": table_name, "columns": _dump(columns), "state": "building", "common": "{}"}
    connection.execute(sa.insert(table).values(app=app, entity=entity, **values))
    return IndexRow(app, entity, table_name, tuple(columns), "building", None, "{}", None)


def change_row(connection: sa.Connection, row: IndexRow, **values: Any) -> None:
    """Change members of a row; ``columns`` and ``common`` are given as values."""
    for name in ("columns", "common"):
        if name in values:
            values[name] = _dump(values[name])
    connection.execute(sa.update(table).where(_here(row)).values(**values))


def drop_row(connection: sa.Connection, row: IndexRow) -> None:
    """Forget an index."""
    connection.execute(sa.delete(table).where(_here(row)))


def _here(row: IndexRow) -> sa.ColumnElement[bool]:
    return (table.c.app == row.app) & (table.c.entity == row.entity)


def _dump(value: Any) -> str:
    return dump_json(list(value) if isinstance(value, tuple | frozenset) else value).decode()
