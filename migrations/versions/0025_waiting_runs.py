"""Only runs that wait have a moment to go on at: the index of those moments leaves the others out."""

import sqlalchemy as sa
from alembic import op

revision = "0025_waiting_runs"
down_revision = "0024_timer_keys"

_INDEX = "ix_dougong_automation_run_due"
_TABLE = "dougong_automation_run"


def upgrade() -> None:
    waiting = sa.text("due_at IS NOT NULL")
    op.drop_index(_INDEX, _TABLE)
    op.create_index(_INDEX, _TABLE, ["due_at"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_index(_INDEX, _TABLE)
    op.create_index(_INDEX, _TABLE, ["due_at"])
