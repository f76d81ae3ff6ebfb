"""Answers kept for Idempotency-Key, the trash, merges."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0012_writes"
down_revision = "0011_factors"


def upgrade() -> None:
    op.create_table(
        "dougong_idempotency",
        sa.Column("actor", Words(), nullable=False, comment="whose key it is: user id, or system"),
        sa.Column("key", Words(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("fingerprint", Words(), nullable=False, comment="SHA-256 of the request"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("status", Whole(), comment="of the answer"),
        sa.Column("headers", Words(), comment="JSON"),
        sa.Column("body", Words()),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_idempotency_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_dougong_idempotency")),
    )
    op.create_index("ix_dougong_idempotency_created_at", "dougong_idempotency", ["actor", "created_at"])
    op.create_table(
        "dougong_trash",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("title", Words()),
        sa.Column("deed", Identifier(), nullable=False, comment="what went together has the id of what was asked for"),
        sa.Column("place", Whole(), nullable=False, comment="order in which it was found: 0 = what was asked for"),
        sa.Column("body", Words(), nullable=False, comment="the record as it was, JSON"),
        sa.Column(
            "blanked", Words(), nullable=False, comment="references that were blanked: [[entity, id, field], …], JSON"
        ),
        sa.Column("deleted_at", Instant(), nullable=False),
        sa.Column("deleted_by", Words(), comment="user id, or system"),
        sa.Column("merge_id", Identifier(), comment="the merge that took it away; such a one is no trash"),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_trash_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_trash")),
    )
    op.create_index("ix_dougong_trash_list", "dougong_trash", ["app", "entity", "deleted_at", "id"])
    op.create_index("ix_dougong_trash_record", "dougong_trash", ["app", "entity", "record_id"])
    op.create_index("ix_dougong_trash_deed", "dougong_trash", ["deed", "place"])
    op.create_table(
        "dougong_merge",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False, comment="the record that stayed"),
        sa.Column("body", Words(), nullable=False, comment="what was moved and what was there before, JSON"),
        sa.Column("merged_at", Instant(), nullable=False),
        sa.Column("merged_by", Words(), comment="user id, or system"),
        sa.Column("undone_at", Instant()),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_merge_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_merge")),
    )
    op.create_index("ix_dougong_merge_record", "dougong_merge", ["app", "entity", "record_id", "merged_at"])
