"""Rows of the outbox in transactions of their own: claiming, marking, showing, replaying.

Reads and writes: dougong_outbox, dougong_rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import Database
from builder.store.delivery_tables import connection as connection_table
from builder.store.delivery_tables import outbox as table
from builder.store.delivery_tables import rate as rate_table
from builder.store.statement import SQLITE
from runtime.channels.base import Rate

LEASE = timedelta(minutes=2)
"""Longer than any channel's own deadline."""
STATES = ("todo", "sending", "done", "dead")
_OLDEST = 200
"""Due rows among which connections are looked for that are not there any more."""
_DIGEST = 500


class Claimed(NamedTuple):
    """A row under our lease."""

    id: str
    key: str
    connection: str
    payload: str
    app: str | None
    entity: str | None
    record_id: str | None
    attempts: int
    token: str
    digest: str | None = None
    """What is due of one digest goes out together."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row as administrators see it."""

    id: str
    key: str
    connection: str
    state: str
    attempts: int
    next_at: datetime
    last_error: Text | None
    app: str | None
    entity: str | None
    record_id: str | None
    created_at: datetime
    ended_at: datetime | None


def _waiting_connections(connection: sa.Connection, due: sa.Select[Any], now: datetime) -> list[str]:
    """Return the connections that have due rows and whose turn it may be, the one that waits longest first.

    Each is asked by itself, along the index, so it does not matter how many rows one of them has.
    """
    c, r = table.c, rate_table.c
    resting = sa.exists().where(r.bucket == connection_table.c.key, r.blocked_until > now)
    first = due.with_only_columns(sa.func.min(c.next_at)).where(c.connection == connection_table.c.key)
    listed = sa.select(connection_table.c.key, first.scalar_subquery().label("first")).where(~resting).subquery()
    chosen = sa.select(listed.c.key).where(listed.c.first.is_not(None)).order_by(listed.c.first, listed.c.key)
    found = list(connection.scalars(chosen))
    oldest = due.order_by(c.next_at, c.id).limit(_OLDEST).subquery()
    known = sa.select(connection_table.c.key).where(connection_table.c.key == oldest.c.connection)
    return [*found, *connection.scalars(sa.select(oldest.c.connection).distinct().where(~known.exists()))]


