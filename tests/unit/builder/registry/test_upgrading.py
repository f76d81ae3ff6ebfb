"""Tables that older code made get the indexes that today's code wants, when the database is upgraded."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from builder.registry.upgrading import renew_indexes
from builder.store.database import open_database
from builder.store.migrate import migrate_database, migration_state
from tests.support.builder import create, entity, field, findings, open_registry, publish


def test_plain_indexes_become_what_is_wanted_and_nothing_else_is_touched(migrated_database_url: str) -> None:
    with open_registry(migrated_database_url) as registry:
        fields = (field("name", unique=True), field("size", indexed=True), field("note"))
        create(registry, entity("a", *fields), entity("gone", field("x", indexed=True)))
        publish(registry, entity("a", *fields))
        assert findings(registry) == []
        with registry.database.transaction() as connection:
            names = [str(index["name"]) for index in sa.inspect(connection).get_indexes("shop__a")]
            (size,) = [name for name in names if "size" in name]
            connection.execute(sa.text(f'DROP INDEX "{size}"'))
            connection.execute(sa.text('CREATE INDEX ix_former ON "shop__a" (note)'))
        assert len(findings(registry)) == 2
        with registry.database.transaction() as connection:
            renew_indexes(connection)
        assert findings(registry) == []
        with registry.database.snapshot() as connection:
            assert sorted(names) == sorted(str(i["name"]) for i in sa.inspect(connection).get_indexes("shop__a"))


def test_an_upgrade_that_fails_behind_the_migrations_leaves_everything_as_it_was(database_url: str) -> None:
    def fail(connection: sa.Connection) -> None:
        raise ZeroDivisionError

    database = open_database(database_url)
    with pytest.raises(ZeroDivisionError):
        migrate_database(database, fail)
    assert migration_state(database)[0] is None
    migrate_database(database, renew_indexes)
    assert migration_state(database)[0] is not None
    database.close()
