"""The inbox of a person. Reads and writes: dougong_inbox. Rows come in by ``posting``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import Database
from builder.store.delivery_tables import inbox as table


@dataclass(frozen=True, slots=True)
class Notice:
    """One message."""

    id: str
    subject: Text
    text: Text
    app: str | None
    entity: str | None
    record_id: str | None
    created_at: datetime
    read_at: datetime | None


class Inbox:
    """Shows messages and marks them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list_notices(
        self,
        user_id: str,
        *,
        unread: bool = False,
        before: str | None = None,
        limit: int = 50,
        within: Collection[str] | None = None,
    ) -> list[Notice]:
        """Return a person's messages, the latest first, those before the id ``before``; ``within``: of these apps only."""
        select = sa.select(table).where(table.c.user_id == user_id).order_by(table.c.id.desc()).limit(limit)
        if within is not None:
            select = select.where(table.c.app.in_(sorted(within)))
        if unread:
            select = select.where(table.c.read_at.is_(None))
        known = find_uuid(before) if before else None
        if before:
            select = select.where(table.c.id < known) if known else select.where(sa.false())
        with self._database.snapshot() as connection:
            return [_notice(row) for row in connection.execute(select)]

    def count_unread(self, user_id: str) -> int:
        """Return how many messages a person has not read."""
        unread = sa.select(sa.func.count()).where(table.c.user_id == user_id, table.c.read_at.is_(None))
        with self._database.snapshot() as connection:
            return int(connection.scalar(unread) or 0)

    def mark(self, user_id: str, notice_id: str, *, read: bool) -> None:
        """Mark one message as read, or as unread again.

        Raises:
            Problem: ``inbox.not_found``, also for another person's.
        """
        known = find_uuid(notice_id)
        change = sa.update(table).where(table.c.id == known, table.c.user_id == user_id)
        value = sa.func.coalesce(table.c.read_at, sa.bindparam("now", self._clock.now(), table.c.read_at.type))
        with self._database.transaction() as connection:
            changed = known is not None and connection.execute(change.values(read_at=value if read else None)).rowcount
        if not changed:
            raise Problem("inbox.not_found", say("没有这条消息", "There is no such message"))

    def mark_all(self, user_id: str) -> int:
        """Mark everything as read; return how many were not."""
        change = sa.update(table).where(table.c.user_id == user_id, table.c.read_at.is_(None))
        with self._database.transaction() as connection:
            return connection.execute(change.values(read_at=self._clock.now())).rowcount


def _notice(row: Any) -> Notice:
    return Notice(
        row.id,
        Text(**parse_json(row.subject)),
        Text(**parse_json(row.text)),
        row.app,
        row.entity,
        row.record_id,
        row.created_at,
        row.read_at,
    )
