"""People as companies have them, and the security audit."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words

revision = "0004_people"
down_revision = "0003_views"


def upgrade() -> None:
    with op.batch_alter_table("dougong_department") as batch:
        batch.add_column(sa.Column("manager_id", Identifier(), nullable=True))
        batch.add_column(
            sa.Column("source", Words(), nullable=True, comment="the directory it comes from, such as dingtalk")
        )
        batch.add_column(sa.Column("external_id", Words(), nullable=True, comment="its id there"))
        batch.create_foreign_key("fk_dougong_department_manager_id", "dougong_user", ["manager_id"], ["id"])
        batch.create_unique_constraint("uq_dougong_department_source_external_id", ["source", "external_id"])
    with op.batch_alter_table("dougong_user") as batch:
        kind = sa.Column("kind", Words(), nullable=False, server_default="person", comment="person, service, external")
        batch.add_column(kind)
        batch.add_column(sa.Column("position", Words(), nullable=True, comment="as the company calls it"))
        batch.add_column(sa.Column("areas", Words(), nullable=False, server_default="[]", comment="keys, JSON list"))
        batch.add_column(sa.Column("phone", Words(), nullable=True))
        batch.add_column(
            sa.Column("source", Words(), nullable=True, comment="the directory they come from, such as dingtalk")
        )
        batch.add_column(sa.Column("external_id", Words(), nullable=True, comment="their id there"))
        batch.create_unique_constraint("uq_dougong_user_source_external_id", ["source", "external_id"])
    op.add_column("dougong_session", sa.Column("address", Words(), nullable=True, comment="where the login came from"))
    op.add_column(
        "dougong_session",
        sa.Column("client", Words(), nullable=True, comment="what the login was made with, as it named itself"),
    )
    op.create_table(
        "dougong_security_event",
        sa.Column("id", Whole(), autoincrement=False, nullable=False, comment="1, 2, 3 … without a gap"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", Words(), nullable=False, comment="login, token.created, …: runtime/identity/audit.py"),
        sa.Column("actor", Words(), nullable=True, comment="user id, or system; null = nobody known"),
        sa.Column("subject", Words(), nullable=True, comment="the user, token or record it is about"),
        sa.Column("address", Words(), nullable=False),
        sa.Column("request_id", Words(), nullable=False),
        sa.Column("detail", Words(), nullable=False, comment="JSON object, canonical"),
        sa.Column("hash", Words(), nullable=False, comment="of the hash before and of this event"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_security_event")),
    )
    op.create_index("ix_dougong_security_event_at", "dougong_security_event", ["at"])
    op.create_index("ix_dougong_security_event_actor", "dougong_security_event", ["actor", "id"])
    op.create_index("ix_dougong_security_event_subject", "dougong_security_event", ["subject", "id"])
    head = op.create_table(
        "dougong_security_head",
        sa.Column(
            "id", Whole(), autoincrement=False, nullable=False, comment="one row, 1; whoever writes an event holds it"
        ),
        sa.Column("last_id", Whole(), nullable=False),
        sa.Column("last_hash", Words(), nullable=False),
        sa.Column("anchor_id", Whole(), nullable=False, comment="the last event that was cut off by retention"),
        sa.Column("anchor_hash", Words(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dougong_security_head")),
    )
    op.bulk_insert(head, [{"id": 1, "last_id": 0, "last_hash": "", "anchor_id": 0, "anchor_hash": ""}])
