"""Search indexes, and what PostgreSQL's are made of."""

import sqlalchemy as sa
from alembic import op

from builder.store.searching.postgresql import CREATE_FUNCTION
from builder.store.types import Identifier, Instant, Words

revision = "0020_search_index"
down_revision = "0019_following"


def upgrade() -> None:
    op.create_table(
        "dougong_search_index",
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("table_name", Words(), nullable=False),
        sa.Column("columns", Words(), nullable=False, comment="the searched columns that are in it, JSON list"),
        sa.Column("state", Words(), nullable=False, comment="building, ready"),
        sa.Column(
            "position",
            Identifier(),
            nullable=True,
            comment="SQLite: the last record that was entered while it is built",
        ),
        sa.Column(
            "common",
            Words(),
            nullable=False,
            comment="pairs of characters that many records have, JSON: share by pair",
        ),
        sa.Column("counted_at", Instant(), nullable=True, comment="when these were counted"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_search_index_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "entity", name=op.f("pk_dougong_search_index")),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(CREATE_FUNCTION)
