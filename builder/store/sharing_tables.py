"""Tables of doors for people without an account: share links, and challenges of public forms that were solved."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store.platform import PREFIX, metadata
from builder.store.types import Identifier, Instant, Whole, Words

share = sa.Table(
    PREFIX + "share",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("secret_hash", Words, nullable=False, unique=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, comment="the record that is shared; null = a view"),
    sa.Column("view", Words, comment="the view that is shared: key or id"),
    sa.Column("fields", Words, nullable=False, comment="field paths that are shown, JSON list"),
    sa.Column("label", Words, nullable=False),
    sa.Column("password_hash", Words, comment="argon2id; null = none is asked for"),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("most_opens", Whole, comment="null = any number"),
    sa.Column("opened_count", Whole, nullable=False),
    sa.Column("last_opened_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", Identifier, sa.ForeignKey(PREFIX + "user.id"), nullable=False, index=True),
    sa.Column("revoked_at", Instant),
    sa.Index("ix_dougong_share_app", "app", "created_by", "created_at"),
)

solved_challenge = sa.Table(
    PREFIX + "solved_challenge",
    metadata,
    sa.Column("hash", Words, primary_key=True, comment="a challenge counts once"),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)
