"""Share links, and challenges of public forms that were solved."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0017_sharing"
down_revision = "0016_pending"


def upgrade() -> None:
    op.create_table(
        "dougong_share",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("secret_hash", Words(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=True, comment="the record that is shared; null = a view"),
        sa.Column("view", Words(), nullable=True, comment="the view that is shared: key or id"),
        sa.Column("fields", Words(), nullable=False, comment="field paths that are shown, JSON list"),
        sa.Column("label", Words(), nullable=False),
        sa.Column("password_hash", Words(), nullable=True, comment="argon2id; null = none is asked for"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("most_opens", Whole(), nullable=True, comment="null = any number"),
        sa.Column("opened_count", Whole(), nullable=False),
        sa.Column("last_opened_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", Identifier(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_share_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["created_by"], ["dougong_user.id"], name=op.f("fk_dougong_share_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_share")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_dougong_share_secret_hash")),
    )
    op.create_index("ix_dougong_share_app", "dougong_share", ["app", "created_by", "created_at"])
    op.create_index(op.f("ix_dougong_share_created_by"), "dougong_share", ["created_by"])
    op.create_table(
        "dougong_solved_challenge",
        sa.Column("hash", Words(), nullable=False, comment="a challenge counts once"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_dougong_solved_challenge")),
    )
    op.create_index(op.f("ix_dougong_solved_challenge_expires_at"), "dougong_solved_challenge", ["expires_at"])
