"""Changing the key that seals: everything that is kept sealed is sealed anew, after which the former key may go.

Reads and writes: dougong_connection, dougong_automation_state, dougong_factor. (What a captcha hands out lives for minutes: it is not kept.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.store import delivery_tables, people_tables, process_tables
from builder.store.database import Database
from runtime.secrets.sealing import Sealer


class Kept(NamedTuple):
    """A column of sealed texts. ``place`` names what a text is sealed for, as the room does that seals it."""

    table: sa.Table
    column: str
    place: Callable[[Any], str]


KEPT: tuple[Kept, ...] = (
    Kept(delivery_tables.connection, "secrets", lambda row: f"connection/{row.key}"),
    Kept(process_tables.automation_state, "secret", lambda row: f"webhook/{row.app}/{row.automation}"),
    Kept(people_tables.factor, "secret", lambda row: f"factor/{row.user_id}"),
)


def reseal_all(database: Database, sealer: Sealer) -> int:
    """Seal everything with the key that seals now; return how many changed. All or nothing.

    Raises:
        Problem: ``secret.unreadable`` if something was sealed with a key that is not given any more.
    """
    with database.transaction() as connection:
        return sum(_reseal(connection, kept, sealer) for kept in KEPT)


def _reseal(connection: sa.Connection, kept: Kept, sealer: Sealer) -> int:
    column = kept.table.c[kept.column]
    changed = 0
    for row in connection.execute(sa.select(kept.table).where(column.is_not(None)).with_for_update()).all():
        sealed = getattr(row, kept.column)
        if sealer.is_current(sealed):
            continue
        place = kept.place(row)
        this = sa.and_(*(each == getattr(row, each.name) for each in kept.table.primary_key))
        fresh = sealer.seal(sealer.open(sealed, place), place)
        connection.execute(sa.update(kept.table).where(this).values({kept.column: fresh}))
        changed += 1
    return changed
