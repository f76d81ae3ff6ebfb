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
    "share.opened",
    "share.revoked",
    "handover",
    "person.exported",
    "person.erased",
    "secret.changed",
    "audit.exported",
    "audit.pruned",
]
REDACTED = '{"redacted":true}'
"""What stands in place of the detail of an event about somebody who was erased."""
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

    def redact(self, connection: sa.Connection, user_id: str) -> str:
        """Take what tells of a person (addresses, names) out of the events by and about them; return which, as ``1-3,7``.

        The hashes stay, so each event still proves the one before it and is proven by the next: of what was redacted only the content can
        no longer be compared. It counts as whole if an event of the kind ``person.erased`` names it.
        """
        theirs = sa.or_(table.c.actor == user_id, table.c.subject == user_id)
        ids = list(connection.scalars(sa.select(table.c.id).where(theirs).order_by(table.c.id)))
        connection.execute(sa.update(table).where(theirs).values(address="", detail=REDACTED))
        return write_ranges(ids)

    def verify(self) -> Verdict:
        """Compute the chain anew. Cost: reads every event once."""
        redacted: set[int] = set()
        with self.database.snapshot() as connection:
            head = connection.execute(sa.select(head_table)).one()
            last_id, last_hash, count = head.anchor_id, head.anchor_hash, 0
            ordered = sa.select(table).order_by(table.c.id)
            with connection.execute(ordered, execution_options={"yield_per": 1_000}) as rows:
                for row in rows:
                    if row.id != last_id + 1:
                        return Verdict(count, last_id + 1, last_hash)
                    if row.hash != chain_hash(last_hash, dict(row._mapping)):
                        if (row.detail, row.address) != (REDACTED, ""):
                            return Verdict(count, row.id, last_hash)
                        redacted.add(row.id)
                    elif row.kind == "person.erased":
                        redacted -= read_ranges(str(parse_json(row.detail).get("events", "")))
                    last_id, last_hash, count = row.id, row.hash, count + 1
            if redacted:  # emptied, and nobody says why
                return Verdict(count, min(redacted), last_hash)
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
            # the last event that was cut off is named: who kept an export can see that the chain goes on from there
            told = {"count": count, "before": instant_text(limit), "last_id": last.id, "last_hash": last.hash}
            self.note(connection, "audit.pruned", origin, None, told)
            return count


def write_ranges(ids: Sequence[int]) -> str:
    """Write ascending numbers briefly: ``1-3,7``."""
    ranges: list[list[int]] = []
    for each in ids:
        if ranges and ranges[-1][1] == each - 1:
            ranges[-1][1] = each
        else:
            ranges.append([each, each])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)


def read_ranges(text: str) -> set[int]:
    """Read what ``write_ranges`` wrote."""
    pairs = (part.partition("-") for part in text.split(",") if part)
    return {each for first, _, last in pairs for each in range(int(first), int(last or first) + 1)}


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
