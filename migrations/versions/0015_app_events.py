"""How deep a chain of automations is that leads over apps: found by its request."""

from alembic import op

revision = "0015_app_events"
down_revision = "0014_provider_logins"


def upgrade() -> None:
    op.create_index("ix_dougong_automation_run_request", "dougong_automation_run", ["request_id"])
