"""Events: the history of a record and the change feed of an app. Written by ``writer``, read here.

A position in the feed is (transaction, id). On PostgreSQL transactions commit in another order than their ids are drawn, so the feed
shows only events of transactions below the oldest one still running, ordered by transaction: nothing can appear behind a reader's back.
On SQLite there is one writer, and the transaction part is 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.kernel.clock import instant_text
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, TransactionId, Words
from runtime.query.statements import StatementCache, guard

JSON = Any
KINDS = ("created", "updated", "moved", "deleted", "restored", "merged", "unmerged", "approval")
"""What an event may tell of."""


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


class Wanted(NamedTuple):
    """Which events of an app a reader asks for; all unless it says so."""

    entities: frozenset[str] = frozenset()
    """Keys; none = of every entity."""
    record_id: str | None = None

    def has(self, event: Event) -> bool:
        """Tell whether an event is wanted."""
        if self.entities and event.entity not in self.entities:
            return False
        return self.record_id is None or event.record_id == self.record_id


ALL = Wanted()


class Event(NamedTuple):
    """What was written to one record at one time."""

    position: FeedPosition
    entity: str
    record_id: str
    body: bytes
    """As the API shows it, JSON."""


class EventPage(NamedTuple):
    """Events in order, with the guard of the statement."""

    pin: str | None
    epoch: int
    events: list[Event]
    last: FeedPosition | None
    """Where the last one stands."""


class FeedPage(NamedTuple):
    """A stretch of the feed, with the guard of the statement."""

    pin: str | None
    epoch: int
    events: list[Event]
    reached: FeedPosition
    """Up to where everything was looked at: where to go on."""
    head: FeedPosition
    """The newest event of the app that may be shown."""


def feed(cache: StatementCache, app: str, after: FeedPosition, limit: int, wanted: Wanted = ALL) -> Unit[FeedPage]:
    """Return events of an app after a position, oldest first; none with ``limit=0``, which only looks where the feed stands."""
    entities = sorted(wanted.entities)
    shape = ("feed", len(entities), wanted.record_id is not None)
    statement = cache.get(shape, lambda: _feed_statement(cache.dialect, len(entities), wanted.record_id is not None))
    values = {"app": app, "after_id": after.id, "after_xact": str(after.transaction), "limit": limit}
    values |= {f"entity{place}": key for place, key in enumerate(entities)}
    rows = yield Query(statement, {**values, "record_id": wanted.record_id})
    pin, epoch, head_xact, head_id = rows[0][:4]
    head = START if head_id is None else FeedPosition(int(head_xact), int(head_id))
    events = [_event(row[4:]) for row in rows if row[4] is not None]
    reached = events[-1].position if events and len(events) == limit else max(head, after) if limit else after
    return FeedPage(pin, epoch, events, reached, head)


def _feed_statement(dialect: str, entities: int, one_record: bool) -> sa.Select[Any]:
    event = tables.event
    own = event.c.app == sa.bindparam("app", type_=Words())
    last_id = sa.bindparam("after_id", type_=sa.BigInteger())
    if dialect == POSTGRESQL:
        transaction = sa.cast(sa.bindparam("after_xact", type_=sa.Text()), TransactionId())
        order: tuple[Any, ...] = (event.c.xact, event.c.id)
        behind: Any = sa.tuple_(*order) > sa.tuple_(transaction, last_id)
        own &= event.c.xact < sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot())
    else:
        order = (event.c.id,)
        behind = event.c.id > last_id
        own &= event.c.xact == sa.literal_column("0")  # for the index: it stands between the app and the id
    newest = sa.select(event.c.xact, event.c.id).where(own).order_by(*(key.desc() for key in order)).limit(1)
    condition = own & behind
    if entities:
        condition &= event.c.entity.in_([sa.bindparam(f"entity{place}", type_=Words()) for place in range(entities)])
    if one_record:
        condition &= event.c.record_id == sa.bindparam("record_id", type_=Identifier())
    return _page(condition, order, head=newest.subquery("h"))


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
    found = [_event(row[2:]) for row in rows if row[2] is not None]
    return EventPage(rows[0][0], rows[0][1], found, found[-1].position if found else None)


def _page(
    condition: Any, order: tuple[Any, ...], *, descending: bool = False, head: sa.Subquery | None = None
) -> sa.Select[Any]:
    """Return the statement of one page: always at least one row, for the guard and the head."""
    columns = [tables.event.c[name] for name in _COLUMNS]
    ordered = [column.desc() if descending else column.asc() for column in order]
    limit = sa.bindparam("limit", type_=sa.Integer())
    page = sa.select(*columns).where(condition).order_by(*ordered).limit(limit).subquery("e")
    g = guard()
    source: sa.FromClause = g
    first: list[Any] = [g.c.pin, g.c.epoch]
    if head is not None:
        source = source.outerjoin(head, sa.true())
        first += [sa.cast(head.c.xact, sa.Text), head.c.id]
    shown = [sa.cast(c, sa.Text) if c.key == "xact" else c for c in page.c]
    again = [page.c[column.key].desc() if descending else page.c[column.key].asc() for column in order]
    return sa.select(*first, *shown).select_from(source.outerjoin(page, sa.true())).order_by(*again)


_COLUMNS = (
    "id",
    "xact",
    "entity",
    "record_id",
    "kind",
    "at",
    "actor",
    "door",
    "request_id",
    "version",
    "revision",
    "changes",
    "detail",
)


def _event(row: Any) -> Event:
    event_id, transaction, entity, record_id, kind, at, actor, door, request_id, version, revision, changes, detail = (
        row
    )
    position = FeedPosition(int(transaction), int(event_id))
    shown: dict[str, JSON] = {
        "position": position.text(),
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
        **({} if detail is None else {"detail": msgspec.Raw(detail.encode())}),
    }
    return Event(position, entity, str(record_id), dump_json(shown))
