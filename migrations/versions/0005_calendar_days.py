"""Days of working calendars that people keep beside the definition."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Day, Instant, Words

revision = "0005_calendar_days"
down_revision = "0004_people"


def upgrade() -> None:
    op.create_table(
        "dougong_calendar_day",
        sa.Column("app", Words(), nullable=False),
        sa.Column("calendar", Words(), nullable=False, comment="key of a calendar, or default"),
        sa.Column("day", Day(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="off, work"),
        sa.Column("name", Words()),
        sa.Column("hours", Words(), comment="of a worked day, JSON; null = those of its weekday"),
        sa.Column("source", Words(), nullable=False, comment="user id, or import"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_calendar_day_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "calendar", "day", name=op.f("pk_dougong_calendar_day")),
    )
