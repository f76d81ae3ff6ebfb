"""Keeping how people want to be told. Reads and writes: dougong_notice_wish; reads dougong_connection."""

from __future__ import annotations

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.delivery_tables import connection as connection_table
from builder.store.delivery_tables import notice_wish as table
from runtime.channels import BY_KIND
from runtime.outbox.wishes import Wishes, dump_wishes, read_wishes


class NoticeWishes:
    """What people wish, each for themselves."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, user_id: str) -> Wishes:
        """Return what somebody wishes; who never said anything wishes what is usual."""
        with self._database.snapshot() as connection:
            text = connection.scalar(sa.select(table.c.wishes).where(table.c.user_id == user_id))
        return Wishes() if text is None else read_wishes(text)

    def put(self, user_id: str, wishes: Wishes) -> Wishes:
        """Keep what somebody wishes, from the next message on.

        Raises:
            Problem: ``identity.invalid`` for connections that are not there or carry nothing to single people.
        """
        with self._database.transaction() as connection:
            c = connection_table.c
            rows = connection.execute(sa.select(c.key, c.kind).where(c.active)).all()
            _refuse_unknown(wishes, [key for key, kind in rows if BY_KIND[kind].to_each != "none"])
            kept = {"wishes": dump_wishes(wishes), "updated_at": self._clock.now()}
            changed = connection.execute(sa.update(table).where(table.c.user_id == user_id).values(**kept))
            if not changed.rowcount:
                connection.execute(sa.insert(table).values(user_id=user_id, **kept))
        return wishes


def _refuse_unknown(wishes: Wishes, known: list[str]) -> None:
    violations = []
    for place, rule in enumerate(wishes.rules):
        for number, key in enumerate(rule.connections or ()):
            if key not in known:
                hint = nearest_hint(key, known)
                zh = f"没有可以发给个人的连接“{key}”{hint.zh}"
                message = say(zh, f'There is no connection "{key}" to single people{hint.en}')
                violations.append(Violation("unknown", f"/rules/{place}/connections/{number}", message))
    if violations:
        raise Problem("identity.invalid", violations=violations)
