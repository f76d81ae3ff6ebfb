"""Stays of records in stages, approvals, what pictures say of themselves, details of events."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0006_pipelines"
down_revision = "0005_calendar_days"


def upgrade() -> None:
    op.add_column(
        "dougong_event",
        sa.Column("detail", Words(), comment="what else there is to say, JSON: of a move transition, places, reason"),
    )
    op.add_column(
        "dougong_file",
        sa.Column(
            "captured_at",
            Words(),
            comment="when a picture says it was taken: ISO 8601, with an offset if it has one",
        ),
    )
    op.add_column("dougong_file", sa.Column("captured_lat", Words(), comment="where, in degrees of WGS-84"))
    op.add_column("dougong_file", sa.Column("captured_lng", Words()))
    op.create_table(
        "dougong_stage",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("pipeline", Words(), nullable=False),
        sa.Column("place", Whole(), nullable=False, comment="counts the stays of a record from 1"),
        sa.Column("stage", Words(), nullable=False),
        sa.Column("node", Words()),
        sa.Column("transition", Words(), comment="by which it was entered"),
        sa.Column("how", Words(), nullable=False, comment="began, moved, returned, reopened, mapped"),
        sa.Column("entered_at", Instant(), nullable=False),
        sa.Column("left_at", Instant(), comment="null = the record is there"),
        sa.Column("seconds", Whole(), comment="how long it stayed"),
        sa.Column("actor", Words(), comment="user id, or system"),
        sa.Column("reason", Words()),
        sa.Column("overridden", Words(), comment="codes of what was not met, JSON"),
        sa.Column("version", Whole(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_stage_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_stage")),
    )
    op.create_index("uq_dougong_stage_record", "dougong_stage", ["record_id", "pipeline", "place"], unique=True)
    op.create_index("ix_dougong_stage_place", "dougong_stage", ["app", "pipeline", "stage", "entered_at"])
    op.create_table(
        "dougong_approval",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("approval", Words(), nullable=False, comment="key of its document"),
        sa.Column("version", Whole(), nullable=False, comment="the app's version it began with"),
        sa.Column("body", Words(), nullable=False, comment="its document as it was then, JSON"),
        sa.Column("state", Words(), nullable=False, comment="running, approved, rejected, returned, withdrawn"),
        sa.Column("void_at", Instant(), comment="since when what it covers is not what was approved"),
        sa.Column("step", Whole(), nullable=False, comment="the step that is running or was last"),
        sa.Column("asked_by", Words(), comment="user id, or system"),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant()),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_approval_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_approval")),
    )
    op.create_index("ix_dougong_approval_record", "dougong_approval", ["record_id", "approval", "asked_at"])
    op.create_index("ix_dougong_approval_state", "dougong_approval", ["app", "state"])
    op.create_table(
        "dougong_approval_task",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("approval_id", Identifier(), nullable=False),
        sa.Column("step", Whole(), nullable=False),
        sa.Column("place", Whole(), nullable=False, comment="order within the step"),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("source", Words(), nullable=False, comment="why this person: step, delegated, signer, escalated"),
        sa.Column(
            "state", Words(), nullable=False, comment="waiting, open, approved, rejected, returned, delegated, closed"
        ),
        sa.Column("opened_at", Instant()),
        sa.Column("due_at", Instant()),
        sa.Column("escalated_at", Instant()),
        sa.Column("decided_at", Instant()),
        sa.Column("comment", Words()),
        sa.ForeignKeyConstraint(
            ["approval_id"],
            ["dougong_approval.id"],
            name=op.f("fk_dougong_approval_task_approval_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_approval_task_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_approval_task")),
    )
    op.create_index("ix_dougong_approval_task_approval", "dougong_approval_task", ["approval_id", "step", "place"])
    op.create_index("ix_dougong_approval_task_user", "dougong_approval_task", ["user_id", "state"])
    op.create_index("ix_dougong_approval_task_due", "dougong_approval_task", ["state", "due_at"])
    op.create_table(
        "dougong_approval_act",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("approval_id", Identifier(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", Words(), comment="user id, or system"),
        sa.Column("act", Words(), nullable=False),
        sa.Column("user_id", Identifier(), comment="whom it is about"),
        sa.Column("comment", Words()),
        sa.ForeignKeyConstraint(
            ["approval_id"],
            ["dougong_approval.id"],
            name=op.f("fk_dougong_approval_act_approval_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_approval_act")),
    )
    op.create_index("ix_dougong_approval_act_approval", "dougong_approval_act", ["approval_id", "id"])
