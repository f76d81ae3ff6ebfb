"""What follows a move, an approval or a reminder may wait until after the commit: such a run carries its actions along."""

import sqlalchemy as sa
from alembic import op

from builder.store.types import Words

revision = "0019_following"
down_revision = "0017_sharing"


def upgrade() -> None:
    comment = "of a run that follows a move, an approval or a reminder: its actions as they were then, JSON list"
    op.add_column("dougong_automation_run", sa.Column("actions", Words(), comment=comment))
