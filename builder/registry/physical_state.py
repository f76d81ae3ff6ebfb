"""What stands in the database: tables with columns, indexes and foreign keys, read in a few queries, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.physical import PhysicalTable
from builder.publish.kept import Kept, KeptEntity, kept_columns
from builder.store.searching.postgresql import PREFIX as SEARCH_PREFIX


@dataclass(frozen=True, slots=True)
class TableState:
    """A table in plain values: what is expected and what is found compare as equal or not."""

    columns: Mapping[str, str]
    """Name -> type in the words of the database, with NOT NULL."""
    indexes: Mapping[str, str]
    """Name -> unique or plain, and its columns in order."""
    references: Mapping[str, str]
    """Column -> the table and column it refers to."""
    key: tuple[str, ...]


def expected_state(table: PhysicalTable, dialect: sa.Dialect) -> TableState:
    """Return how a table shall stand in the database."""
    return TableState(
        {c.name: _column(c.type, c.nullable, dialect) for c in table.columns.values()},
        {index.name: _index(index.unique, index.columns) for index in table.indexes.values()},
        {c.name: f"{c.references}.id" for c in table.columns.values() if c.references},
        ("id",),
    )


def expected_tables(app: CompiledApp | None, key: str, kept: Sequence[Kept]) -> Iterator[PhysicalTable]:
    """Yield the tables that an app has, with what is kept of former versions in and beside them."""
    tables = [entity.physical for entity in app.entities.values()] if app else []
    tables += [
        KeptEntity.read(item.storage)._replace(references={}).table(key, item.table_name)
        for item in kept
        if not item.column_name
    ]
    for table in tables:
        yield table.changed(columns=[*table.columns.values(), *kept_columns(kept, table.name)])


def read_tables(connection: sa.Connection, names: Collection[str]) -> dict[str, TableState]:
    """Return how tables stand in the database; those that do not exist are left out."""
    inspector = sa.inspect(connection)
    wanted = sorted(set(inspector.get_table_names()) & set(names))
    columns = inspector.get_multi_columns(filter_names=wanted)
    indexes = inspector.get_multi_indexes(filter_names=wanted)
    references = inspector.get_multi_foreign_keys(filter_names=wanted)
    keys = inspector.get_multi_pk_constraint(filter_names=wanted)
    return {
        name: TableState(
            {c["name"]: _column(c["type"], c["nullable"], connection.dialect) for c in columns[None, name]},
            dict(_found_indexes(indexes.get((None, name), ()))),
            dict(_found_references(references.get((None, name), ()))),
            tuple(keys[None, name]["constrained_columns"]),
        )
        for name in wanted
    }


def list_tables(connection: sa.Connection) -> list[str]:
    """Return the names of all tables."""
    return sorted(sa.inspect(connection).get_table_names())


def _column(kind: sa.types.TypeEngine[Any], nullable: bool, dialect: sa.Dialect) -> str:
    words = dialect.type_compiler_instance.process(kind)
    return words if nullable else f"{words} NOT NULL"


def _index(unique: bool, columns: Iterable[str | None]) -> str:
    return f"{'unique' if unique else 'plain'} ({', '.join(str(column) for column in columns)})"


def _found_indexes(found: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for index in found:
        if str(index["name"]).startswith(SEARCH_PREFIX):
            continue  # comes and goes behind publishes: builder/registry/search_indexes.py
        yield str(index["name"]), _index(bool(index["unique"]), index["column_names"])


def _found_references(found: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for reference in found:
        target = f"{reference['referred_table']}.{', '.join(reference['referred_columns'])}"
        yield ", ".join(reference["constrained_columns"]), target
