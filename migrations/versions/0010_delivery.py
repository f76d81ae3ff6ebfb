"""Connections, the outbox, the inbox, jobs and cron slots."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words, YesNo

revision = "0010_delivery"
down_revision = "0009_automations"


def upgrade() -> None:
    op.create_table(
        "dougong_connection",
        sa.Column("key", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="smtp, webhook, dingtalk, …: runtime/channels"),
        sa.Column("label", Words(), nullable=False),
        sa.Column("options", Words(), nullable=False, comment="JSON object, nothing secret"),
        sa.Column("secrets", Words(), nullable=False, comment="sealed JSON object: runtime/secrets"),
        sa.Column("active", YesNo(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("updated_by", Words(), nullable=True),
        sa.Column("revision", Whole(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dougong_connection")),
    )
    op.create_table(
        "dougong_outbox",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("key", Words(), nullable=False, comment="two effects of one key are one; receivers are told it"),
        sa.Column("connection", Words(), nullable=False),
        sa.Column("payload", Words(), nullable=False, comment="what is sent, JSON: runtime/outbox/payloads.py"),
        sa.Column("app", Words(), nullable=True, comment="the app, entity and record it is about"),
        sa.Column("entity", Words(), nullable=True),
        sa.Column("record_id", Identifier(), nullable=True),
        sa.Column("state", Words(), nullable=False, comment="todo, sending, done, dead"),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_token", Words(), nullable=True, comment="who holds the lease; another cannot mark the row"),
        sa.Column("last_error", Words(), nullable=True, comment="JSON text in both languages"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_dougong_outbox_key")),
    )
    op.create_index("ix_dougong_outbox_connection", "dougong_outbox", ["connection", "state", "next_at"], unique=False)
    op.create_index("ix_dougong_outbox_due", "dougong_outbox", ["state", "next_at"], unique=False)
    op.create_index("ix_dougong_outbox_record", "dougong_outbox", ["record_id"], unique=False)
    op.create_table(
        "dougong_rate",
        sa.Column("bucket", Words(), nullable=False, comment="a connection"),
        sa.Column("taken_at", Instant(), nullable=False, comment="when the last turn was taken"),
        sa.Column("taken", Whole(), nullable=False, comment="turns so far"),
        sa.Column("blocked_until", Instant(), nullable=True, comment="the target asked us to wait"),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_dougong_rate")),
    )
    op.create_table(
        "dougong_inbox",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("key", Words(), nullable=False),
        sa.Column("subject", Words(), nullable=False, comment="JSON text in both languages"),
        sa.Column("text", Words(), nullable=False, comment="JSON text in both languages"),
        sa.Column("app", Words(), nullable=True),
        sa.Column("entity", Words(), nullable=True),
        sa.Column("record_id", Identifier(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("read_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_inbox_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_inbox")),
        sa.UniqueConstraint("user_id", "key", name=op.f("uq_dougong_inbox_user_id_key")),
    )
    op.create_index("ix_dougong_inbox_user", "dougong_inbox", ["user_id", "id"], unique=False)
    op.create_table(
        "dougong_job",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="runtime/jobs/kinds"),
        sa.Column("app", Words(), nullable=True),
        sa.Column("arguments", Words(), nullable=False, comment="JSON object"),
        sa.Column("state", Words(), nullable=False, comment="waiting, running, done, failed, cancelled"),
        sa.Column("done_count", Whole(), nullable=False),
        sa.Column("total_count", Whole(), nullable=True),
        sa.Column("checkpoint", Words(), nullable=True, comment="JSON: where to go on from"),
        sa.Column("result", Words(), nullable=True, comment="JSON"),
        sa.Column("error", Words(), nullable=True, comment="JSON text in both languages"),
        sa.Column("cancel_requested", YesNo(), nullable=False),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_token", Words(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", Words(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_job")),
    )
    op.create_index("ix_dougong_job_due", "dougong_job", ["state", "next_at"], unique=False)
    op.create_table(
        "dougong_cron_slot",
        sa.Column("schedule", Words(), nullable=False),
        sa.Column("slot_at", Instant(), nullable=False),
        sa.Column("fired_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("schedule", "slot_at", name=op.f("pk_dougong_cron_slot")),
    )
