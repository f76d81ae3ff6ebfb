"""Views that people save for themselves, and may share."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Words, YesNo

revision = "0003_views"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "dougong_view",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("owner_id", Identifier(), nullable=False),
        sa.Column("label", Words(), nullable=False),
        sa.Column("body", Words(), nullable=False, comment="filter, sort, columns, limit, JSON"),
        sa.Column("shared", YesNo(), nullable=False, comment="others may use it too"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_view_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["dougong_user.id"], name=op.f("fk_dougong_view_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_view")),
    )
    op.create_index(op.f("ix_dougong_view_app"), "dougong_view", ["app", "entity"], unique=False)
