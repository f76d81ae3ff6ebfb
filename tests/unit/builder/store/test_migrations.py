"""What migrations make is what the code's tables say, on both databases; a database that has rows survives each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from builder.store import migrate, tables
from builder.store.database import Database, open_database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_migrations_make_the_tables_the_code_uses(migrated_database_url: str) -> None:
    with opened(migrated_database_url) as database, database.snapshot() as connection:
        options = {"version_table": migrate.VERSION_TABLE, "compare_type": False}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
    assert found == []


def test_a_migration_s_file_is_named_as_its_revision_and_files_stand_in_order(database_url: str) -> None:
    """So what is missing is known without running them."""
    script = ScriptDirectory.from_config(migrate._config())
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    files = sorted(path.stem for path in migrate._MIGRATIONS.glob("versions/*.py"))
    assert all(file.startswith(revision) for file, revision in zip(files, revisions, strict=True))
    with opened(database_url) as database:
        assert migrate.migration_state(database) == (None, script.get_current_head())


def test_people_that_were_there_before_stay(database_url: str) -> None:
    with opened(database_url) as database:
        config = migrate._config()
        with database.exclusive_schema() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0003_views")
            user = {"id": "01a20244-e800-71d1-86b3-dc4a718de59f", "at": "2026-11-22T08:00:00.000Z"}
            connection.execute(
                sa.text(
                    "INSERT INTO dougong_user (id, username, name, role, active, created_at, revision)"
                    " VALUES (:id, 'old', 'Old', 'member', true, :at, 1)"
                ),
                user,
            )
            connection.execute(
                sa.text(
                    "INSERT INTO dougong_token (id, user_id, name, secret_hash, scopes, created_at)"
                    " VALUES (:id, :id, 't', 'h', '[]', :at)"
                ),
                user,
            )
        migrate.migrate_database(database)
        with database.snapshot() as connection:
            person, token = tables.user, tables.token
            row = connection.execute(sa.select(person)).one()
            assert (row.username, row.kind, row.areas) == ("old", "person", "[]")
            assert connection.scalar(sa.select(token.c.user_id)) == row.id


def test_timers_keep_their_rows_when_their_key_changes(database_url: str) -> None:
    row = {
        "generation": "01a20244-e800-71d1-86b3-dc4a718de59f",
        "subject": "01a20244-e800-71d1-86b3-dc4a718de5a0",
        "record_id": "01a20244-e800-71d1-86b3-dc4a718de5a1",
        "at": "2026-11-22T08:00:00.000Z",
    }
    with opened(database_url) as database:
        config = migrate._config()

        def there(connection: sa.Connection) -> list[dict[str, object]]:
            found = connection.execute(sa.text("SELECT * FROM dougong_timer")).mappings()
            return [{name: str(value) for name, value in line.items()} for line in found]

        with database.exclusive_schema() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0023_export_part")
            connection.execute(
                sa.text(
                    "INSERT INTO dougong_app (key, published_version, pin, draft_revision, created_at)"
                    " VALUES ('shop', 0, '', 0, :at)"
                ),
                row,
            )
            connection.execute(
                sa.text(
                    "INSERT INTO dougong_timer (generation, app, rule, subject, entity, record_id, step, anchor_at,"
                    " due_at, provisional, paused_seconds) VALUES"
                    " (:generation, 'shop', 'late', :subject, 'lead', :record_id, 1, :at, :at, false, 7)"
                ),
                row,
            )
            before = there(connection)
        for revision, key in (
            ("0024_timer_keys", ["app", "rule", "subject"]),
            ("0023_export_part", ["generation"]),
            ("head", ["app", "rule", "subject"]),
        ):
            with database.exclusive_schema() as connection:
                config.attributes["connection"] = connection
                (command.downgrade if revision < "0024" else command.upgrade)(config, revision)
                assert there(connection) == before
                assert sa.inspect(connection).get_pk_constraint("dougong_timer")["constrained_columns"] == key
                indexes = {str(index["name"]) for index in sa.inspect(connection).get_indexes("dougong_timer")}
                kept = {"ix_dougong_timer_due_at", "ix_dougong_timer_record"}
                assert indexes == (kept | {"uq_dougong_timer_subject"} if key == ["generation"] else kept)
                if database.dialect == "sqlite":
                    made = connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = 'dougong_timer'"))
                    assert ("WITHOUT ROWID" in str(made)) == (len(key) > 1)
        with database.snapshot() as connection:
            timer = connection.execute(sa.select(tables.timer)).one()
        assert (timer.subject, timer.step, timer.paused_seconds) == (row["subject"], 1, 7)


def test_runs_that_wait_are_found_by_their_index(migrated_database_url: str) -> None:
    """It leaves out the others, which are nearly all."""
    asked = "SELECT id FROM dougong_automation_run WHERE due_at <= {} ORDER BY due_at, id LIMIT 5"
    with opened(migrated_database_url) as database, database.transaction() as connection:
        if database.dialect == "sqlite":
            explain = "EXPLAIN QUERY PLAN " + asked.format("'2026-11-29T00:00:00.000Z'")
        else:
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN " + asked.format("now()")
        plan = " ".join(str(row[-1]) for row in connection.execute(sa.text(explain)))
    assert "ix_dougong_automation_run_due" in plan
