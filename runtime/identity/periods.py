"""Closed periods of locks. Reads and writes: dougong_closed_period, security events."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.store.database import Database
from builder.store.tables import closed_period as table
from runtime.identity.audit import Audit, Origin


def closed_periods(database: Database, app: str) -> dict[str, date]:
    """Return the day up to which each lock of an app is closed."""
    with database.snapshot() as connection:
        rows = connection.execute(sa.select(table.c.lock, table.c.closed_until).where(table.c.app == app))
        return {row.lock: row.closed_until for row in rows}


def set_closed(
    database: Database, clock: Clock, audit: Audit, app: str, lock: str, until: date | None, by: Origin
) -> None:
    """Close a lock's period up to a day; None opens it."""
    here = (table.c.app == app) & (table.c.lock == lock)
    with database.transaction() as connection:
        before = connection.execute(sa.select(table.c.closed_until).where(here)).scalar_one_or_none()
        connection.execute(sa.delete(table).where(here))
        if until is not None:
            values = {
                "app": app,
                "lock": lock,
                "closed_until": until,
                "changed_at": clock.now(),
                "changed_by": by.actor,
            }
            connection.execute(sa.insert(table).values(**values))
        told = [None if day is None else day.isoformat() for day in (before, until)]
        audit.note(connection, "period.changed", by, None, {"app": app, "lock": lock, "closed_until": told})
