"""Events: the history of a record and the change feed of an app. Written by ``writer``, read here.

A position in the feed is (transaction, id). On PostgreSQL transactions commit in another order than their ids are drawn, so the feed
shows only events of transactions below the oldest one still running, ordered by transaction: nothing can appear behind a reader's back.
On SQLite there is one writer, and the transaction part is 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from builder.kernel.clock import instant_text
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, TransactionId, Words
from runtime.query.statements import StatementCache, guard

JSON = Any


class FeedPosition(NamedTuple):
    """Where a reader of the feed stands."""

    transaction: int
    id: int

    def text(self) -> str:
        """Write the position for a caller."""
        return f"{self.transaction}-{self.id}"


START = FeedPosition(0, 0)


def read_position(text: str | None, name: str = "after") -> FeedPosition:
    """Read a position a caller gives back as the parameter ``name``.

    Raises:
        Problem: ``query.cursor``.
    """
    if not text:
        return START
    parts = text.split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        detail = say(f"{name} 应是上次得到的位置", f"{name} is a position that an answer gave")
        raise Problem("query.cursor", detail)
    return FeedPosition(int(parts[0]), int(parts[1]))


class EventPage(NamedTuple):
    """Events in order, with the guard of the statement."""

    pin: str | None
    epoch: int
    events: list[dict[str, JSON]]
    last: FeedPosition | None


def feed(cache: StatementCache, app: str, after: FeedPosition, limit: int) -> Unit[EventPage]:
    """Return events of an app after a position, oldest first."""

    def make() -> sa.Select[Any]:
        event = tables.event
        own = event.c.app == sa.bindparam("app", type_=Words())
        last_id = sa.bindparam("after_id", type_=sa.BigInteger())
        if cache.dialect != POSTGRESQL:
            nothing = event.c.xact == sa.literal_column("0")  # for the index: it stands between the app and the id
            return _page(own & nothing & (event.c.id > last_id), (event.c.id,), descending=False)
        transaction = sa.cast(sa.bindparam("after_xact", type_=sa.Text()), TransactionId())
        behind = sa.tuple_(event.c.xact, event.c.id) > sa.tuple_(transaction, last_id)
        settled = event.c.xact < sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot())
        return _page(own & behind & settled, (event.c.xact, event.c.id), descending=False)

    values = {"app": app, "after_id": after.id, "after_xact": str(after.transaction), "limit": limit}
    rows = yield Query(cache.get(("feed",), make), values)
    return _read(rows)


def timeline(
    cache: StatementCache, app: str, entity: str, record_id: str, before: int | None, limit: int
) -> Unit[EventPage]:
    """Return the events of one record, latest first."""

    def make() -> sa.Select[Any]:
        event = tables.event
        condition = (
            (event.c.app == sa.bindparam("app", type_=Words()))
            & (event.c.entity == sa.bindparam("entity", type_=Words()))
            & (event.c.record_id == sa.bindparam("record_id", type_=Identifier()))
            & (event.c.id < sa.bindparam("before", type_=sa.BigInteger()))
        )
        return _page(condition, (event.c.id,), descending=True)

    values = {"app": app, "entity": entity, "record_id": record_id, "before": before or 2**62, "limit": limit}
    rows = yield Query(cache.get(("timeline",), make), values)
    return _read(rows)


def _page(condition: Any, order: tuple[Any, ...], *, descending: bool) -> sa.Select[Any]:
    """Return the statement of one page: always at least one row, for the guard."""
    e = tables.event.c
    columns = (
        e.id,
        e.xact,
        e.entity,
        e.record_id,
        e.kind,
        e.at,
        e.actor,
        e.door,
        e.request_id,
        e.version,
        e.revision,
        e.changes,
    )
    ordered = [column.desc() if descending else column.asc() for column in order]
    limit = sa.bindparam("limit", type_=sa.Integer())
    page = sa.select(*columns).where(condition).order_by(*ordered).limit(limit).subquery("e")
    g = guard()
    shown = [sa.cast(c, sa.Text) if c.key == "xact" else c for c in page.c]
    again = [page.c[column.key].desc() if descending else page.c[column.key].asc() for column in order]
    return sa.select(g.c.pin, g.c.epoch, *shown).select_from(g.outerjoin(page, sa.true())).order_by(*again)


def _read(rows: Any) -> EventPage:
    pin, epoch = rows[0][0], rows[0][1]
    events = [_event(row[2:]) for row in rows if row[2] is not None]
    last = FeedPosition(int(rows[-1][3]), int(rows[-1][2])) if events else None
    return EventPage(pin, epoch, events, last)


def _event(row: Any) -> dict[str, JSON]:
    event_id, transaction, entity, record_id, kind, at, actor, door, request_id, version, revision, changes = row
    return {
        "position": FeedPosition(int(transaction), int(event_id)).text(),
        "entity": entity,
        "record_id": str(record_id),
        "kind": kind,
        "at": at if isinstance(at, str) else instant_text(at),
        "actor": actor,
        "door": door,
        "request_id": request_id,
        "version": version,
        "revision": revision,
        "changes": msgspec.Raw(changes.encode()),
    }
