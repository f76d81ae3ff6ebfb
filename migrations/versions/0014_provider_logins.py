"""What a login by a provider was begun for, and where it leads. Logins that are under way begin again."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Words

revision = "0014_provider_logins"
down_revision = "0013_passwords"


def upgrade() -> None:
    op.drop_table("dougong_provider_login")
    op.create_table(
        "dougong_provider_login",
        sa.Column("state_hash", Words(), nullable=False, comment="a login that was begun, by the hash of its state"),
        sa.Column("nonce", Words(), nullable=False),
        sa.Column("verifier", Words(), nullable=False, comment="of PKCE; worth nothing once the code is used"),
        sa.Column("browser_hash", Words(), nullable=False, comment="of the cookie of the browser that began"),
        sa.Column(
            "user_id", Identifier(), nullable=True, comment="whose account is being bound; null = whoever it is logs in"
        ),
        sa.Column("next", Words(), nullable=False, comment="where it leads: a path on this service"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_provider_login_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_dougong_provider_login")),
    )
