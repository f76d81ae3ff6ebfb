"""``dougong migrate | reseal``."""

from __future__ import annotations

from builder.registry.upgrading import upgrade
from builder.store.migrate import migration_state
from runtime.cli.base import DatabaseUrl, opened, tell
from runtime.secrets.resealing import reseal_all
from runtime.secrets.sealing import Sealer


def migrate(database_url: DatabaseUrl = None) -> None:
    """Bring the platform's tables to today's form; does nothing when they have it."""
    with opened(database_url, in_todays_form=False) as services:
        before, newest = migration_state(services.database)
        if before == newest:
            tell("数据库已是当前结构({newest})。", "The database has today's form already ({newest}).", newest=newest)
            return
        upgrade(services.database)
        tell("数据库已升级:{before} → {newest}", "Migrated: {before} -> {newest}", before=before or "-", newest=newest)


def reseal(database_url: DatabaseUrl = None) -> None:
    """Seal what is kept sealed with the first of the keys; after that the former keys may go from the settings."""
    with opened(database_url) as services:
        settings = services.settings
        sealer = Sealer([key.get_secret_value() for key in settings.secret_keys], settings.secret_file)
        count = reseal_all(services.database, sealer)
        tell("已用现在的密钥重新封存 {count} 项。", "Sealed {count} with today's key.", count=count)
