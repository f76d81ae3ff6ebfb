"""Former passwords of people, so that a company can ask for new ones that are new."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Words

revision = "0022_former_passwords"
down_revision = "0021_import_part"


def upgrade() -> None:
    with op.batch_alter_table("dougong_user") as batch:
        batch.add_column(
            sa.Column(
                "former_passwords",
                Words(),
                nullable=True,
                comment="argon2id, JSON list, the latest first; null = none kept",
            )
        )
