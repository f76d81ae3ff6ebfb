"""The platform's first tables: apps, drafts, versions, events, identity."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, TransactionId, Whole, Words, YesNo

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "dougong_app",
        sa.Column("key", Words(), nullable=False),
        sa.Column("published_version", Whole(), nullable=False, comment="0 = never published"),
        sa.Column("pin", Words(), nullable=False, comment="new with every publish: what a compiled app is pinned to"),
        sa.Column("draft_revision", Whole(), nullable=False, comment="grows with every change of the draft"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", Words(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dougong_app")),
    )
    op.create_table(
        "dougong_department",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("key", Words(), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("parent_id", Identifier(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["dougong_department.id"], name=op.f("fk_dougong_department_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_department")),
        sa.UniqueConstraint("key", name=op.f("uq_dougong_department_key")),
    )
    op.create_table(
        "dougong_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column(
            "xact",
            TransactionId(),
            server_default="0",
            nullable=False,
            comment="orders the feed by commit on PostgreSQL: see runtime/records/events.py",
        ),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="created, updated, deleted"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", Words(), nullable=True, comment="user id, or system"),
        sa.Column("door", Words(), nullable=False, comment="rest, batch, install, …"),
        sa.Column("request_id", Words(), nullable=False),
        sa.Column("version", Whole(), nullable=False, comment="the app's version the write was made under"),
        sa.Column("revision", Whole(), nullable=False, comment="the record's revision after the write"),
        sa.Column("changes", Words(), nullable=False, comment='JSON {"field": [old, new]}'),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_event")),
    )
    op.create_index("ix_dougong_event_feed", "dougong_event", ["app", "xact", "id"], unique=False)
    op.create_index("ix_dougong_event_record", "dougong_event", ["record_id", "id"], unique=False)
    op.create_table(
        "dougong_identity",
        sa.Column("id", Whole(), nullable=False, comment="one row, 1"),
        sa.Column("epoch", Whole(), nullable=False, comment="grows when any right may have shrunk: cached actors die"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_identity")),
    )
    op.create_table(
        "dougong_login_attempt",
        sa.Column("subject", Words(), nullable=False, comment="hash of user name or network address"),
        sa.Column("failures", Whole(), nullable=False),
        sa.Column("window_started_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_dougong_login_attempt")),
    )
    op.create_table(
        "dougong_counter",
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("field", Words(), nullable=False),
        sa.Column("period", Words(), nullable=False, comment="empty, or the day, month or year it counts in"),
        sa.Column("value", Whole(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_counter_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app", "entity", "field", "period", name=op.f("pk_dougong_counter")),
    )
    op.create_table(
        "dougong_document",
        sa.Column("app", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="app, entities, …"),
        sa.Column("key", Words(), nullable=False),
        sa.Column("body", Words(), nullable=False, comment="the draft's document, JSON"),
        sa.Column("revision", Whole(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("updated_by", Words(), nullable=True),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_document_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app", "kind", "key", name=op.f("pk_dougong_document")),
    )
    op.create_table(
        "dougong_kept",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("app", Words(), nullable=False),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("field", Words(), nullable=False, comment="empty = the whole entity"),
        sa.Column("table_name", Words(), nullable=False),
        sa.Column("column_name", Words(), nullable=False, comment="empty = the whole table"),
        sa.Column(
            "storage",
            Words(),
            nullable=False,
            comment="type of the column and where its ids lead, or the entity, JSON",
        ),
        sa.Column("origin", Words(), nullable=False, comment="its id in the lineage"),
        sa.Column("version", Whole(), nullable=False, comment="the version that set it aside"),
        sa.Column("kept_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_kept_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_kept")),
    )
    op.create_table(
        "dougong_user",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("username", Words(), nullable=False, comment="lower case"),
        sa.Column("name", Words(), nullable=False),
        sa.Column("email", Words(), nullable=True),
        sa.Column("password_hash", Words(), nullable=True, comment="argon2id; null = cannot log in by password"),
        sa.Column("role", Words(), nullable=False, comment="admin, builder, member"),
        sa.Column("department_id", Identifier(), nullable=True),
        sa.Column("manager_id", Identifier(), nullable=True),
        sa.Column("active", YesNo(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revision", Whole(), nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"], ["dougong_department.id"], name=op.f("fk_dougong_user_department_id")
        ),
        sa.ForeignKeyConstraint(["manager_id"], ["dougong_user.id"], name=op.f("fk_dougong_user_manager_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_user")),
        sa.UniqueConstraint("username", name=op.f("uq_dougong_user_username")),
    )
    op.create_table(
        "dougong_version",
        sa.Column("app", Words(), nullable=False),
        sa.Column("version", Whole(), nullable=False),
        sa.Column("package", Words(), nullable=False, comment="the immutable definition, canonical JSON"),
        sa.Column("package_hash", Words(), nullable=False),
        sa.Column("plan", Words(), nullable=False, comment="the steps that were run, JSON"),
        sa.Column(
            "lineage",
            Words(),
            nullable=False,
            comment="ids of its entities and fields, JSON: builder/publish/lineage.py",
        ),
        sa.Column("note", Words(), nullable=True),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("published_by", Words(), nullable=True),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_version_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app", "version", name=op.f("pk_dougong_version")),
    )
    op.create_table(
        "dougong_session",
        sa.Column("secret_hash", Words(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_session_user_id")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_dougong_session")),
    )
    op.create_index(op.f("ix_dougong_session_user_id"), "dougong_session", ["user_id"], unique=False)
    op.create_table(
        "dougong_setup_link",
        sa.Column("secret_hash", Words(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=True, comment="null = make the first admin"),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_setup_link_user_id")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_dougong_setup_link")),
    )
    op.create_table(
        "dougong_token",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("secret_hash", Words(), nullable=False),
        sa.Column("scopes", Words(), nullable=False, comment="JSON list"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_token_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_token")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_dougong_token_secret_hash")),
    )
    op.create_index(op.f("ix_dougong_token_user_id"), "dougong_token", ["user_id"], unique=False)
    op.execute("INSERT INTO dougong_identity (id, epoch) VALUES (1, 1)")
