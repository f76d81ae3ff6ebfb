"""Builds search indexes where tables have grown, and enters what was touched since. See docs/decisions/0007.

Every step is a transaction of its own and goes on from what is there, so a process may die at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.kernel.faults import crash_point
from builder.publish.reindexing import drop_index, searched_columns
from builder.registry.registry import Registry, find_published
from builder.store import tables
from builder.store.searching import postgresql, sqlite
from builder.store.searching.rows import IndexRow, add_row, can_index, change_row, list_rows
from builder.store.statement import SQLITE
from runtime.observe.logs import Log

_LOOK_AGAIN = timedelta(minutes=10)
_COUNT_AGAIN = timedelta(days=1)
_BUSY_RATE = 20
"""Requests a second from which on indexes stand back: on SQLite a step a second, of which they feel little, on PostgreSQL later."""
_PATIENCE_SECONDS = 600.0
_Pins = tuple[tuple[str, str], ...]


class SearchIndexes:
    """The work of all apps' search indexes. On PostgreSQL one process at a time builds, on the side."""

    name = "search indexes"

    def __init__(self, registry: Registry, from_count: int, log: Log, answered: Callable[[], int] = lambda: 0) -> None:
        """``answered`` tells how many requests this process has answered so far."""
        self._registry = registry
        self._database = registry.database
        self._from = from_count
        self._log = log
        self._looked: tuple[_Pins, datetime] | None = None
        self._building: asyncio.Task[int] | None = None
        self._break_off: Callable[[], None] | None = None
        self._stopping = False
        self._answered = answered
        self._seen = (0, 0.0)
        self._quiet_at = time.monotonic()
        self._holds_back = False

    async def run_due(self, now: datetime) -> int:
        """Look where an index is wanted, and go a step on with those there are; return how many things were done."""
        if self._database.dialect == SQLITE:
            done = await asyncio.to_thread(self._step_on_sqlite, now)
            self._holds_back = done > 0 and self._is_busy()
            return (
                0 if self._holds_back else done
            )  # of what was done nobody is told: the next step is the next second's
        if self._building is not None:
            if not self._building.done():
                return 0
            building, self._building = self._building, None
            return building.result()  # what failed is told by who ticks
        self._holds_back = self._is_busy() and time.monotonic() - self._quiet_at < _PATIENCE_SECONDS
        return 0 if self._holds_back else await self._begin_on_postgresql(now)

    async def settle(self) -> None:
        """Wait for what is being built."""
        while self._holds_back:
            now = self._registry.clock.now()
            if self._database.dialect == SQLITE:
                self._holds_back = await asyncio.to_thread(self._step_on_sqlite, now) > 0
            else:
                self._holds_back = False
                await self._begin_on_postgresql(now)
        if self._building is not None:
            await asyncio.wait([self._building])
            if self._building.exception() is None:
                self._building = None  # so that the next look is a look

    async def stop(self) -> None:
        """Break off what is being built; who comes next finds it half done and begins it anew."""
        self._stopping = True
        if self._building is None:
            return
        if self._break_off is not None:
            self._break_off()
        await asyncio.gather(self._building, return_exceptions=True)
        self._building = None

    def _is_busy(self) -> bool:
        """Tell whether many requests were answered since this was asked last."""
        before, at = self._seen
        answered, now = self._answered(), time.monotonic()
        self._seen = (answered, now)
        busy = answered - before > _BUSY_RATE * (now - at)
        if not busy:
            self._quiet_at = now
        return busy

    # -- which ------------------------------------------------------------------------------------------------------------

    def _look(self, connection: sa.Connection, now: datetime) -> bool:
        """Tell whether tables are to be looked at: after every publish, and now and then."""
        row = tables.app
        pins = tuple((key, pin) for key, pin in connection.execute(sa.select(row.c.key, row.c.pin).order_by(row.c.key)))
        seen = self._looked
        self._looked = (pins, now if seen is None or seen[0] != pins or now - seen[1] >= _LOOK_AGAIN else seen[1])
        return seen != self._looked

    def _survey(self) -> int:
        """Add indexes that are wanted, drop those that are not any more; return how many."""
        wrong: list[tuple[CompiledApp, str]] = []
        with self._database.snapshot() as connection:
            if not can_index(connection):
                return 0
            there = {(row.app, row.entity) for row in list_rows(connection)}
            for key in connection.scalars(sa.select(tables.app.c.key)).all():
                published = find_published(self._registry, connection, key)
                if published is not None:
                    wrong += [(published.app, entity) for entity in self._find_wrong(connection, published.app, there)]
        return sum(self._set_right(app, entity) for app, entity in wrong)

    def _find_wrong(self, connection: sa.Connection, app: CompiledApp, there: set[tuple[str, str]]) -> list[str]:
        """Return the entities that have an index and should have none, or the other way round."""
        wrong: list[str] = []
        for entity in app.own.values():
            has = (app.key, entity.key) in there
            least = self._from // 2 if has else self._from  # not now this and now that around the bound
            wanted = bool(searched_columns(app, entity.key)) and _has(connection, entity.table, least)
            if has != wanted:
                wrong.append(entity.key)
        return wrong

    def _set_right(self, app: CompiledApp, entity: str) -> int:
        with self._database.exclusive_schema() as connection:
            published = find_published(self._registry, connection, app.key)
            if published is None or published.app.version != app.version:
                return 0  # a publish came between
            held = next((row for row in list_rows(connection, app.key) if row.entity == entity), None)
            if held is not None:
                drop_index(connection, held)
            else:
                own = published.app.own[entity]
                made = add_row(connection, app.key, entity, own.physical.name, searched_columns(published.app, entity))
                if self._database.dialect == SQLITE:
                    sqlite.create(connection, made)
            self._repin(connection, app.key)
        return 1

    def _repin(self, connection: sa.Connection, app: str) -> None:
        """Let everybody read anew which indexes there are."""
        row = tables.app
        connection.execute(sa.update(row).where(row.c.key == app).values(pin=self._registry.ids.record_id()))

    # -- SQLite -----------------------------------------------------------------------------------------------------------

    def _step_on_sqlite(self, now: datetime) -> int:
        with self._database.snapshot() as connection:
            look = self._look(connection, now)
        done = self._survey() if look else 0
        with self._database.snapshot() as connection:
            if not can_index(connection):
                return done
            due = [row for row in list_rows(connection) if not _is_quiet(connection, row, now)]
        return done + sum(self._go_on(row, now) for row in due)

    def _go_on(self, row: IndexRow, now: datetime) -> int:
        with self._database.transaction() as connection:
            if row not in list_rows(connection, row.app):
                return 0  # a publish came between
            if row.state == "building":
                done, position = sqlite.fill(connection, row)
                change_row(connection, row, position=position)
                if position is None:
                    self._make_ready(connection, row, now)
            else:
                done = sqlite.drain(connection, row)
                if not done:
                    self._count_again(connection, row, now)
            crash_point("search.step")
        return done or 1

    def _count_again(self, connection: sa.Connection, row: IndexRow, now: datetime) -> None:
        if sqlite.is_wasteful(connection, row):
            drop_index(connection, row)
            self._looked = None
        else:
            self._make_ready(connection, row, now)

    def _make_ready(self, connection: sa.Connection, row: IndexRow, now: datetime) -> None:
        of_dialect = sqlite if self._database.dialect == SQLITE else postgresql
        common = of_dialect.count_common(connection, row)
        change_row(connection, row, state="ready", common=common, counted_at=now)
        self._repin(connection, row.app)

    # -- PostgreSQL -------------------------------------------------------------------------------------------------------

    async def _begin_on_postgresql(self, now: datetime) -> int:
        if not await asyncio.to_thread(self._is_due, now):
            return 0
        self._building = asyncio.create_task(asyncio.to_thread(self._build_on_postgresql, now))
        return 1

    def _is_due(self, now: datetime) -> bool:
        with self._database.snapshot() as connection:
            look = self._look(connection, now)
            return look or any(_is_due_on_postgresql(row, now) for row in list_rows(connection))

    def _build_on_postgresql(self, now: datetime) -> int:
        """Build on a connection of its own: it commits by itself and waits as long as older transactions last."""
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            if not postgresql.try_to_lead(connection):
                return 0
            connection.exec_driver_sql("SET lock_timeout = 0")
            self._break_off = partial(_cancel, connection.connection.driver_connection)
            try:
                done = self._survey()
                for row in list_rows(connection):
                    if _is_due_on_postgresql(row, now) and not self._stopping:
                        done += self._build_one(connection, row, now)
                return done
            finally:
                self._break_off = None
                connection.exec_driver_sql("RESET lock_timeout")
                postgresql.stop_leading(connection)

    def _build_one(self, connection: sa.Connection, row: IndexRow, now: datetime) -> int:
        try:
            postgresql.build(connection, row)
        except sa.exc.ProgrammingError as error:  # a publish took the table or a column away: it is looked at anew
            self._log.info("search.outdated", app=row.app, entity=row.entity, reason=str(error.orig))
            return 0
        with self._database.transaction() as own:
            held = next((each for each in list_rows(own, row.app) if each.entity == row.entity), None)
            if held is None or held.columns != row.columns or held.table != row.table:
                return 0
            self._make_ready(own, row, now)
        return 1


def _cancel(driver: Any) -> None:
    """End the statement that a connection of another thread runs, if it runs one."""
    with contextlib.suppress(Exception):
        driver.cancel()


def _has(connection: sa.Connection, table: sa.Table, count: int) -> bool:
    """Tell whether a table has so many records."""
    if count == 0:
        return True
    return connection.execute(sa.select(table.c.id).offset(count - 1).limit(1)).first() is not None


def _is_quiet(connection: sa.Connection, row: IndexRow, now: datetime) -> bool:
    counted = row.counted_at is not None and now - row.counted_at < _COUNT_AGAIN
    return row.state == "ready" and counted and sqlite.is_drained(connection, row)


def _is_due_on_postgresql(row: IndexRow, now: datetime) -> bool:
    return row.state == "building" or row.counted_at is None or now - row.counted_at >= _COUNT_AGAIN
