"""Tables of writes: answers kept for an Idempotency-Key, records that were deleted and are kept, merges."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store.platform import PREFIX, metadata
from builder.store.types import Identifier, Instant, Whole, Words

idempotency = sa.Table(
    PREFIX + "idempotency",
    metadata,
    sa.Column("actor", Words, primary_key=True, comment="whose key it is: user id, or system"),
    sa.Column("key", Words, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("fingerprint", Words, nullable=False, comment="SHA-256 of the request"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("status", Whole, comment="of the answer"),
    sa.Column("headers", Words, comment="JSON"),
    sa.Column("body", Words),
    sa.Index("ix_dougong_idempotency_created_at", "actor", "created_at"),
)

trash = sa.Table(
    PREFIX + "trash",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("title", Words),
    sa.Column("deed", Identifier, nullable=False, comment="what went together has the id of what was asked for"),
    sa.Column("place", Whole, nullable=False, comment="order in which it was found: 0 = what was asked for"),
    sa.Column("body", Words, nullable=False, comment="the record as it was, JSON"),
    sa.Column("blanked", Words, nullable=False, comment="references that were blanked: [[entity, id, field], …], JSON"),
    sa.Column("deleted_at", Instant, nullable=False),
    sa.Column("deleted_by", Words, comment="user id, or system"),
    sa.Column("merge_id", Identifier, comment="the merge that took it away; such a one is no trash"),
    sa.Index("ix_dougong_trash_list", "app", "entity", "deleted_at", "id"),
    sa.Index("ix_dougong_trash_record", "app", "entity", "record_id"),
    sa.Index("ix_dougong_trash_deed", "deed", "place"),
)

merge = sa.Table(
    PREFIX + "merge",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False, comment="the record that stayed"),
    sa.Column("body", Words, nullable=False, comment="what was moved and what was there before, JSON"),
    sa.Column("merged_at", Instant, nullable=False),
    sa.Column("merged_by", Words, comment="user id, or system"),
    sa.Column("undone_at", Instant),
    sa.Index("ix_dougong_merge_record", "app", "entity", "record_id", "merged_at"),
)
