"""The Database port: one company, one database, two ways in.

- ``transaction()`` / ``snapshot()``: synchronous SQLAlchemy connections for what is long or rare (migrate, plan, publish, identity). Run them in threads.
- ``read(unit)`` / ``write(unit)``: units of statements for records, driven without SQLAlchemy.

Both see the same locks: on SQLite one lock per process orders all writers, on PostgreSQL the server does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import sqlalchemy as sa

from builder.store.commits import Commits
from builder.store.statement import POSTGRESQL, SQLITE, Query, Rows, Unit

T = TypeVar("T")


class ConstraintRefused(Exception):
    """The database refused a write: ``kind`` is unique, reference or other; ``name`` what the database called it."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} constraint: {name}")


class StatementTimeout(Exception):
    """A statement ran longer than the limit and was stopped."""


class StatementTooDeep(Exception):
    """A statement is nested deeper than the database can read."""


class DatabaseBusy(Exception):
    """A lock was not given in time, or no connection was free, or the server is away or cannot write: try again."""


class DatabaseFull(DatabaseBusy):
    """There is no room on the disk for what is to be written; reading goes on, and writing once there is room again."""


class NotNow(Exception):
    """A whole of several writes (``builder.store.gathering``) found its condition broken; nothing was written."""


class SchemaMoved(Exception):
    """A statement does not fit the tables there are: the schema was published anew since it was made."""


class Database(Protocol):
    """One open database."""

    dialect: str
    engine: sa.Engine
    commits: Commits

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """Open a synchronous write transaction (SQLite: BEGIN IMMEDIATE). Commits on a clean exit."""
        ...

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Open a synchronous read transaction that sees one state of the database."""
        ...

    def exclusive_schema(self) -> AbstractContextManager[sa.Connection]:
        """Open a write transaction in which tables may be rebuilt (SQLite: foreign keys are checked once, before commit)."""
        ...

    async def read(self, make: Callable[[], Unit[T]], *, scan: bool = True) -> T:
        """Run a reading unit. ``scan=False`` promises point reads by key; anything else runs under the statement limit, off the event loop on SQLite.

        Raises:
            SchemaMoved, StatementTimeout, StatementTooDeep, DatabaseBusy, or whatever the unit raises.
        """
        ...

    async def write(self, make: Callable[[], Unit[T]]) -> T:
        """Run a writing unit in a transaction of its own; nothing of it remains if it raises.

        Raises:
            ConstraintRefused, SchemaMoved, StatementTimeout, StatementTooDeep, DatabaseBusy, or whatever the unit raises.
        """
        ...

    async def write_alone(self, query: Query) -> Rows:
        """Run one writing statement, a transaction by itself; return its rows.

        Raises:
            NotNow, ConstraintRefused, StatementTimeout, StatementTooDeep, DatabaseBusy.
        """
        ...

    async def start(self) -> None:
        """Open connections that belong to the running event loop."""
        ...

    async def stop(self) -> None:
        """Finish what is under way and close everything."""
        ...

    def close(self) -> None:
        """Close the synchronous side."""
        ...


def open_database(url: str, *, durable: bool = True, connections: int = 8) -> Database:
    """Open ``sqlite:///file`` or ``postgresql://user@host:port/name``.

    Args:
        durable: SQLite synchronous=FULL (survives power loss); False = NORMAL (survives a crash of the process, not of the machine's power).
        connections: PostgreSQL connections for records.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == SQLITE:
        from builder.store.sqlite import SqliteDatabase

        return SqliteDatabase(url, durable=durable)
    if scheme in (POSTGRESQL, "postgres"):
        from builder.store.postgresql import PostgresqlDatabase

        return PostgresqlDatabase(url, connections=connections)
    raise ValueError(f"unknown database: {scheme}; use sqlite:///file or postgresql://user@host:port/name")
