"""Guessing is slow: ten failures in fifteen minutes, per user name and per network address.

Reads and writes: dougong_login_attempt, where both stand as hashes. An attempt is counted *before* the password is looked at and
taken back when it was right, so guesses made at the same time cannot slip through together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.kernel.clock import Clock
from builder.kernel.ids import secret_hash
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.statement import SQLITE
from builder.store.tables import login_attempt as table

FAILURES = 10
WINDOW = timedelta(minutes=15)


class Throttle:
    """Counts attempts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._insert = sqlite_insert if database.dialect == SQLITE else postgresql_insert

    def charge(self, username: str, address: str) -> None:
        """Count one attempt.

        Raises:
            Problem: ``auth.throttled`` with the seconds until the window ends; the attempt is not counted then.
        """
        self.count(dict.fromkeys(_subjects(username, address), FAILURES))

    def count(self, allowed: Mapping[str, int]) -> None:
        """Count one attempt of each subject (``subject_of``), of which so many are allowed in a window.

        Raises:
            Problem: ``auth.throttled`` with the seconds until the window ends; nothing is counted then.
        """
        now = self._clock.now()
        ordered = sorted(allowed)  # one order for all, so that two attempts cannot wait for each other
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.window_started_at <= now - WINDOW))
            rows = [(each, connection.execute(self._count_one(each, now)).one()) for each in ordered]
            started = [row.window_started_at for each, row in rows if row.failures > allowed[each]]
            if started:
                wait = int((max(started) + WINDOW - now).total_seconds()) + 1
                raise Problem(
                    "auth.throttled",
                    say(
                        f"尝试次数过多,请在 {wait // 60 + 1} 分钟后再试",
                        f"Too many attempts; try again in {wait // 60 + 1} minutes",
                    ),
                    retry_after_seconds=wait,
                )

    def forgive(self, username: str, address: str) -> None:
        """Take one attempt back: the password was right. The user name starts afresh; an address only gets this one back."""
        name, *rest = _subjects(username, address)
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.subject == name))
            connection.execute(
                sa.update(table)
                .where(table.c.subject.in_(rest), table.c.failures > 0)
                .values(failures=table.c.failures - 1)
            )

    def forget(self, subject: str) -> None:
        """Let a subject start afresh."""
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.subject == subject))

    def _count_one(self, subject: str, now: Any) -> Any:
        insert = self._insert(table).values(subject=subject, failures=1, window_started_at=now)
        counted = insert.on_conflict_do_update(
            index_elements=[table.c.subject], set_={"failures": table.c.failures + 1}
        )
        return counted.returning(table.c.failures, table.c.window_started_at)


def subject_of(kind: str, name: str) -> str:
    """Return what attempts are counted under: nobody's name or address is kept."""
    return secret_hash(f"{kind} {name}")


def _subjects(username: str, address: str) -> Sequence[str]:
    named = [subject_of("user", username)]
    return [*named, subject_of("address", address)] if address else named
