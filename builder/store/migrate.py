"""Bring the platform tables to the newest form with Alembic. App tables are none of its business."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from builder.store.database import Database, open_database

VERSION_TABLE = "dougong_migration"
_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def migrate_database(database: Database) -> None:
    """Run all missing migrations in one transaction: all or nothing, also after a crash."""
    config = _config()
    with database.exclusive_schema() as connection:
        if database.dialect == "postgresql":
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(6861237)")
            )  # two processes starting at once take turns
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def migrate(url: str) -> None:
    """Open a database by url, migrate it, close it."""
    database = open_database(url)
    try:
        migrate_database(database)
    finally:
        database.close()


def migration_state(database: Database) -> tuple[str | None, str | None]:
    """Return (revision of the database, newest revision of the code)."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with database.snapshot() as connection:
        return MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE}
        ).get_current_revision(), newest
