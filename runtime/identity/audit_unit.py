"""Security events written by a unit: in the transaction of the record they tell of. The chain is the one of ``audit``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_sorted
from builder.store.statement import Query, Unit, prepare
from builder.store.tables import security_event as table
from builder.store.tables import security_head as head_table
from runtime.identity.audit import Kind, Origin, chain_hash


def note_unit(
    dialect: str, at: datetime, kind: Kind, origin: Origin, subject: str | None, detail: Mapping[str, Any]
) -> Unit[None]:
    """Write an event; seldom, so its statements are not kept."""
    held = sa.select(head_table.c.last_id, head_table.c.last_hash).where(head_table.c.id == 1).with_for_update()
    rows = yield Query(prepare(held, dialect), {})
    row = {
        "id": rows[0][0] + 1,
        "at": at.replace(microsecond=at.microsecond // 1000 * 1000),
        "kind": kind,
        "actor": origin.actor,
        "subject": subject,
        "address": origin.address,
        "request_id": origin.request_id,
        "detail": dump_sorted(dict(detail)).decode(),
    }
    row["hash"] = chain_hash(rows[0][1], row)
    insert = sa.insert(table).values({c.name: sa.bindparam(f"n_{c.name}", type_=c.type) for c in table.c})
    yield Query(prepare(insert, dialect), {f"n_{name}": value for name, value in row.items()})
    moved = sa.update(head_table).where(head_table.c.id == 1)
    moved = moved.values(
        last_id=sa.bindparam("n_id", type_=head_table.c.last_id.type),
        last_hash=sa.bindparam("n_hash", type_=head_table.c.last_hash.type),
    )
    yield Query(prepare(moved, dialect), {"n_id": row["id"], "n_hash": row["hash"]})
