"""PostgreSQL: psycopg for the synchronous side, asyncpg with held connections for units."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa

from builder.kernel.canonical import parse_json
from builder.kernel.faults import crash_point
from builder.kernel.limits import STATEMENT_SECONDS
from builder.store.commits import Commits
from builder.store.connections import HeldConnections
from builder.store.database import (
    ConstraintRefused,
    DatabaseBusy,
    DatabaseFull,
    NotNow,
    SchemaMoved,
    StatementTimeout,
    StatementTooDeep,
)
from builder.store.statement import POSTGRESQL, ROWS, Query, Rows, Sheet, Unit, WentBack, passes_over

T = TypeVar("T")

_FIRST_DAY = date(2000, 1, 1)  # PostgreSQL counts days and microseconds from here
_FIRST_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_LOCK_SECONDS = 10
_SILENT_SECONDS = 60
"""How long a unit may think between two statements: who is stopped or cut off in the middle of one holds rows no longer."""
_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""The server looks whether we are still there, or a machine that went away holds its rows for hours."""
_REPEATS = 3  # a statement whose plan a publish made stale, or that lost a deadlock, is tried again
_TRY_AGAIN = (asyncpg.InvalidCachedStatementError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that the server ended while it was idle
    ConnectionError,
)
_TRY_AGAIN_READING = (*_TRY_AGAIN, *_GONE)
_CANNOT_NOW = (
    *_GONE,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)
"""What is wrong with the server or the way to it, not with the statement."""


class PostgresqlDatabase:
    """A PostgreSQL database; any number of processes may use it."""

    dialect = POSTGRESQL

    def __init__(self, url: str, *, connections: int = 8) -> None:
        _, _, rest = url.partition("://")
        self._dsn = f"postgresql://{rest}"
        self._connections = connections
        self._held: HeldConnections | None = None
        self.commits = Commits()
        self.engine = sa.create_engine(
            f"postgresql+psycopg://{rest}",
            pool_size=4,
            max_overflow=12,
            pool_pre_ping=True,
            json_deserializer=parse_json,  # psycopg's own reader makes binary floats of exact numbers
            connect_args={"options": f"-c timezone=UTC -c lock_timeout={_LOCK_SECONDS}s"},
        )

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a write transaction."""
        with self.engine.begin() as connection:
            yield connection
        self.commits.tell()

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Open a read transaction with one view of the data."""
        with (
            self.engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            ) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def exclusive_schema(self) -> Iterator[sa.Connection]:
        """Open a write transaction; DDL is transactional here."""
        with self.engine.begin() as connection:
            yield connection
        self.commits.tell()

    def close(self) -> None:
        """Close the synchronous side."""
        self.engine.dispose()

    async def start(self) -> None:
        """Open the held connections."""
        pool = await asyncpg.create_pool(
            self._dsn,
            min_size=min(2, self._connections),
            max_size=self._connections,
            max_inactive_connection_lifetime=0,
            statement_cache_size=2_000,
            init=_keep_the_whole_calendar,
            reset=_no_reset,
            server_settings={
                "timezone": "UTC",
                "statement_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "lock_timeout": str(_LOCK_SECONDS * 1000),
                "idle_in_transaction_session_timeout": str(_SILENT_SECONDS * 1000),
                **_ALIVE,
                "application_name": "dougong",
                "jit": "off",
            },
        )
        self._held = HeldConnections(pool, self._connections, _LOCK_SECONDS)

    async def stop(self) -> None:
        """Close the held connections."""
        if self._held is not None:
            held, self._held = self._held, None
            await held.close()

    async def read(self, make: Callable[[], Unit[T]], *, scan: bool = True) -> T:
        """Run a reading unit on a held connection, each statement with a snapshot of its own; again if the connection turns out to be gone."""
        return await self._run(make, _drive, _TRY_AGAIN_READING)

    async def write(self, make: Callable[[], Unit[T]]) -> T:
        """Run a writing unit in a transaction; once begun it is finished even if the client goes away."""
        return await asyncio.shield(asyncio.ensure_future(self._write(make)))

    async def _write(self, make: Callable[[], Unit[T]]) -> T:
        try:
            return await self._commit(make, partial(_drive_in_transaction, savepoints=False))
        except WentBack:
            return await self._commit(make, _drive_in_transaction)

    async def _commit(self, make: Callable[[], Unit[T]], drive: Callable[[Any, Unit[T]], Any]) -> T:
        result = await self._run(make, drive)
        self.commits.tell()
        return result

    async def write_alone(self, query: Query) -> Rows:
        """Run one writing statement without BEGIN and COMMIT: the server makes a transaction of it."""
        crash_point("write.commit")
        try:
            return await self._commit(lambda: _single(query), _drive)
        except asyncpg.DivisionByZeroError as error:
            raise NotNow from error

    async def _run(
        self,
        make: Callable[[], Unit[T]],
        drive: Callable[[Any, Unit[T]], Any],
        again: tuple[type[Exception], ...] = _TRY_AGAIN,
    ) -> T:
        held = self._held  # a stop meanwhile waits for what is lent, so it has to be given back to the same
        if held is None:
            raise DatabaseBusy("not started")
        for attempt in range(_REPEATS):
            try:
                connection = await held.take()
                try:
                    result: T = await drive(connection, make())
                    return result
                finally:
                    held.give_back(connection)
            except again as error:
                if attempt == _REPEATS - 1:
                    raise DatabaseBusy(str(error)) from error
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
                TimeoutError,
            ) as error:
                raise _translate(error) from error
        raise AssertionError("unreachable")


