"""Tables of automations and assignments."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store import platform
from builder.store.types import Identifier, Instant, Whole, Words

PREFIX, metadata = platform.PREFIX, platform.metadata

automation_run = sa.Table(
    PREFIX + "automation_run",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("automation", Words, nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, comment="null = it ran without a record"),
    sa.Column("trigger", Words, nullable=False, comment="created, changed, button, …"),
    sa.Column("state", Words, nullable=False, comment="done, failed, passed, waiting"),
    sa.Column("reason", Words, nullable=False, comment="why it ran or did not, JSON in both languages"),
    sa.Column("outcomes", Words, nullable=False, comment="what became of each action, JSON list"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", Words, comment="whose write occasioned it"),
    sa.Column("request_id", Words, nullable=False),
    sa.Column("version", Whole, nullable=False, comment="the app's version it ran under"),
    sa.Column("cause", Words, nullable=False, comment="the run it follows from; empty = what somebody did"),
    sa.Column("depth", Whole, nullable=False, comment="how many runs stand before it"),
    sa.Column("next_action", Whole, nullable=False, comment="of a waiting run: the action to go on with"),
    sa.Column("due_at", Instant, comment="of a waiting run: when it goes on"),
    sa.Column("attempts", Whole, nullable=False, comment="of a waiting run: how often it broke down"),
    sa.Column(
        "actions",
        Words,
        comment="of a run that follows a move, an approval or a reminder: its actions as they were then, JSON list",
    ),
    sa.Index("ix_dougong_automation_run_app", "app", "automation", "at"),
    sa.Index("ix_dougong_automation_run_record", "record_id", "at"),
    platform.partial_index("ix_dougong_automation_run_due", "due_at", where="due_at IS NOT NULL"),
    sa.Index("ix_dougong_automation_run_request", "request_id"),
)

automation_state = sa.Table(
    PREFIX + "automation_state",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("automation", Words, primary_key=True),
    sa.Column("failures", Whole, nullable=False, comment="in a row"),
    sa.Column("disabled_at", Instant, comment="null = it runs"),
    sa.Column("reason", Words, nullable=False, comment="why it was switched off, JSON in both languages"),
    sa.Column("secret", Words, comment="of a webhook trigger, sealed"),
    sa.Column("position", Words, nullable=False, comment="how far another app's events, or a schedule, were followed"),
)

automation_message = sa.Table(
    PREFIX + "automation_message",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("automation", Words, primary_key=True),
    sa.Column("message_id", Words, primary_key=True),
    sa.Column("run_id", Identifier, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

absence = sa.Table(
    PREFIX + "absence",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", Words, nullable=False, comment="leave, travel, training, other"),
    sa.Column("begins_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("note", Words),
    sa.Column("created_by", Words),
    sa.Column("created_at", Instant, nullable=False),
)

assignment_head = sa.Table(
    PREFIX + "assignment_head",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", Words, primary_key=True),
    sa.Column("sequence", Whole, nullable=False, comment="decisions so far; who decides holds the row"),
)

assignment_turn = sa.Table(
    PREFIX + "assignment_turn",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("rule", Words, primary_key=True),
    sa.Column("user_id", Identifier, primary_key=True),
    sa.Column("sequence", Whole, nullable=False, comment="of the last decision for this person"),
    sa.Column("at", Instant, nullable=False),
)

assignment_decision = sa.Table(
    PREFIX + "assignment_decision",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("rule", Words, nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("kind", Words, nullable=False, comment="assigned, pooled, left, claimed, released, reclaimed"),
    sa.Column("user_id", Identifier, comment="who got it, or lost it"),
    sa.Column("former_id", Identifier, comment="who had it before"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", Words),
    sa.Column("version", Whole, nullable=False),
    sa.Column("sequence", Whole, nullable=False),
    sa.Column("detail", Words, nullable=False, comment="steps, candidates and scores, JSON"),
    sa.Index("ix_dougong_assignment_decision_record", "record_id", "at"),
    sa.Index("ix_dougong_assignment_decision_user", "app", "rule", "user_id", "at"),
)

assignment_pool = sa.Table(
    PREFIX + "assignment_pool",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", Words, primary_key=True),
    sa.Column("record_id", Identifier, primary_key=True),
    sa.Column("rule", Words, nullable=False),
    sa.Column("user_id", Identifier, comment="who has it and may lose it; null = it lies in the pool"),
    sa.Column("since", Instant, nullable=False),
    sa.Column("due_at", Instant, comment="when it is looked whether somebody works on it"),
    sa.Index("ix_dougong_assignment_pool_rule", "app", "rule", "since"),
    sa.Index("ix_dougong_assignment_pool_due", "due_at"),
)
