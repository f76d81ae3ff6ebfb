"""The platform's own tables. ``migrations/`` creates them; a test keeps the two equal."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store import (
    delivery_tables,
    people_tables,
    platform,
    process_tables,
    search_tables,
    sharing_tables,
    timer_tables,
    writing_tables,
)
from builder.store.types import Day, Identifier, Instant, TransactionId, Whole, Words, YesNo

PREFIX = platform.PREFIX
metadata = platform.metadata
_ROOMS = (
    process_tables,
    delivery_tables,
    people_tables,
    search_tables,
    sharing_tables,
    timer_tables,
    writing_tables,
)  # once this module is there, all are

timer, timer_firing, timer_rearm = timer_tables.timer, timer_tables.timer_firing, timer_tables.timer_rearm

app = sa.Table(
    PREFIX + "app",
    metadata,
    sa.Column("key", Words, primary_key=True),
    sa.Column("published_version", Whole, nullable=False, comment="0 = never published"),
    sa.Column("pin", Words, nullable=False, comment="new with every publish: what a compiled app is pinned to"),
    sa.Column("draft_revision", Whole, nullable=False, comment="grows with every change of the draft"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", Words),
)

document = sa.Table(
    PREFIX + "document",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", Words, primary_key=True, comment="app, entities, …"),
    sa.Column("key", Words, primary_key=True),
    sa.Column("body", Words, nullable=False, comment="the draft's document, JSON"),
    sa.Column("revision", Whole, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("updated_by", Words),
)

version = sa.Table(
    PREFIX + "version",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", Whole, primary_key=True),
    sa.Column("package", Words, nullable=False, comment="the immutable definition, canonical JSON"),
    sa.Column("package_hash", Words, nullable=False),
    sa.Column("plan", Words, nullable=False, comment="the steps that were run, JSON"),
    sa.Column(
        "lineage", Words, nullable=False, comment="ids of its entities and fields, JSON: builder/publish/lineage.py"
    ),
    sa.Column("note", Words),
    sa.Column("published_at", Instant, nullable=False),
    sa.Column("published_by", Words),
)

kept = sa.Table(
    PREFIX + "kept",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("field", Words, nullable=False, comment="empty = the whole entity"),
    sa.Column("table_name", Words, nullable=False),
    sa.Column("column_name", Words, nullable=False, comment="empty = the whole table"),
    sa.Column(
        "storage", Words, nullable=False, comment="type of the column and where its ids lead, or the entity, JSON"
    ),
    sa.Column("origin", Words, nullable=False, comment="its id in the lineage"),
    sa.Column("version", Whole, nullable=False, comment="the version that set it aside"),
    sa.Column("kept_at", Instant, nullable=False),
)

event = sa.Table(
    PREFIX + "event",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column(
        "xact",
        TransactionId,
        nullable=False,
        server_default="0",
        comment="orders the feed by commit on PostgreSQL: see runtime/records/events.py",
    ),
    sa.Column("app", Words, nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("kind", Words, nullable=False, comment="created, updated, deleted"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", Words, comment="user id, or system"),
    sa.Column("door", Words, nullable=False, comment="rest, batch, install, …"),
    sa.Column("request_id", Words, nullable=False),
    sa.Column("version", Whole, nullable=False, comment="the app's version the write was made under"),
    sa.Column("revision", Whole, nullable=False, comment="the record's revision after the write"),
    sa.Column("changes", Words, nullable=False, comment='JSON {"field": [old, new]}'),
    sa.Column("detail", Words, comment="what else there is to say, JSON: of a move transition, places, reason"),
    sa.Index("ix_dougong_event_feed", "app", "xact", "id"),
    sa.Index("ix_dougong_event_record", "record_id", "id"),
)

counter = sa.Table(
    PREFIX + "counter",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", Words, primary_key=True),
    sa.Column("field", Words, primary_key=True),
    sa.Column("period", Words, primary_key=True, comment="empty, or the day, month or year it counts in"),
    sa.Column("value", Whole, nullable=False),
)

file = sa.Table(
    PREFIX + "file",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", Words, nullable=False, comment="as the person called it; never part of a path"),
    sa.Column("media_type", Words, nullable=False, comment="what the content is, not what was declared"),
    sa.Column("bytes", Whole, nullable=False),
    sa.Column("sha256", Words, nullable=False, index=True, comment="names the content in the file store"),
    sa.Column("width", Whole, comment="of an image, in pixels"),
    sa.Column("height", Whole),
    sa.Column("captured_at", Words, comment="when a picture says it was taken: ISO 8601, with an offset if it has one"),
    sa.Column("captured_lat", Words, comment="where, in degrees of WGS-84"),
    sa.Column("captured_lng", Words),
    sa.Column("uploaded_by", Words, comment="user id, or system"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("state", Words, nullable=False, comment="unused, used: whether a record holds it"),
    sa.Column("state_at", Instant, nullable=False, comment="since when"),
    sa.Index("ix_dougong_file_state", "state", "state_at"),
)

file_use = sa.Table(
    PREFIX + "file_use",
    metadata,
    sa.Column("file_id", Identifier, sa.ForeignKey(PREFIX + "file.id"), primary_key=True),
    sa.Column("entity", Words, primary_key=True),
    sa.Column("record_id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Index("ix_dougong_file_use_record", "app", "entity", "record_id"),
)

department = sa.Table(
    PREFIX + "department",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("key", Words, nullable=False, unique=True),
    sa.Column("name", Words, nullable=False),
    sa.Column("parent_id", Identifier, sa.ForeignKey(PREFIX + "department.id")),
    sa.Column("manager_id", Identifier, sa.ForeignKey(PREFIX + "user.id", use_alter=True)),
    sa.Column("source", Words, comment="the directory it comes from, such as dingtalk"),
    sa.Column("external_id", Words, comment="its id there"),
    sa.UniqueConstraint("source", "external_id"),
)

user = sa.Table(
    PREFIX + "user",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("username", Words, nullable=False, unique=True, comment="lower case"),
    sa.Column("name", Words, nullable=False),
    sa.Column("email", Words),
    sa.Column("password_hash", Words, comment="argon2id; null = cannot log in by password"),
    sa.Column("role", Words, nullable=False, comment="admin, builder, member"),
    sa.Column("department_id", Identifier, sa.ForeignKey(PREFIX + "department.id")),
    sa.Column("manager_id", Identifier, sa.ForeignKey(PREFIX + "user.id")),
    sa.Column("active", YesNo, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("revision", Whole, nullable=False),
    sa.Column("kind", Words, nullable=False, server_default="person", comment="person, service, external"),
    sa.Column("position", Words, comment="as the company calls it"),
    sa.Column("areas", Words, nullable=False, server_default="[]", comment="keys, JSON list"),
    sa.Column("phone", Words),
    sa.Column("password_changed_at", Instant, comment="null = none, or not since there was this column"),
    sa.Column("source", Words, comment="the directory they come from, such as dingtalk"),
    sa.Column("external_id", Words, comment="their id there"),
    sa.Column("former_passwords", Words, comment="argon2id, JSON list, the latest first; null = none kept"),
    sa.UniqueConstraint("source", "external_id"),
)

session = sa.Table(
    PREFIX + "session",
    metadata,
    sa.Column("secret_hash", Words, primary_key=True),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("address", Words, comment="where the login came from"),
    sa.Column("client", Words, comment="what the login was made with, as it named itself"),
)

token = sa.Table(
    PREFIX + "token",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id"), nullable=False, index=True),
    sa.Column("name", Words, nullable=False),
    sa.Column("secret_hash", Words, nullable=False, unique=True),
    sa.Column("scopes", Words, nullable=False, comment="JSON list"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
)

login_attempt = sa.Table(
    PREFIX + "login_attempt",
    metadata,
    sa.Column("subject", Words, primary_key=True, comment="hash of user name or network address"),
    sa.Column("failures", Whole, nullable=False),
    sa.Column("window_started_at", Instant, nullable=False),
)

view = sa.Table(
    PREFIX + "view",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("owner_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), nullable=False),
    sa.Column("label", Words, nullable=False),
    sa.Column("body", Words, nullable=False, comment="filter, sort, columns, limit, JSON"),
    sa.Column("shared", YesNo, nullable=False, comment="others may use it too"),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_dougong_view_app", "app", "entity"),
)

stage = sa.Table(
    PREFIX + "stage",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("pipeline", Words, nullable=False),
    sa.Column("place", Whole, nullable=False, comment="counts the stays of a record from 1"),
    sa.Column("stage", Words, nullable=False),
    sa.Column("node", Words),
    sa.Column("transition", Words, comment="by which it was entered"),
    sa.Column("how", Words, nullable=False, comment="began, moved, returned, reopened, mapped"),
    sa.Column("entered_at", Instant, nullable=False),
    sa.Column("left_at", Instant, comment="null = the record is there"),
    sa.Column("seconds", Whole, comment="how long it stayed"),
    sa.Column("actor", Words, comment="user id, or system"),
    sa.Column("reason", Words),
    sa.Column("overridden", Words, comment="codes of what was not met, JSON"),
    sa.Column("version", Whole, nullable=False),
    sa.Index("uq_dougong_stage_record", "record_id", "pipeline", "place", unique=True),
    sa.Index("ix_dougong_stage_place", "app", "pipeline", "stage", "entered_at"),
)

approval = sa.Table(
    PREFIX + "approval",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", Words, nullable=False),
    sa.Column("record_id", Identifier, nullable=False),
    sa.Column("approval", Words, nullable=False, comment="key of its document"),
    sa.Column("version", Whole, nullable=False, comment="the app's version it began with"),
    sa.Column("body", Words, nullable=False, comment="its document as it was then, JSON"),
    sa.Column("state", Words, nullable=False, comment="running, approved, rejected, returned, withdrawn"),
    sa.Column("void_at", Instant, comment="since when what it covers is not what was approved"),
    sa.Column("step", Whole, nullable=False, comment="the step that is running or was last"),
    sa.Column("asked_by", Words, comment="user id, or system"),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("decided_at", Instant),
    sa.Index("ix_dougong_approval_record", "record_id", "approval", "asked_at"),
    sa.Index("ix_dougong_approval_state", "app", "state"),
)

approval_task = sa.Table(
    PREFIX + "approval_task",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("approval_id", Identifier, sa.ForeignKey(PREFIX + "approval.id", ondelete="CASCADE"), nullable=False),
    sa.Column("step", Whole, nullable=False),
    sa.Column("place", Whole, nullable=False, comment="order within the step"),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id"), nullable=False),
    sa.Column("source", Words, nullable=False, comment="why this person: step, delegated, signer, escalated"),
    sa.Column("state", Words, nullable=False, comment="waiting, open, approved, rejected, returned, delegated, closed"),
    sa.Column("opened_at", Instant),
    sa.Column("due_at", Instant),
    sa.Column("escalated_at", Instant),
    sa.Column("decided_at", Instant),
    sa.Column("comment", Words),
    sa.Index("ix_dougong_approval_task_approval", "approval_id", "step", "place"),
    sa.Index("ix_dougong_approval_task_user", "user_id", "state"),
    sa.Index("ix_dougong_approval_task_due", "state", "due_at"),
)

approval_act = sa.Table(
    PREFIX + "approval_act",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("approval_id", Identifier, sa.ForeignKey(PREFIX + "approval.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", Words, comment="user id, or system"),
    sa.Column("act", Words, nullable=False),
    sa.Column("user_id", Identifier, comment="whom it is about"),
    sa.Column("comment", Words),
    sa.Index("ix_dougong_approval_act_approval", "approval_id", "id"),
)

setup_link = sa.Table(
    PREFIX + "setup_link",
    metadata,
    sa.Column("secret_hash", Words, primary_key=True),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id"), comment="null = make the first admin"),
    sa.Column("expires_at", Instant, nullable=False),
)

identity = sa.Table(
    PREFIX + "identity",
    metadata,
    sa.Column("id", Whole, primary_key=True, comment="one row, 1"),
    sa.Column("epoch", Whole, nullable=False, comment="grows when any right may have shrunk: cached actors die"),
)

security_event = sa.Table(
    PREFIX + "security_event",
    metadata,
    sa.Column("id", Whole, primary_key=True, autoincrement=False, comment="1, 2, 3 … without a gap"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", Words, nullable=False, comment="login, token.created, …: runtime/identity/audit.py"),
    sa.Column("actor", Words, comment="user id, or system; null = nobody known"),
    sa.Column("subject", Words, comment="the user, token or record it is about"),
    sa.Column("address", Words, nullable=False),
    sa.Column("request_id", Words, nullable=False),
    sa.Column("detail", Words, nullable=False, comment="JSON object, canonical"),
    sa.Column("hash", Words, nullable=False, comment="of the hash before and of this event"),
    sa.Index("ix_dougong_security_event_at", "at"),
    sa.Index("ix_dougong_security_event_actor", "actor", "id"),
    sa.Index("ix_dougong_security_event_subject", "subject", "id"),
)

security_head = sa.Table(
    PREFIX + "security_head",
    metadata,
    sa.Column("id", Whole, primary_key=True, comment="one row, 1; whoever writes an event holds it"),
    sa.Column("last_id", Whole, nullable=False),
    sa.Column("last_hash", Words, nullable=False),
    sa.Column("anchor_id", Whole, nullable=False, comment="the last event that was cut off by retention"),
    sa.Column("anchor_hash", Words, nullable=False),
)

calendar_day = sa.Table(
    PREFIX + "calendar_day",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("calendar", Words, primary_key=True, comment="key of a calendar, or default"),
    sa.Column("day", Day, primary_key=True),
    sa.Column("kind", Words, nullable=False, comment="off, work"),
    sa.Column("name", Words),
    sa.Column("hours", Words, comment="of a worked day, JSON; null = those of its weekday"),
    sa.Column("source", Words, nullable=False, comment="user id, or import"),
    sa.Column("updated_at", Instant, nullable=False),
)

grant = sa.Table(
    PREFIX + "grant",
    metadata,
    sa.Column("id", Identifier, primary_key=True),
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), nullable=False),
    sa.Column("role", Words, nullable=False, comment="key of a role document of the app"),
    sa.Column("kind", Words, nullable=False, comment="user, department, position, everyone"),
    sa.Column("subject", Words, nullable=False, comment="user or department id, position; empty = everyone"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", Words, comment="user id, or system"),
    sa.UniqueConstraint("app", "role", "kind", "subject"),
)

closed_period = sa.Table(
    PREFIX + "closed_period",
    metadata,
    sa.Column("app", Words, sa.ForeignKey(PREFIX + "app.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("lock", Words, primary_key=True, comment="key of a lock document of the app"),
    sa.Column("closed_until", Day, nullable=False, comment="days up to this one are closed"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("changed_by", Words, comment="user id"),
)
