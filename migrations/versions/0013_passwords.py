"""Since when a password is used."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Instant

revision = "0013_passwords"
down_revision = "0012_writes"


def upgrade() -> None:
    op.add_column(
        "dougong_user",
        sa.Column(
            "password_changed_at", Instant(), nullable=True, comment="null = none, or not since there was this column"
        ),
    )
