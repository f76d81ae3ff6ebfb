"""Tables of what leaves the house and of what is done beside requests: connections, outbox, inbox, jobs, cron slots."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store.platform import PREFIX, metadata
from builder.store.types import Identifier, Instant, Whole, Words, YesNo

connection = sa.Table(
    PREFIX + "connection",
    metadata,
    sa.Column("key", Words, primary_key=True),
    sa.Column("kind", Words, nullable=False, comment="smtp, webhook, dingtalk, …: runtime/channels"),
    sa.Column("label", Words, nullable=False),
    sa.Column("options", Words, nullable=False, comment="JSON object, nothing secret"),
    sa.Column("secrets", Words, nullable=False, comment="sealed JSON object: runtime/secrets"),
    sa.Column("active", YesNo, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("updated_by", Words),
    sa.Column("revision", Whole, nullable=False),
)

outbox = sa.Table(
    PREFIX + "outbox",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column(
        "key", Words, nullable=False, unique=True, comment="two effects of one key are one; receivers are told it"
    ),
    sa.Column("connection", Words, nullable=False),
    sa.Column("payload", Words, nullable=False, comment="what is sent, JSON: runtime/outbox/payloads.py"),
    sa.Column("app", Words, comment="the app, entity and record it is about"),
    sa.Column("entity", Words),
    sa.Column("record_id", Identifier),
    sa.Column("state", Words, nullable=False, comment="todo, sending, done, dead"),
    sa.Column("attempts", Whole, nullable=False),
    sa.Column("next_at", Instant, nullable=False),
    sa.Column("lease_until", Instant),
    sa.Column("lease_token", Words, comment="who holds the lease; another cannot mark the row"),
    sa.Column("last_error", Words, comment="JSON text in both languages"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("digest", Words, comment="what is due of one digest goes out as one message"),
    sa.Index("ix_dougong_outbox_due", "state", "next_at"),
    sa.Index("ix_dougong_outbox_connection", "connection", "state", "next_at"),
    sa.Index("ix_dougong_outbox_record", "record_id"),
)

notice_wish = sa.Table(
    PREFIX + "notice_wish",
    metadata,
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("wishes", Words, nullable=False, comment="JSON: runtime/outbox/wishes.py"),
    sa.Column("updated_at", Instant, nullable=False),
)

rate = sa.Table(
    PREFIX + "rate",
    metadata,
    sa.Column("bucket", Words, primary_key=True, comment="a connection"),
    sa.Column("taken_at", Instant, nullable=False, comment="when the last turn was taken"),
    sa.Column("taken", Whole, nullable=False, comment="turns so far"),
    # nothing before: its turn comes then, or it asked us to wait
    sa.Column("blocked_until", Instant, comment="the target asked us to wait"),
)

inbox = sa.Table(
    PREFIX + "inbox",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", Words, nullable=False),
    sa.Column("subject", Words, nullable=False, comment="JSON text in both languages"),
    sa.Column("text", Words, nullable=False, comment="JSON text in both languages"),
    sa.Column("app", Words),
    sa.Column("entity", Words),
    sa.Column("record_id", Identifier),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("read_at", Instant),
    sa.UniqueConstraint("user_id", "key"),
    sa.Index("ix_dougong_inbox_user", "user_id", "id"),
)

job = sa.Table(
    PREFIX + "job",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("kind", Words, nullable=False, comment="runtime/jobs/kinds"),
    sa.Column("app", Words),
    sa.Column("arguments", Words, nullable=False, comment="JSON object"),
    sa.Column("state", Words, nullable=False, comment="waiting, running, done, failed, cancelled"),
    sa.Column("done_count", Whole, nullable=False),
    sa.Column("total_count", Whole),
    sa.Column("checkpoint", Words, comment="JSON: where to go on from"),
    sa.Column("result", Words, comment="JSON"),
    sa.Column("error", Words, comment="JSON text in both languages"),
    sa.Column("cancel_requested", YesNo, nullable=False),
    sa.Column("attempts", Whole, nullable=False),
    sa.Column("next_at", Instant, nullable=False),
    sa.Column("lease_until", Instant),
    sa.Column("lease_token", Words),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", Words),
    sa.Column("ended_at", Instant),
    sa.Index("ix_dougong_job_due", "state", "next_at"),
)

import_part = sa.Table(
    PREFIX + "import_part",
    metadata,
    sa.Column("job_id", Identifier, sa.ForeignKey(PREFIX + "job.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("part", Whole, primary_key=True, autoincrement=False),
    sa.Column(
        "rows", Words, comment="rows that are still to be written, JSON: runtime/imports/parts.py; null: they are"
    ),
    sa.Column("refused", Words, comment="rows that were refused, with what is wrong, JSON: runtime/imports/parts.py"),
)

export_part = sa.Table(
    PREFIX + "export_part",
    metadata,
    sa.Column("job_id", Identifier, sa.ForeignKey(PREFIX + "job.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("part", Whole, primary_key=True, autoincrement=False),
    sa.Column("lines", Words, nullable=False, comment="rows of cells, JSON: runtime/exports/parts.py"),
    sa.Column("made_at", Instant, nullable=False),
)

pending = sa.Table(
    PREFIX + "pending",
    metadata,
    sa.Column("job_id", Identifier, sa.ForeignKey(PREFIX + "job.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("fields", Words, nullable=False, comment="computed fields that the job brings up to date, JSON array"),
    sa.Index("ix_dougong_pending_entity", "app", "entity"),
)

cron_slot = sa.Table(
    PREFIX + "cron_slot",
    metadata,
    sa.Column("schedule", Words, primary_key=True),
    sa.Column("slot_at", Instant, primary_key=True),
    sa.Column("fired_at", Instant, nullable=False),
)