class OutboxRows:
    """The rows."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def claim(self, most: int, per_connection: int) -> list[Claimed]:
        """Take due rows under a lease, at most so many of one connection, oldest first: neither who is dead nor who has much to be told holds up others."""
        now, token = self._clock.now(), self._ids.secret()
        c = table.c
        free = sa.or_(c.lease_until.is_(None), c.lease_until <= now)
        due = sa.select(c.id, c.connection).where(c.state.in_(("todo", "sending")), c.next_at <= now, free)
        with self._database.transaction() as connection:
            ids: list[str] = []
            for key in _waiting_connections(connection, due, now):
                first = (
                    due.where(c.connection == key).order_by(c.next_at, c.id).limit(min(per_connection, most - len(ids)))
                )
                ids += [str(row.id) for row in connection.execute(first)]
                if len(ids) >= most:
                    break
            if not ids:
                return []
            ids += self._rest_of_digests(connection, ids, due)
            held = (
                sa.select(table).where(c.id.in_(ids), free, c.state.in_(("todo", "sending"))).order_by(c.next_at, c.id)
            )
            rows = connection.execute(held.with_for_update(skip_locked=True)).all()
            taken = sa.update(table).where(c.id.in_([row.id for row in rows]))
            connection.execute(taken.values(state="sending", lease_until=now + LEASE, lease_token=token))
        return [
            Claimed(r.id, r.key, r.connection, r.payload, r.app, r.entity, r.record_id, r.attempts, token, r.digest)
            for r in rows
        ]

    def _rest_of_digests(self, connection: sa.Connection, ids: list[str], due: sa.Select[Any]) -> list[str]:
        """Return what else is due of the digests that some rows are of."""
        c = table.c
        digests = list(connection.scalars(sa.select(c.digest).distinct().where(c.id.in_(ids), c.digest.is_not(None))))
        if not digests:
            return []
        rest = due.where(c.digest.in_(digests), c.id.not_in(ids)).order_by(c.id).limit(_DIGEST)
        return [str(row[0]) for row in connection.execute(rest)]

    def mark_done(self, rows: Sequence[Claimed]) -> bool:
        """Note that rows were delivered; False if another holds the lease now."""
        return self._mark(rows, state="done", ended_at=self._clock.now(), last_error=None, counted=True)

    def mark_failed(self, row: Claimed, reason: Text, next_at: datetime | None) -> bool:
        """Note a failed try; without another try the row is dead."""
        told = dump_json(reason._asdict()).decode()
        if next_at is None:
            return self._mark([row], state="dead", ended_at=self._clock.now(), last_error=told, counted=True)
        return self._mark([row], state="todo", next_at=next_at, last_error=told, counted=True)

    def put_back(self, rows: Sequence[Claimed]) -> bool:
        """Give rows back untried, in the order they had: they wait for their connection's turn."""
        return self._mark(rows, state="todo", counted=False)

    def _mark(self, rows: Sequence[Claimed], *, counted: bool, **values: Any) -> bool:
        if not rows:
            return True
        ours = (table.c.id.in_([row.id for row in rows]), table.c.lease_token == rows[0].token)
        change = sa.update(table).where(*ours).values(lease_until=None, lease_token=None, **values)
        if counted:
            change = change.values(attempts=table.c.attempts + 1)
        with self._database.transaction() as connection:
            return connection.execute(change).rowcount == len(rows)

    # -- rates ---------------------------------------------------------------------------------------------------------

    def take_turn(self, bucket: str, rate: Rate | None) -> datetime | None:
        """Take a turn of a bucket; None = go, else when to come again. All processes share the buckets.

        Turns are spread evenly (one every ``seconds / most``), so no span of that length ever holds more than ``most``, wherever
        it begins; what waits meanwhile goes out together.
        """
        now = self._clock.now()
        insert = sqlite_insert if self._database.dialect == SQLITE else postgresql_insert
        with self._database.transaction() as connection:
            made = insert(rate_table).values(bucket=bucket, taken_at=now, taken=0).on_conflict_do_nothing()
            connection.execute(made)
            row = connection.execute(sa.select(rate_table).where(rate_table.c.bucket == bucket).with_for_update()).one()
            if row.blocked_until is not None and row.blocked_until > now:
                blocked: datetime = row.blocked_until
                return blocked
            if rate is None:
                return None
            next_turn: datetime = row.taken_at + timedelta(seconds=rate.seconds / rate.most)
            if row.taken and now < next_turn:
                return next_turn
            values = {"taken_at": now, "taken": row.taken + 1}
            connection.execute(sa.update(rate_table).where(rate_table.c.bucket == bucket).values(**values))
            return None

    def block(self, bucket: str, until: datetime) -> None:
        """Send nothing to a target before a moment: its turn comes then, or it asked for that."""
        with self._database.transaction() as connection:
            connection.execute(sa.update(rate_table).where(rate_table.c.bucket == bucket).values(blocked_until=until))

    # -- for administrators --------------------------------------------------------------------------------------------

    def list_deliveries(
        self, *, state: str | None = None, connection: str | None = None, before: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Return deliveries, the latest first."""
        c = table.c
        select = sa.select(table).order_by(c.id.desc()).limit(limit)
        for column, wanted in ((c.state, state), (c.connection, connection)):
            if wanted is not None:
                select = select.where(column == wanted)
        if before is not None:
            known = find_uuid(before)
            select = select.where(c.id < known) if known else select.where(sa.false())
        with self._database.snapshot() as opened:
            return [_delivery(row) for row in opened.execute(select)]

    def count_by_state(self) -> dict[str, int]:
        """Return how many there are of each state."""
        counted = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        with self._database.snapshot() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(counted)}

    def replay(self, delivery_id: str) -> Delivery:
        """Try a dead delivery again from the start, with the key it had.

        Raises:
            Problem: ``delivery.not_found``, ``delivery.not_dead``.
        """
        known = find_uuid(delivery_id)
        with self._database.transaction() as connection:
            one = sa.select(table).where(table.c.id == known)
            row = connection.execute(one.with_for_update()).one_or_none() if known else None
            if row is None:
                raise Problem("delivery.not_found", say("没有这次投递", "There is no such delivery"))
            if row.state != "dead":
                raise Problem("delivery.not_dead", say("只有失败的投递可以重发", "Only a dead delivery is replayed"))
            again = sa.update(table).where(table.c.id == known)
            connection.execute(again.values(state="todo", attempts=0, next_at=self._clock.now(), ended_at=None))
            return _delivery(connection.execute(one).one())

    def replay_all(self, connection_key: str) -> int:
        """Try all dead deliveries of a connection again; return how many."""
        dead = (table.c.connection == connection_key, table.c.state == "dead")
        again = sa.update(table).where(*dead)
        with self._database.transaction() as connection:
            changed = again.values(state="todo", attempts=0, next_at=self._clock.now(), ended_at=None)
            return connection.execute(changed).rowcount

    def prune(self, older_than: timedelta) -> int:
        """Remove deliveries that ended well so long ago; return how many. Dead ones stay until somebody looks."""
        limit = self._clock.now() - older_than
        with self._database.transaction() as connection:
            gone = sa.delete(table).where(table.c.state == "done", table.c.ended_at < limit)
            return connection.execute(gone).rowcount


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        key=row.key,
        connection=row.connection,
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        last_error=None if row.last_error is None else Text(**parse_json(row.last_error)),
        app=row.app,
        entity=row.entity,
        record_id=row.record_id,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
