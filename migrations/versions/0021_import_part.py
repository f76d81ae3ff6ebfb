"""Rows of sheets that are brought in by a job, in parts."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Whole, Words

revision = "0021_import_part"
down_revision = "0020_search_index"


def upgrade() -> None:
    op.create_table(
        "dougong_import_part",
        sa.Column("job_id", Identifier(), nullable=False),
        sa.Column("part", Whole(), autoincrement=False, nullable=False),
        sa.Column(
            "rows",
            Words(),
            nullable=True,
            comment="rows that are still to be written, JSON: runtime/imports/parts.py; null: they are",
        ),
        sa.Column(
            "refused",
            Words(),
            nullable=True,
            comment="rows that were refused, with what is wrong, JSON: runtime/imports/parts.py",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["dougong_job.id"], name=op.f("fk_dougong_import_part_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "part", name=op.f("pk_dougong_import_part")),
    )
