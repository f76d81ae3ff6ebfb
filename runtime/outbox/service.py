"""Delivery as one value: what the composition root hands to whoever sends, shows or configures."""

from __future__ import annotations

from dataclasses import dataclass

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.store.database import Database
from runtime.channels.base import Roads
from runtime.connections.service import Connections
from runtime.identity.audit import Audit
from runtime.outbox.inbox import Inbox
from runtime.outbox.posting import Outbox
from runtime.outbox.rows import OutboxRows
from runtime.outbox.wishing import NoticeWishes
from runtime.secrets.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Delivery:
    """``outbox`` is for units of records; the others are synchronous. The courier belongs to the tick."""

    connections: Connections
    outbox: Outbox
    rows: OutboxRows
    inbox: Inbox
    wishes: NoticeWishes
    roads: Roads


def make_delivery(
    database: Database, clock: Clock, ids: Ids, audit: Audit, *, sealer: Sealer, roads: Roads, public_url: str | None
) -> Delivery:
    """Put the delivery services of one instance together."""
    return Delivery(
        connections=Connections(database, clock, sealer, audit),
        outbox=Outbox(public_url),
        rows=OutboxRows(database, clock, ids),
        inbox=Inbox(database, clock),
        wishes=NoticeWishes(database, clock),
        roads=roads,
    )
