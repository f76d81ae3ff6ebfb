"""Timers of reminders, what has fired, and what has to be looked at again."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words, YesNo

revision = "0007_timers"
down_revision = "0006_pipelines"


def upgrade() -> None:
    op.create_table(
        "dougong_timer",
        sa.Column(
            "generation", Identifier(), nullable=False, comment="new with every arming: a notice of an old one is void"
        ),
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False, comment="key of a reminder"),
        sa.Column(
            "subject", Identifier(), nullable=False, comment="the record, or whose turn it is (a person, a customer)"
        ),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False, comment="the record its actions are about"),
        sa.Column("step", Whole(), nullable=False, comment="the next firing, counted from 0"),
        sa.Column("anchor_at", Instant(), nullable=False, comment="the occasion: what the steps count from"),
        sa.Column("due_at", Instant(), comment="null = nothing is left to come (or it stands still)"),
        sa.Column("calendar", Words(), comment="the calendar that was counted in"),
        sa.Column("provisional", YesNo(), nullable=False, comment="counted through a year without holidays"),
        sa.Column("paused_at", Instant(), comment="since when it stands still"),
        sa.Column("paused_seconds", Whole(), nullable=False, comment="how long it stood still before"),
        sa.Column("snoozed_until", Instant()),
        sa.Column("acknowledged_at", Instant()),
        sa.Column("acknowledged_by", Words(), comment="user id"),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_timer_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_dougong_timer")),
    )
    op.create_index("uq_dougong_timer_subject", "dougong_timer", ["app", "rule", "subject"], unique=True)
    op.create_index("ix_dougong_timer_record", "dougong_timer", ["app", "entity", "record_id"])
    live = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_dougong_timer_due_at", "dougong_timer", ["app", "due_at"], sqlite_where=live, postgresql_where=live
    )
    op.create_table(
        "dougong_timer_firing",
        sa.Column("generation", Identifier(), nullable=False),
        sa.Column("step", Whole(), nullable=False, comment="no step of a generation comes twice"),
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("subject", Identifier(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("anchor_at", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("fired_at", Instant(), nullable=False),
        sa.Column("outcome", Words(), nullable=False, comment="fired, missed, failed"),
        sa.Column("detail", Words(), comment="what was done, or why not, JSON {zh, en}"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_timer_firing_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation", "step", name=op.f("pk_dougong_timer_firing")),
    )
    op.create_index(
        "ix_dougong_timer_firing_record", "dougong_timer_firing", ["app", "entity", "record_id", "fired_at"]
    )
    op.create_table(
        "dougong_timer_rearm",
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False, comment="a reminder whose records are to be looked at again"),
        sa.Column("after", Identifier(), comment="the last record that was looked at; null = none yet"),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_timer_rearm_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "rule", name=op.f("pk_dougong_timer_rearm")),
    )
