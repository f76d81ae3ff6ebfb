"""Automations: their runs and states. Assignments: absences, turns, decisions, the pool."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0009_automations"
down_revision = "0008_rights"


def upgrade() -> None:
    op.create_table(
        "dougong_automation_run",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("automation", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=True, comment="null = it ran without a record"),
        sa.Column("trigger", Words(), nullable=False, comment="created, changed, button, …"),
        sa.Column("state", Words(), nullable=False, comment="done, failed, passed, waiting"),
        sa.Column("reason", Words(), nullable=False, comment="why it ran or did not, JSON in both languages"),
        sa.Column("outcomes", Words(), nullable=False, comment="what became of each action, JSON list"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", Words(), nullable=True, comment="whose write occasioned it"),
        sa.Column("request_id", Words(), nullable=False),
        sa.Column("version", Whole(), nullable=False, comment="the app's version it ran under"),
        sa.Column("cause", Words(), nullable=False, comment="the run it follows from; empty = what somebody did"),
        sa.Column("depth", Whole(), nullable=False, comment="how many runs stand before it"),
        sa.Column("next_action", Whole(), nullable=False, comment="of a waiting run: the action to go on with"),
        sa.Column("due_at", Instant(), nullable=True, comment="of a waiting run: when it goes on"),
        sa.Column("attempts", Whole(), nullable=False, comment="of a waiting run: how often it broke down"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_automation_run_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_automation_run")),
    )
    op.create_index(
        "ix_dougong_automation_run_app", "dougong_automation_run", ["app", "automation", "at"], unique=False
    )
    op.create_index("ix_dougong_automation_run_due", "dougong_automation_run", ["due_at"], unique=False)
    op.create_index("ix_dougong_automation_run_record", "dougong_automation_run", ["record_id", "at"], unique=False)
    op.create_table(
        "dougong_automation_state",
        sa.Column("app", Words(), nullable=False),
        sa.Column("automation", Words(), nullable=False),
        sa.Column("failures", Whole(), nullable=False, comment="in a row"),
        sa.Column("disabled_at", Instant(), nullable=True, comment="null = it runs"),
        sa.Column("reason", Words(), nullable=False, comment="why it was switched off, JSON in both languages"),
        sa.Column("secret", Words(), nullable=True, comment="of a webhook trigger, sealed"),
        sa.Column(
            "position", Words(), nullable=False, comment="how far another app's events, or a schedule, were followed"
        ),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_automation_state_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "automation", name=op.f("pk_dougong_automation_state")),
    )
    op.create_table(
        "dougong_automation_message",
        sa.Column("app", Words(), nullable=False),
        sa.Column("automation", Words(), nullable=False),
        sa.Column("message_id", Words(), nullable=False),
        sa.Column("run_id", Identifier(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_automation_message_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "automation", "message_id", name=op.f("pk_dougong_automation_message")),
    )
    op.create_index(op.f("ix_dougong_automation_message_at"), "dougong_automation_message", ["at"], unique=False)
    op.create_table(
        "dougong_absence",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="leave, travel, training, other"),
        sa.Column("begins_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("note", Words(), nullable=True),
        sa.Column("created_by", Words(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_absence_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_absence")),
    )
    op.create_index(op.f("ix_dougong_absence_user_id"), "dougong_absence", ["user_id"], unique=False)
    op.create_table(
        "dougong_assignment_head",
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("sequence", Whole(), nullable=False, comment="decisions so far; who decides holds the row"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_assignment_head_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "entity", name=op.f("pk_dougong_assignment_head")),
    )
    op.create_table(
        "dougong_assignment_turn",
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("sequence", Whole(), nullable=False, comment="of the last decision for this person"),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_assignment_turn_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "rule", "user_id", name=op.f("pk_dougong_assignment_turn")),
    )
    op.create_table(
        "dougong_assignment_decision",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="assigned, pooled, left, claimed, released, reclaimed"),
        sa.Column("user_id", Identifier(), nullable=True, comment="who got it, or lost it"),
        sa.Column("former_id", Identifier(), nullable=True, comment="who had it before"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", Words(), nullable=True),
        sa.Column("version", Whole(), nullable=False),
        sa.Column("sequence", Whole(), nullable=False),
        sa.Column("detail", Words(), nullable=False, comment="steps, candidates and scores, JSON"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_assignment_decision_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_assignment_decision")),
    )
    op.create_index(
        "ix_dougong_assignment_decision_record", "dougong_assignment_decision", ["record_id", "at"], unique=False
    )
    op.create_index(
        "ix_dougong_assignment_decision_user",
        "dougong_assignment_decision",
        ["app", "rule", "user_id", "at"],
        unique=False,
    )
    op.create_table(
        "dougong_assignment_pool",
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column(
            "user_id", Identifier(), nullable=True, comment="who has it and may lose it; null = it lies in the pool"
        ),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True, comment="when it is looked whether somebody works on it"),
        sa.ForeignKeyConstraint(
            ["app"], ["dougong_app.key"], name=op.f("fk_dougong_assignment_pool_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app", "entity", "record_id", name=op.f("pk_dougong_assignment_pool")),
    )
    op.create_index("ix_dougong_assignment_pool_due", "dougong_assignment_pool", ["due_at"], unique=False)
    op.create_index(
        "ix_dougong_assignment_pool_rule", "dougong_assignment_pool", ["app", "rule", "since"], unique=False
    )
