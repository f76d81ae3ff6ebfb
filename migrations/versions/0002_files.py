"""Files: what was uploaded, and which records hold it."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "dougong_file",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("name", Words(), nullable=False, comment="as the person called it; never part of a path"),
        sa.Column("media_type", Words(), nullable=False, comment="what the content is, not what was declared"),
        sa.Column("bytes", Whole(), nullable=False),
        sa.Column("sha256", Words(), nullable=False, comment="names the content in the file store"),
        sa.Column("width", Whole(), nullable=True, comment="of an image, in pixels"),
        sa.Column("height", Whole(), nullable=True),
        sa.Column("uploaded_by", Words(), nullable=True, comment="user id, or system"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("state", Words(), nullable=False, comment="unused, used: whether a record holds it"),
        sa.Column("state_at", Instant(), nullable=False, comment="since when"),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_file_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_file")),
    )
    op.create_index(op.f("ix_dougong_file_app"), "dougong_file", ["app"], unique=False)
    op.create_index(op.f("ix_dougong_file_sha256"), "dougong_file", ["sha256"], unique=False)
    op.create_index("ix_dougong_file_state", "dougong_file", ["state", "state_at"], unique=False)
    op.create_table(
        "dougong_file_use",
        sa.Column("file_id", Identifier(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_file_use_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["file_id"], ["dougong_file.id"], name=op.f("fk_dougong_file_use_file_id")),
        sa.PrimaryKeyConstraint("file_id", "entity", "record_id", name=op.f("pk_dougong_file_use")),
    )
    op.create_index("ix_dougong_file_use_record", "dougong_file_use", ["app", "entity", "record_id"], unique=False)
