"""The doctor sees what does not stand as the definitions say, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from builder.registry.doctor import examine
from builder.registry.registry import Registry
from tests.support.builder import create, entity, field, insert, open_registry, publish


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        fields = (field("x", unique=True), field("n", "integer"), field("r", "reference", entity="b"))
        create(made, entity("a", *fields, field("gone")), entity("b"), entity("old"))
        publish(made, entity("a", *fields), entity("b"))
        yield made


def run(registry: Registry, *statements: str) -> None:
    with registry.database.exclusive_schema() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def codes(registry: Registry) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.app, finding.subject) for finding in examine(registry)]


def test_a_sound_database_has_no_findings(registry):
    insert(registry, "a", {"x": "1", "r": insert(registry, "b", {})})
    assert examine(registry) == []
    assert examine(registry, "shop") == []


@pytest.mark.parametrize(
    "damage, expected",
    [
        ("DROP INDEX uq_shop__a__x", ("index.differs", "shop__a")),
        ("CREATE INDEX extra ON shop__a (n)", ("index.differs", "shop__a")),
        ("ALTER TABLE shop__a ADD COLUMN extra INTEGER", ("column.differs", "shop__a")),
        ("ALTER TABLE shop__a DROP COLUMN n", ("column.differs", "shop__a")),
        ("ALTER TABLE shop__a RENAME COLUMN gone__kept2 TO other", ("column.differs", "shop__a")),
        ("ALTER TABLE shop__old__kept2 RENAME TO shop__lost", ("table.missing", "shop__old__kept2")),
        ("CREATE TABLE shop__more (id INTEGER)", ("table.unknown", "shop__more")),
        ("UPDATE dougong_version SET package_hash = 'x' WHERE version = 1", ("version.hash", "versions/1")),
        ("UPDATE dougong_version SET package = '{}' WHERE version = 1", ("version.invalid", "versions/1")),
        ("DELETE FROM dougong_version WHERE version = 1", ("version.gap", "2")),
        ("UPDATE dougong_version SET lineage = '{}' WHERE version = 2", ("lineage", "versions/2")),
        ("DELETE FROM dougong_kept WHERE field = 'gone'", ("column.differs", "shop__a")),
        (
            'UPDATE dougong_document SET body = \'{"key": "a", "label": 5}\' WHERE key = \'a\'',
            ("draft.invalid", "entities/a/label"),
        ),
        (
            "INSERT INTO dougong_counter (app, entity, field, period, value) VALUES ('shop', 'a', 'no', '', 1)",
            ("counter.unknown", "a.no"),
        ),
    ],
)
def test_damage_is_found_where_it_is(registry, damage, expected):
    run(registry, damage)
    assert (expected[0], "shop", expected[1]) in codes(registry)
    assert {finding.app for finding in examine(registry)} == {"shop"}


def test_a_type_that_differs_is_found(registry, dialect):
    if dialect == "sqlite":
        run(registry, "ALTER TABLE shop__a DROP COLUMN n", "ALTER TABLE shop__a ADD COLUMN n TEXT")
    else:
        run(registry, "ALTER TABLE shop__a ALTER COLUMN n TYPE NUMERIC(9, 2)")
    assert codes(registry) == [("column.differs", "shop", "shop__a")]
    message = examine(registry)[0].message
    assert "column n should be" in message.en
    assert "应为" in message.zh


def test_a_unique_index_that_is_none_is_found(registry):
    run(registry, "DROP INDEX uq_shop__a__x", 'CREATE INDEX uq_shop__a__x ON shop__a ("x")')
    assert codes(registry) == [("index.differs", "shop", "shop__a")]


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_lost_foreign_key_is_found(registry):
    run(registry, "ALTER TABLE shop__a DROP CONSTRAINT fk_shop__a__r")
    assert codes(registry) == [("reference.differs", "shop", "shop__a")]


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_reference_to_nothing_is_found(registry):
    record = insert(registry, "a", {"x": "1"})
    with registry.database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute(f"UPDATE shop__a SET r = 'nobody' WHERE id = '{record}'")
        connection.invalidate()
    assert codes(registry) == [("reference.broken", "", "shop__a")]


def test_what_belongs_to_nobody_is_found(registry):
    run(registry, "CREATE TABLE left__over (id INTEGER)", "CREATE TABLE _alembic_tmp_shop__a (id INTEGER)")
    run(registry, "CREATE TABLE somebody_elses (id INTEGER)")
    assert codes(registry) == [
        ("table.rebuilt", "", "_alembic_tmp_shop__a"),
        ("table.unknown", "", "left__over"),
    ]


def test_platform_tables_of_another_form_are_found_before_anything_else(registry):
    run(registry, "UPDATE dougong_migration SET version_num = '0000'")
    assert [finding.code for finding in examine(registry)] == ["migration"]
