"""Computed fields whose values are on their way."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Words

revision = "0016_pending"
down_revision = "0015_app_events"


def upgrade() -> None:
    op.create_table(
        "dougong_pending",
        sa.Column("job_id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column(
            "fields", Words(), nullable=False, comment="computed fields that the job brings up to date, JSON array"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["dougong_job.id"], name=op.f("fk_dougong_pending_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_pending_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_dougong_pending")),
    )
    op.create_index("ix_dougong_pending_entity", "dougong_pending", ["app", "entity"])
