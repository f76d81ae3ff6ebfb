"""Second factors and logins by a provider."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0011_factors"
down_revision = "0010_delivery"


def upgrade() -> None:
    op.create_table(
        "dougong_factor",
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("secret", Words(), nullable=False, comment="sealed: runtime/secrets"),
        sa.Column(
            "confirmed_at", Instant(), nullable=True, comment="null = set up but never used: it is not asked for yet"
        ),
        sa.Column(
            "last_step", Whole(), nullable=False, comment="the last half minute a code was used of: each counts once"
        ),
        sa.Column("recovery", Words(), nullable=False, comment="hashes of unused recovery codes, JSON list"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_factor_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_dougong_factor")),
    )
    op.create_table(
        "dougong_provider_account",
        sa.Column("provider", Words(), nullable=False, comment="issuer"),
        sa.Column("subject", Words(), nullable=False, comment="who they are there"),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_provider_account_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_dougong_provider_account")),
    )
    op.create_index("ix_dougong_provider_account_user_id", "dougong_provider_account", ["user_id"], unique=False)
    op.create_table(
        "dougong_provider_login",
        sa.Column("state_hash", Words(), nullable=False, comment="a login that was begun, by the hash of its state"),
        sa.Column("nonce", Words(), nullable=False),
        sa.Column("verifier", Words(), nullable=False, comment="of PKCE; worth nothing once the code is used"),
        sa.Column("browser_hash", Words(), nullable=False, comment="of the cookie of the browser that began"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_dougong_provider_login")),
    )
