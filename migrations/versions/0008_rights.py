"""Who has which role of an app, and which periods are closed."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Day, Identifier, Instant, Words

revision = "0008_rights"
down_revision = "0007_timers"


def upgrade() -> None:
    op.create_table(
        "dougong_grant",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("role", Words(), nullable=False, comment="key of a role document of the app"),
        sa.Column("kind", Words(), nullable=False, comment="user, department, position, everyone"),
        sa.Column("subject", Words(), nullable=False, comment="user or department id, position; empty = everyone"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", Words(), comment="user id, or system"),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_grant_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_grant")),
        sa.UniqueConstraint("app", "role", "kind", "subject", name=op.f("uq_dougong_grant_app_role_kind_subject")),
    )
    op.create_table(
        "dougong_closed_period",
        sa.Column("app", Words(), nullable=False),
        sa.Column("lock", Words(), nullable=False, comment="key of a lock document of the app"),
        sa.Column("closed_until", Day(), nullable=False, comment="days up to this one are closed"),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("changed_by", Words(), comment="user id"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_closed_period_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "lock", name=op.f("pk_dougong_closed_period")),
    )
