"""Which entities have a search index, and how far it is. See docs/decisions/0007."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store.platform import PREFIX, metadata
from builder.store.types import Identifier, Instant, Words

search_index = sa.Table(
    PREFIX + "search_index",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", Words, primary_key=True),
    sa.Column("table_name", Words, nullable=False),
    sa.Column("columns", Words, nullable=False, comment="the searched columns that are in it, JSON list"),
    sa.Column("state", Words, nullable=False, comment="building, ready"),
    sa.Column("position", Identifier, comment="SQLite: the last record that was entered while it is built"),
    sa.Column(
        "common", Words, nullable=False, comment="pairs of characters that many records have, JSON: share by pair"
    ),
    sa.Column("counted_at", Instant, comment="when these were counted"),
)