async def _no_reset(connection: Any) -> None:
    """Keep the session as it is: nothing we run changes it, and the reset query costs a round trip."""


async def _keep_the_whole_calendar(connection: Any) -> None:
    """Replace asyncpg's codecs of days and instants, which take the first and the last of them for minus and plus infinity."""
    codecs = {"date": (_days_of, _day_at), "timestamptz": (_microseconds_of, _instant_at)}
    for name, (encode, decode) in codecs.items():
        await connection.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="tuple")


def _days_of(day: date) -> tuple[int]:
    return ((day - _FIRST_DAY).days,)


def _day_at(stored: tuple[int]) -> date:
    return _FIRST_DAY + timedelta(days=stored[0])


def _microseconds_of(at: datetime) -> tuple[int]:
    return ((at - _FIRST_INSTANT) // _MICROSECOND,)


def _instant_at(stored: tuple[int]) -> datetime:
    return _FIRST_INSTANT + timedelta(microseconds=stored[0])


async def _drive_in_transaction(connection: Any, unit: Unit[T], *, savepoints: bool = True) -> T:
    async with connection.transaction():
        result: T = await _drive(connection, unit, savepoints=savepoints)
        crash_point("write.commit")
        return result


async def _drive(connection: Any, unit: Unit[T], *, savepoints: bool = True) -> T:
    try:
        query = next(unit)
        while True:
            if not savepoints and passes_over(query):
                query = unit.send(())
                continue
            try:
                rows = await _ask(connection, query)
            except asyncpg.IntegrityConstraintViolationError as error:
                refused = _translate(error)
                assert isinstance(refused, ConstraintRefused)
                query = unit.throw(refused)  # who has set a savepoint may go back to it
            else:
                query = unit.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _ask(connection: Any, query: Query) -> Rows:
    statement, values = query
    if isinstance(values, Sheet):
        values = {**values.same, ROWS: values.rows}
    if isinstance(values, list | tuple):
        await connection.executemany(statement.sql, [statement.bind(row) for row in values])
        return ()
    if statement.has_rows:
        rows: Rows = await connection.fetch(statement.sql, *statement.bind(values))  # type: ignore[arg-type]
        return rows
    tag = await connection.execute(statement.sql, *statement.bind(values))  # type: ignore[arg-type]
    return [(_affected(tag),)]


def _single(query: Query) -> Unit[Rows]:
    return (yield query)


def _affected(tag: str) -> int:
    last = tag.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


def _translate(error: BaseException) -> BaseException:
    """Turn a driver's error into one of the port's; anything else passes."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        name = error.constraint_name or ""
        if isinstance(error, asyncpg.UniqueViolationError):
            return ConstraintRefused("unique", name)
        return ConstraintRefused("reference" if isinstance(error, asyncpg.ForeignKeyViolationError) else "other", name)
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementTimeout()
    if isinstance(error, asyncpg.StatementTooComplexError):
        return StatementTooDeep(str(error))
    if isinstance(error, asyncpg.ProgramLimitExceededError):
        return ConstraintRefused("other", str(error))  # a text too long for an index
    if isinstance(error, asyncpg.SyntaxOrAccessError) and not isinstance(error, asyncpg.InsufficientPrivilegeError):
        return SchemaMoved(str(error))  # no such column, or one of another type
    if isinstance(error, asyncpg.DiskFullError):
        return DatabaseFull(str(error))
    return DatabaseBusy(str(error)) if isinstance(error, _CANNOT_NOW) else error
