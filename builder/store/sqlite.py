"""SQLite: one file, one writer. Waiting units share a commit, each in a savepoint of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from builder.kernel.faults import crash_point
from builder.kernel.limits import STATEMENT_SECONDS
from builder.kernel.memory import give_back
from builder.store import exact
from builder.store.commits import Commits
from builder.store.database import ConstraintRefused, DatabaseBusy, StatementTimeout
from builder.store.scanning import TimeLimits, step_back
from builder.store.sqlite_errors import translate
from builder.store.statement import SQLITE, Query, Rows, Sheet, Statement, Unit, WentBack, passes_over
from formulas.sqlite_functions import install as install_formula_functions

T = TypeVar("T")

_GROUP = 64  # units that may share one commit
_READERS = 4
_BUSY_MILLISECONDS = 30_000
_BRIEF_STEPS = 1_000
_BRIEF_LOOKS = 60  # 60,000 steps are 2 to 3 ms; a page of 50 takes 5,000
_LONG_SECONDS = 10.0
_LONG_KEPT = 1_000
_UNLIMITED = 2**62
_CACHE_KIB = 4_096
"""Of each connection. What is in the file is read where it is mapped; a cache holds pages that are only in the log, and those just changed."""
_WRITER_CACHE_KIB = 16_384
_LARGE = 5_000  # rows
_PAUSE_SECONDS = 2.0


class _Waiting(NamedTuple):
    make: Callable[[], Unit[Any]]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Outcome(NamedTuple):
    waiting: _Waiting
    result: Any
    error: BaseException | None = None
    lost_all: bool = False
    """The failure ended the transaction of the whole group."""


class _Long(Exception):
    """A reading unit is too long for the event loop."""


class SqliteDatabase:
    """An SQLite file. Open it from one process at a time for writing traffic; other processes wait their turn."""

    dialect = SQLITE

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self.path = url.removeprefix("sqlite:///")
        self._synchronous = "FULL" if durable else "NORMAL"
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self.engine = self._make_engine()
        self.commits = Commits()
        self._write_lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._settled = 0  # rows that the writer had changed when it last gave memory back
        self._reading: list[sqlite3.Connection] = []
        self._inline: sqlite3.Connection | None = None
        self._limits = TimeLimits()
        self._looks_left = _UNLIMITED
        self._long: dict[str, float] = {}
        """Statements that took long on the event loop, and until when they go to a thread unasked."""

    # -- synchronous side ---------------------------------------------------------------------------------------------

    def _make_engine(self) -> sa.Engine:
        engine = sa.create_engine(
            f"sqlite:///{self.path}", poolclass=QueuePool, pool_size=4, max_overflow=12, creator=self._connect
        )
        sa.event.listen(engine, "begin", _begin)
        return engine

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            f"synchronous={self._synchronous}",
            "foreign_keys=ON",
            f"cache_size=-{_CACHE_KIB}",
            "mmap_size=268435456",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        install_formula_functions(connection)
        exact.install(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a write transaction."""
        with (
            self._write_lock,
            self.engine.connect().execution_options(dougong_begin="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection
        self.commits.tell()

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Open a read transaction."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def exclusive_schema(self) -> Iterator[sa.Connection]:
        """Open a write transaction with foreign keys unchecked until just before commit (a rebuilt table would trip them)."""
        with self._write_lock, self.engine.connect().execution_options(dougong_begin="IMMEDIATE") as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA foreign_keys=OFF")  # is a no-op inside a transaction, so it comes first
            try:
                with connection.begin():
                    yield connection
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                    if broken:
                        raise ConstraintRefused("reference", str(broken[0][0]))
            finally:
                raw.execute("PRAGMA foreign_keys=ON")
        self.commits.tell()

    def close(self) -> None:
        """Close the synchronous side."""
        self.engine.dispose()

    # -- units --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the writer thread and the readers."""
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="dougong-read", initializer=step_back)
        self._local = threading.local()
        self._inline = self._connect_reader()
        self._inline.set_progress_handler(self._over, _BRIEF_STEPS)
        writing = self._connect()
        writing.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
        self._writer = threading.Thread(target=self._write_loop, args=(writing,), name="dougong-write", daemon=True)
        self._writer.start()

    async def stop(self) -> None:
        """Let waiting writes finish, then close."""
        writer, self._writer = self._writer, None  # from here on nothing is handed over any more
        if writer is not None:
            self._waiting.put(None)
            await asyncio.to_thread(writer.join)
        readers, self._readers = self._readers, None
        if readers is not None:
            await asyncio.to_thread(readers.shutdown)
        self._inline = None
        while self._reading:
            self._reading.pop().close()

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=ON")
        # sorts stay in memory; not so a writer's copies of pages, which SQLite keeps there in a list and walks along for each statement
        connection.execute("PRAGMA temp_store=MEMORY")
        self._reading.append(connection)
        return connection

    async def read(self, make: Callable[[], Unit[T]], *, scan: bool = True) -> T:
        """Run a reading unit: a point read here and now (9 us), anything else in a reader thread under the time limit."""
        if self._inline is None or self._readers is None:
            raise DatabaseBusy("not started")
        if not scan:
            return _read_point(self._inline, make)
        try:
            return self._read_briefly(self._inline, make)
        except _Long:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, self._read_in_thread, make, loop)

    def _read_briefly(self, connection: sqlite3.Connection, make: Callable[[], Unit[T]]) -> T:
        """Try here first: a list along an index takes less than the way to a thread and back does under load.

        What uses its few steps up is left to a thread, and so is the same statement for some seconds.
        """
        now = time.monotonic()
        statement: Statement | None = None

        def watched() -> Unit[T]:
            nonlocal statement
            unit = make()
            rows: Rows = ()
            try:
                query = next(unit)
                while True:
                    statement = query.statement
                    if self._long.get(statement.sql, 0) > now:
                        raise _Long
                    rows = yield query
                    query = unit.send(rows)
            except StopIteration as stop:
                result: T = stop.value
                return result

        self._looks_left = _BRIEF_LOOKS
        try:
            return _run_reading(connection, watched)
        except StatementTimeout:
            assert statement is not None
            if len(self._long) >= _LONG_KEPT:
                self._long.clear()
            self._long[statement.sql] = now + _LONG_SECONDS
            raise _Long from None
        finally:
            self._looks_left = _UNLIMITED

    def _over(self) -> bool:
        self._looks_left -= 1
        return self._looks_left < 0

    def _read_in_thread(self, make: Callable[[], Unit[T]], loop: asyncio.AbstractEventLoop) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect_reader()
        with self._limits.within(STATEMENT_SECONDS, connection, loop):
            return _run_reading(connection, make)

    async def write(self, make: Callable[[], Unit[T]]) -> T:
        """Hand a unit to the writer thread and wait until it is committed."""
        if self._writer is None:
            raise DatabaseBusy("not started")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.put(_Waiting(make, done, loop))
        # once handed over, a write is finished even if its client goes away: only the wait for it can be cancelled
        return await done

    async def write_alone(self, query: Query) -> Rows:
        """Run one writing statement in a transaction of its own."""

        def unit() -> Unit[Rows]:
            return (yield query)

        return await self.write(unit)

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        open_ = True
        while open_:
            first = self._next(connection)
            if first is None:
                break
            group = [first]
            while len(group) < _GROUP:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    open_ = False
                    break
                group.append(more)
            self._commit_group(connection, group)
        connection.close()

    def _next(self, connection: sqlite3.Connection) -> _Waiting | None:
        """Wait for a write. A pause after a large one is the time to give back the pages it needed: they would stay until the end."""
        if connection.total_changes - self._settled < _LARGE:
            return self._waiting.get()
        try:
            return self._waiting.get(timeout=_PAUSE_SECONDS)
        except queue.Empty:
            connection.execute("PRAGMA shrink_memory")
            give_back()
            self._settled = connection.total_changes
            return self._waiting.get()

    def _commit_group(self, connection: sqlite3.Connection, group: list[_Waiting]) -> None:
        outcomes: list[_Outcome] = []
        try:
            with self._write_lock:
                connection.execute("BEGIN IMMEDIATE")
                for waiting in group:
                    outcomes.append(_run_unit(connection, waiting, alone=len(group) == 1))
                    if not connection.in_transaction:
                        break
                else:
                    crash_point("write.commit")
                    connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - the commit failed; whatever it was, every waiting caller must hear of it
            _roll_back(connection)
            failure = translate(error)
            failed = {outcome.waiting: outcome.error for outcome in outcomes if outcome.error is not None}
            outcomes = [_Outcome(waiting, None, failed.get(waiting, failure)) for waiting in group]
        else:
            self.commits.tell()
        if outcomes[-1].lost_all:
            # a failure took the whole transaction with it (a full disk does that): its neighbours go once more, each by itself
            for waiting in group:
                if waiting is not outcomes[-1].waiting:
                    self._commit_group(connection, [waiting])
            outcomes = outcomes[-1:]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            # one call for the whole group: each wakes the loop up and costs it a system call
            group[0].loop.call_soon_threadsafe(_deliver, outcomes)


