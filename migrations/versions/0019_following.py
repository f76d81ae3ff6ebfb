"""What follows a move, an approval or a reminder may wait until after the commit; how people want to be told, and digests."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Words

revision = "0019_following"
down_revision = "0017_sharing"


def upgrade() -> None:
    comment = "of a run that follows a move, an approval or a reminder: its actions as they were then, JSON list"
    op.add_column("dougong_automation_run", sa.Column("actions", Words(), comment=comment))
    comment = "what is due of one digest goes out as one message"
    op.add_column("dougong_outbox", sa.Column("digest", Words(), comment=comment))
    op.create_table(
        "dougong_notice_wish",
        sa.Column("user_id", Identifier(), nullable=False),
        sa.Column("wishes", Words(), nullable=False, comment="JSON: runtime/outbox/wishes.py"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["dougong_user.id"], name=op.f("fk_dougong_notice_wish_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_dougong_notice_wish")),
    )
