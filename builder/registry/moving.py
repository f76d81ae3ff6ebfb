"""A company outgrows its SQLite file: everything there is goes into an empty PostgreSQL database, in one transaction.

What waits goes along as it stands (timers, deliveries, jobs and where they were, positions of automations), so who works there goes on where
the file stopped. Ids, revisions, hashes and the order of the feed stay what they were: on PostgreSQL the feed is in the order of transactions,
and what came from a file counts as the oldest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, compile_app
from builder.compiled.physical import PhysicalTable, reference_name
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.publish.kept import list_kept
from builder.publish.step import operations_on
from builder.publish.steps.indexes import create_index
from builder.registry.apps import AppLine, list_apps
from builder.registry.physical_state import expected_tables
from builder.registry.registry import get_package
from builder.store import tables
from builder.store.database import Database
from builder.store.migrate import migrate_database
from builder.store.search_tables import search_index
from builder.store.statement import POSTGRESQL, SQLITE

_ROWS = 1_000
_ANEW: Mapping[str, Mapping[str, Any]] = {search_index.name: {"state": "building", "position": None}}
"""What differs there: indexes for searching have another form on PostgreSQL and are built by whoever works there first."""


class Moved(NamedTuple):
    """What a move did."""

    table_count: int
    row_count: int


def move_database(source: Database, target: Database) -> Moved:
    """Copy all tables into an empty database; nothing of it remains if anything goes wrong. Nobody writes to the source meanwhile.

    Raises:
        Problem: ``service.unavailable`` if it is not from SQLite to PostgreSQL, or there are tables already.
    """
    if (source.dialect, target.dialect) != (SQLITE, POSTGRESQL):
        detail = say(
            "只能从 SQLite 文件搬到 PostgreSQL;PostgreSQL 之间请用 pg_dump 与 pg_restore",
            "A move leads from an SQLite file to PostgreSQL; between servers of PostgreSQL use pg_dump and pg_restore",
        )
        raise Problem("service.unavailable", detail)
    with target.snapshot() as connection:
        if sa.inspect(connection).get_table_names():
            detail = say(
                "目标数据库里已有表;请新建一个空数据库再搬",
                "There are tables in the target already; make a new, empty database and move into that",
            )
            raise Problem("service.unavailable", detail)
    counts: dict[str, int] = {}
    migrate_database(target, partial(_fill, source, counts))
    with target.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")  # the planner knows nothing of tables that have just been filled
    return Moved(len(counts), sum(counts.values()))


def _fill(source: Database, counts: dict[str, int], into: sa.Connection) -> None:
    platform = tables.metadata.sorted_tables
    with source.transaction() as out:  # it holds the file: who writes by another process waits
        references = _defer(into, platform)
        for table in platform:
            into.execute(sa.delete(table))  # a migration may put rows down
        for table in platform:
            counts[table.name] = _copy(out, into, table)
        into.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        _settle(into, references)
        for app in list_apps(out):
            for physical in _tables_of(out, app):
                counts[physical.name] = _copy(out, into, _create(into, physical))
        for app in list_apps(out):  # an entity may refer to one that comes later
            for physical in _tables_of(out, app):
                _bind(into, physical)
    highest = sa.select(sa.func.coalesce(sa.func.max(tables.event.c.id), 0) + 1).scalar_subquery()
    sequence = sa.func.pg_get_serial_sequence(tables.event.name, "id")
    into.execute(sa.select(sa.func.setval(sequence, highest, False)))
    _compare(into, counts)


def _tables_of(out: sa.Connection, line: AppLine) -> list[PhysicalTable]:
    app: CompiledApp | None = None
    if line.published_version:
        package = get_package(out, line.key, line.published_version)
        app = compile_app(parse_definition(parse_json(package)), line.published_version)
    return list(expected_tables(app, line.key, list_kept(out, line.key)))


def _create(into: sa.Connection, physical: PhysicalTable) -> sa.Table:
    table = physical.to_sqlalchemy(sa.MetaData())
    columns = [sa.Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable) for c in table.columns]
    bare = sa.Table(physical.name, sa.MetaData(), *columns)
    bare.create(into)
    return bare


def _bind(into: sa.Connection, physical: PhysicalTable) -> None:
    """Give a table that has its rows what it is found and held by."""
    operations = operations_on(into)
    for column in physical.columns.values():
        if column.references:
            name = reference_name(physical.name, column.name)
            operations.create_foreign_key(name, physical.name, column.references, [column.name], ["id"])
    for index in physical.indexes.values():
        create_index(operations, POSTGRESQL, physical.name, index)


def _copy(out: sa.Connection, into: sa.Connection, table: sa.Table) -> int:
    changed = _ANEW.get(table.name, {})
    binders = [column.type.dialect_impl(into.dialect).bind_processor(into.dialect) for column in table.columns]
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    count = 0
    with (
        out.execute(sa.select(table), execution_options={"yield_per": _ROWS}) as found,
        _cursor(into) as cursor,
        cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy,
    ):
        for row in _changed(found, table, changed):
            copy.write_row([bind(value) if bind else value for bind, value in zip(binders, row, strict=True)])
            count += 1
    return count


def _cursor(into: sa.Connection) -> Any:
    return into.connection.cursor()


def _changed(found: Iterable[Any], table: sa.Table, changed: Mapping[str, Any]) -> Iterator[Iterable[Any]]:
    if not changed:
        return iter(found)
    names = [column.name for column in table.columns]
    return ([changed.get(n, value) for n, value in zip(names, row, strict=True)] for row in found)


def _defer(into: sa.Connection, platform: Iterable[sa.Table]) -> list[tuple[str, str]]:
    """Let references among the platform's tables be looked at when all rows are there: people and departments refer to each other."""
    found = sa.inspect(into).get_multi_foreign_keys(filter_names=[table.name for table in platform])
    references = [(name, str(key["name"])) for (_, name), keys in found.items() for key in keys]
    for table, reference in references:
        _alter(into, table, reference, "DEFERRABLE INITIALLY DEFERRED")
    return references


def _settle(into: sa.Connection, references: Iterable[tuple[str, str]]) -> None:
    for table, reference in references:
        _alter(into, table, reference, "NOT DEFERRABLE")


def _alter(into: sa.Connection, table: str, reference: str, how: str) -> None:
    into.exec_driver_sql(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{reference}" {how}')


def _compare(into: sa.Connection, counts: Mapping[str, int]) -> None:
    """Count what is there before anybody is told that it is."""
    for name, count in counts.items():
        there = into.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
        if there != count:
            detail = say(f"{name} 应有 {count} 行,实有 {there} 行", f"{name} should have {count} rows and has {there}")
            raise Problem("service.unavailable", detail)