def _begin(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get("dougong_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _deliver(outcomes: list[_Outcome]) -> None:
    for waiting, result, error, _ in outcomes:
        if waiting.done.done():
            continue  # nobody waits any more
        if error is None:
            waiting.done.set_result(result)
        else:
            waiting.done.set_exception(error)


def _run_unit(connection: sqlite3.Connection, waiting: _Waiting, *, alone: bool) -> _Outcome:
    """Run one unit so that it can be taken back: to a savepoint, or with the whole transaction if there is nobody else in it.

    A savepoint is not free: SQLite keeps a copy of every page that each statement with a trigger changes, for as long as it is open.
    """
    if not alone:
        connection.execute("SAVEPOINT unit")
    try:
        try:
            result = _drive(connection, waiting.make(), savepoints=False)
        except WentBack:
            _take_back(connection, alone=alone)
            result = _drive(connection, waiting.make())
    except BaseException as error:  # noqa: BLE001 - belongs to the caller of this unit; the writer thread goes on
        if alone:
            _roll_back(connection)
        if not connection.in_transaction:
            return _Outcome(waiting, None, translate(error), lost_all=True)
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return _Outcome(waiting, None, translate(error))
    if not alone:
        connection.execute("RELEASE unit")
    return _Outcome(waiting, result)


def _take_back(connection: sqlite3.Connection, *, alone: bool) -> None:
    if alone:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection.execute("ROLLBACK TO unit")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _read_point(connection: sqlite3.Connection, make: Callable[[], Unit[T]]) -> T:
    """Run a unit of one statement, which is a snapshot by itself."""
    try:
        return _drive(connection, make())
    except sqlite3.Error as error:
        raise translate(error) from error


def _run_reading(connection: sqlite3.Connection, make: Callable[[], Unit[T]]) -> T:
    connection.execute("BEGIN")
    try:
        return _drive(connection, make())
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        _roll_back(connection)  # nothing was written


def _drive(connection: sqlite3.Connection, unit: Unit[T], *, savepoints: bool = True) -> T:
    try:
        query = next(unit)
        while True:
            if not savepoints and passes_over(query):
                query = unit.send(())
                continue
            try:
                rows = _ask(connection, query)
            except sqlite3.IntegrityError as error:
                refused = translate(error)
                assert isinstance(refused, ConstraintRefused)
                query = unit.throw(refused)  # who has set a savepoint may go back to it
            else:
                query = unit.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _ask(connection: sqlite3.Connection, query: Query) -> Rows:
    statement, values = query
    if isinstance(values, Sheet):
        connection.executemany(statement.sql, statement.bind_sheet(values))
        return ()
    if isinstance(values, list | tuple):
        connection.executemany(statement.sql, [statement.bind(row) for row in values])
        return ()
    cursor = connection.execute(statement.sql, statement.bind(values))  # type: ignore[arg-type]
    return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
