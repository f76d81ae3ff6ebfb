"""A database that older code made, brought to what today's code wants: the platform's tables, then the plain indexes of apps.

Which plain indexes an app has follows from its definition, and how it follows may change with the code. Nothing else of an app's
tables does: what would is a migration that moves the records along.
"""

from __future__ import annotations

import sqlalchemy as sa

from builder.compiled.app import compile_app
from builder.compiled.physical import PhysicalTable
from builder.definition.parse import DocumentInvalid, parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.publish.kept import list_kept
from builder.publish.step import operations_on
from builder.publish.steps.indexes import create_index
from builder.registry.apps import list_apps
from builder.registry.physical_state import TableState, expected_state, expected_tables, read_tables
from builder.registry.registry import get_package
from builder.store.database import Database
from builder.store.migrate import migrate_database


def upgrade(database: Database) -> None:
    """Run missing migrations, and if there were any look after the indexes: all in one transaction."""
    migrate_database(database, renew_indexes)


def renew_indexes(connection: sa.Connection) -> None:
    """Drop and build plain indexes of all apps until they are as today's code wants them. Cost: builds what is missing."""
    for line in list_apps(connection):
        if not line.published_version:
            continue
        try:
            definition = parse_definition(parse_json(get_package(connection, line.key, line.published_version)))
            app = compile_app(definition, line.published_version)
        except (DocumentInvalid, Problem):
            continue  # the doctor says so
        expected = {table.name: table for table in expected_tables(app, line.key, list_kept(connection, line.key))}
        for name, found in read_tables(connection, expected.keys()).items():
            _renew(connection, expected[name], found)


def _renew(connection: sa.Connection, table: PhysicalTable, found: TableState) -> None:
    dialect = connection.dialect.name
    operations = operations_on(connection)
    wanted = expected_state(table, connection.dialect).indexes
    plain = {index.name for index in table.indexes.values() if not index.unique}
    for name, state in found.indexes.items():
        if state.startswith("plain ") and wanted.get(name) != state:
            operations.drop_index(name, table.name)
    for index in table.indexes.values():
        if index.name in plain and found.indexes.get(index.name) != wanted[index.name]:
            create_index(operations, dialect, table.name, index)
