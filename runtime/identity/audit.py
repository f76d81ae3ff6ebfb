"""Security events: who logged in, was given a right, exported or looked as somebody else. A chain of hashes tells if a row was changed.

Reads and writes: dougong_security_event, dougong_security_head. An event is written in the transaction of what it tells; the head row is
the lock that orders writers. See docs/decisions/0022.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa

from builder.kernel.canonical import dump_sorted, parse_json
from builder.kernel.clock import Clock, instant_text
from builder.store.database import Database
from builder.store.tables import security_event as table
from builder.store.tables import security_head as head_table

JSON = Any

Kind = Literal[
    "login",
    "login.refused",
    "logout",
    "session.ended",
    "password.changed",
    "reset.asked",
    "provider.bound",
    "provider.unbound",
    "link.issued",
    "link.used",
    "factor.added",
    "factor.removed",
    "user.created",
    "user.changed",
    "department.changed",
    "directory.synced",
    "token.created",
    "token.revoked",
    "grant.changed",
    "view_as",
    "override",
    "period.changed",
    "export",
    "share.created",
    "share.revoked",
    "handover",
    "person.exported",
    "person.erased",
    "secret.changed",
    "audit.exported",
    "audit.pruned",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who does something, from where, in which request. ``actor`` is a user id, ``system``, or None for somebody unknown."""

    actor: str | None
    address: str = ""
    request_id: str = ""


SYSTEM_ORIGIN = Origin("system")
"""The command line, the first start, the installation."""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One event as it is kept."""

    id: int
    at: datetime
    kind: str
    actor: str | None
    subject: str | None
    address: str
    request_id: str
    detail: Mapping[str, JSON]
    hash: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which events are wanted; the latest first, those before ``before``."""

    kind: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the chain found: how many events it has, and the first that does not fit (None: all do)."""

    count: int
    broken_at: int | None
    last_hash: str


@dataclass(slots=True)
class Audit:
    """Keeps and shows security events."""

    database: Database
    clock: Clock

    def note(
        self,
        connection: sa.Connection,
        kind: Kind,
        origin: Origin,
        subject: str | None = None,
        detail: Mapping[str, JSON] | None = None,
    ) -> None:
        """Write an event inside the transaction of what it tells."""
        head = connection.execute(sa.select(head_table).where(head_table.c.id == 1).with_for_update()).one()
        row = {
            "id": head.last_id + 1,
            "at": _milliseconds(self.clock.now()),
            "kind": kind,
            "actor": origin.actor,
            "subject": subject,
            "address": origin.address,
            "request_id": origin.request_id,
            "detail": dump_sorted(dict(detail or {})).decode(),
        }
        row["hash"] = chain_hash(head.last_hash, row)
        connection.execute(sa.insert(table).values(**row))
        moved = sa.update(head_table).where(head_table.c.id == 1)
        connection.execute(moved.values(last_id=row["id"], last_hash=row["hash"]))

    def note_alone(
        self, kind: Kind, origin: Origin, subject: str | None = None, detail: Mapping[str, JSON] | None = None
    ) -> None:
        """Write an event that tells of nothing else in the database, such as a refused login."""
        with self.database.transaction() as connection:
            self.note(connection, kind, origin, subject, detail)

    def list_events(self, search: Search) -> list[SecurityEvent]:
        """Return events, the latest first."""
        with self.database.snapshot() as connection:
            return [_event(row) for row in connection.execute(_select(search))]

    def verify(self) -> Verdict:
        """Compute the chain anew. Cost: reads every event once."""
        with self.database.snapshot() as connection:
            head = connection.execute(sa.select(head_table)).one()
            last_id, last_hash, count = head.anchor_id, head.anchor_hash, 0
            ordered = sa.select(table).order_by(table.c.id)
            with connection.execute(ordered, execution_options={"yield_per": 1_000}) as rows:
                for row in rows:
                    if row.id != last_id + 1 or row.hash != chain_hash(last_hash, dict(row._mapping)):
                        return Verdict(count, last_id + 1, last_hash)
                    last_id, last_hash, count = row.id, row.hash, count + 1
            broken = None if (last_id, last_hash) == (head.last_id, head.last_hash) else last_id + 1
            return Verdict(count, broken, last_hash)

    def prune(self, keep: timedelta, origin: Origin) -> int:
        """Cut off events older than ``keep``; the chain goes on from the last of them. Returns how many were cut off."""
        limit = self.clock.now() - keep
        with self.database.transaction() as connection:
            connection.execute(sa.select(head_table).where(head_table.c.id == 1).with_for_update())
            kept = sa.select(sa.func.min(table.c.id)).where(table.c.at >= limit)
            first = connection.scalar(kept) or (connection.scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1
            last = connection.execute(sa.select(table.c.id, table.c.hash).where(table.c.id == first - 1)).one_or_none()
            if last is None:
                return 0
            count = connection.execute(sa.delete(table).where(table.c.id < first)).rowcount
            anchored = sa.update(head_table).values(anchor_id=last.id, anchor_hash=last.hash)
            connection.execute(anchored)
            self.note(connection, "audit.pruned", origin, None, {"count": count, "before": instant_text(limit)})
            return count


def chain_hash(before: str, row: Mapping[str, Any]) -> str:
    """Return the hash of an event: SHA-256 over the hash before it and its members in canonical JSON."""
    members = {name: row[name] for name in ("id", "kind", "actor", "subject", "address", "request_id", "detail")}
    members["at"] = instant_text(row["at"])
    return hashlib.sha256(before.encode() + b"\n" + dump_sorted(members)).hexdigest()


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as both databases keep it


def _select(search: Search) -> sa.Select[Any]:
    c = table.c
    conditions: list[sa.ColumnElement[bool]] = []
    for column, wanted in ((c.kind, search.kind), (c.actor, search.actor), (c.subject, search.subject)):
        if wanted is not None:
            conditions.append(column == wanted)
    if search.since is not None:
        conditions.append(c.at >= search.since)
    if search.until is not None:
        conditions.append(c.at < search.until)
    if search.before is not None:
        conditions.append(c.id < search.before)
    if search.text:
        looked_at: Sequence[sa.ColumnElement[Any]] = (c.detail, c.address, c.request_id)
        conditions.append(sa.or_(*(column.contains(search.text, autoescape=True) for column in looked_at)))
    return sa.select(table).where(*conditions).order_by(c.id.desc()).limit(search.limit)


def _event(row: Any) -> SecurityEvent:
    return SecurityEvent(
        row.id, row.at, row.kind, row.actor, row.subject, row.address, row.request_id, parse_json(row.detail), row.hash
    )
