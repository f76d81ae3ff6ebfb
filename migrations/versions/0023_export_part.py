"""Sheets of records that a job takes out, in parts."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0023_export_part"
down_revision = "0022_former_passwords"


def upgrade() -> None:
    op.create_table(
        "dougong_export_part",
        sa.Column("job_id", Identifier(), nullable=False),
        sa.Column("part", Whole(), autoincrement=False, nullable=False),
        sa.Column("lines", Words(), nullable=False, comment="rows of cells, JSON: runtime/exports/parts.py"),
        sa.Column("made_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["dougong_job.id"], name=op.f("fk_dougong_export_part_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "part", name=op.f("pk_dougong_export_part")),
    )
