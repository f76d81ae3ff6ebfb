"""Bring the platform tables to the newest form with Alembic. App tables are none of its business."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from builder.store.database import Database, open_database

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "dougong_migration"
_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def migrate_database(database: Database, afterwards: Callable[[sa.Connection], None] = lambda _: None) -> None:
    """Run all missing migrations, and then ``afterwards``, in one transaction: all or nothing, also after a crash.

    Nothing is locked and no library read where none is missing, as at nearly every start.
    """
    found, wanted = migration_state(database)
    if found == wanted:
        return
    from alembic import command

    config = _config()
    with database.exclusive_schema() as connection:
        if database.dialect == "postgresql":
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(6861237)")
            )  # two processes starting at once take turns
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        afterwards(connection)


def migrate(url: str) -> None:
    """Open a database by url, migrate it, close it."""
    database = open_database(url)
    try:
        migrate_database(database)
    finally:
        database.close()


def migration_state(database: Database) -> tuple[str | None, str | None]:
    """Return (revision of the database, newest revision of the code): a migration's file is named as its revision, in order."""
    newest = max(path.stem for path in _MIGRATIONS.glob("versions/*.py"))
    with database.snapshot() as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None, newest
        found: str | None = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
        return found, newest
