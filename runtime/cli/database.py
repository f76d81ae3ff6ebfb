"""``dougong migrate``."""

from __future__ import annotations

from builder.store.migrate import migrate_database, migration_state
from runtime.cli.base import DatabaseUrl, opened, tell


def migrate(database_url: DatabaseUrl = None) -> None:
    """Bring the platform's tables to today's form; does nothing when they have it."""
    with opened(database_url, in_todays_form=False) as services:
        before, newest = migration_state(services.database)
        if before == newest:
            tell("数据库已是当前结构({newest})。", "The database has today's form already ({newest}).", newest=newest)
            return
        migrate_database(services.database)
        tell("数据库已升级:{before} → {newest}", "Migrated: {before} -> {newest}", before=before or "-", newest=newest)
