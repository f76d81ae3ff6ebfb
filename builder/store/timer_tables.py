"""Tables of timers."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store import platform
from builder.store.types import Identifier, Instant, Whole, Words, YesNo

PREFIX, metadata = platform.PREFIX, platform.metadata


timer = sa.Table(
    PREFIX + "timer",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("rule", Words, primary_key=True, comment="key of a reminder"),
    sa.Column(
        "subject", Identifier, primary_key=True, comment="the record, or whose turn it is (a person, a customer)"
    ),
    sa.Column(
        "generation", Identifier, nullable=False, comment="new with every arming: a notice of an old one is void"
    ),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False, comment="the record its actions are about"),
    sa.Column("step", Whole, nullable=False, comment="the next firing, counted from 0"),
    sa.Column("anchor_at", Instant, nullable=False, comment="the occasion: what the steps count from"),
    sa.Column("due_at", Instant, comment="null = nothing is left to come (or it stands still)"),
    sa.Column("calendar", Words, comment="the calendar that was counted in"),
    sa.Column("provisional", YesNo, nullable=False, comment="counted through a year without holidays"),
    sa.Column("paused_at", Instant, comment="since when it stands still"),
    sa.Column("paused_seconds", Whole, nullable=False, comment="how long it stood still before"),
    sa.Column("snoozed_until", Instant),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", Words, comment="user id"),
    platform.partial_index("ix_dougong_timer_record", "app", "entity", "record_id", where="record_id <> subject"),
    platform.partial_index("ix_dougong_timer_due_at", "app", "due_at", where="due_at IS NOT NULL"),
    sqlite_with_rowid=False,  # every page that a write touches is written once more: the row stands in the tree of its key
)

timer_firing = sa.Table(
    PREFIX + "timer_firing",
    metadata,
    sa.Column("generation", Identifier, primary_key=True),
    sa.Column("step", Whole, primary_key=True, comment="no step of a generation comes twice"),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("rule", Words, nullable=False),
    sa.Column("subject", Identifier, nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("anchor_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("fired_at", Instant, nullable=False),
    sa.Column("outcome", Words, nullable=False, comment="fired, missed, failed"),
    sa.Column("detail", Words, comment="what was done, or why not, JSON {zh, en}"),
    sa.Index("ix_dougong_timer_firing_record", "app", "entity", "record_id", "fired_at"),
)

timer_rearm = sa.Table(
    PREFIX + "timer_rearm",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("rule", Words, primary_key=True, comment="a reminder whose records are to be looked at again"),
    sa.Column("after", Identifier, comment="the last record that was looked at; null = none yet"),
    sa.Column("asked_at", Instant, nullable=False),
)
