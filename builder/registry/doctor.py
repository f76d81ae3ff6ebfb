"""Does the database stand as the definitions say? ``examine`` compares everything a publish touches; it changes nothing.

Used by ``dougong doctor``, and by tests as the invariant that must hold after every publish, fault and kill.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, compile_app
from builder.definition.kinds import Definition
from builder.definition.parse import DocumentInvalid, parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.publish.kept import KeptEntity, list_kept
from builder.publish.lineage import Lineage, read_lineage
from builder.registry.apps import get_app, list_apps
from builder.registry.drafts import load_draft
from builder.registry.physical_state import TableState, expected_state, expected_tables, list_tables, read_tables
from builder.registry.registry import Registry
from builder.registry.search_indexes import examine_search_indexes
from builder.registry.stages import misplaced
from builder.store import tables
from builder.store.migrate import VERSION_TABLE, migration_state
from builder.store.searching.rows import list_rows
from builder.store.searching.sqlite import index_tables, is_index_table

_REBUILT = "_alembic_tmp_"  # what a rebuild of a table on SQLite is called until it is done
_SEPARATOR = "__"


class DoctorFinding(NamedTuple):
    """One thing that is not as it should be."""

    code: str
    app: str
    """Empty: it belongs to no app."""
    subject: str
    """The table, version or document."""
    message: Text


def examine(registry: Registry, app: str | None = None) -> list[DoctorFinding]:
    """Compare the whole database, or what belongs to one app, with the definitions.

    Raises:
        Problem: ``app.not_found``.
    """
    found, wanted = migration_state(registry.database)
    if found != wanted:
        words = say(
            f"数据库结构是 {found or '空'},应为 {wanted}", f"The tables have form {found or 'none'}, not {wanted}"
        )
        return [DoctorFinding("migration", "", VERSION_TABLE, words)]
    with registry.database.snapshot() as connection:
        keys = [line.key for line in list_apps(connection)] if app is None else [get_app(connection, app).key]
        findings = [finding for key in keys for finding in _App(connection, key).examine()]
        if app is None:
            findings += _unowned_tables(connection, keys)
            findings += _broken_storage(connection)
    return findings


class _App:
    """Examines one app."""

    def __init__(self, connection: sa.Connection, key: str) -> None:
        self._connection = connection
        self._key = key
        self._kept = list_kept(connection, key)

    def examine(self) -> Iterator[DoctorFinding]:
        """Yield everything that is wrong."""
        yield from self._draft()
        versions = self._versions()
        published = get_app(self._connection, self._key).published_version
        expected = list(range(1, published + 1))
        if sorted(versions) != expected:
            yield self._say("version.gap", f"{published}", f"版本应为 {expected}", f"The versions should be {expected}")
        definitions: dict[int, Definition] = {}
        for version, row in sorted(versions.items()):
            yield from self._version(version, row, definitions)
        if published and published not in definitions:
            return  # its own finding says why
        app = compile_app(definitions[published], published) if published else None
        if app is not None:
            yield from self._lineage(app, read_lineage(versions[published].lineage))
        yield from self._physical(app)
        yield from self._counters(app)
        if app is not None:
            for code, subject, words in misplaced(self._connection, app):
                yield self._say(code, subject, words.zh, words.en)
            for code, subject, words in examine_search_indexes(self._connection, app):
                yield self._say(code, subject, words.zh, words.en)

    def _say(self, code: str, subject: str, zh: str, en: str) -> DoctorFinding:
        return DoctorFinding(
            code, self._key, subject, say(f"{self._key}/{subject}:{zh}", f"{self._key}/{subject}: {en}")
        )

    # -- documents --------------------------------------------------------------------------------------------------------

    def _draft(self) -> Iterator[DoctorFinding]:
        try:
            load_draft(self._connection, self._key)
        except Problem as problem:
            for violation in problem.violations:
                subject = violation.pointer.strip("/")
                yield self._say("draft.invalid", subject, violation.message.zh, violation.message.en)

    def _versions(self) -> Mapping[int, Any]:
        row = tables.version
        statement = sa.select(row.c.version, row.c.package, row.c.package_hash, row.c.lineage)
        return {found.version: found for found in self._connection.execute(statement.where(row.c.app == self._key))}

    def _version(self, version: int, row: Any, definitions: dict[int, Definition]) -> Iterator[DoctorFinding]:
        subject = f"versions/{version}"
        try:
            definition = parse_definition(parse_json(row.package))
        except (DocumentInvalid, Problem) as error:
            yield self._say("version.invalid", subject, f"无法读取:{error}", f"cannot be read: {error}")
            return
        definitions[version] = definition
        if definition.hash() != row.package_hash:
            yield self._say(
                "version.hash", subject, "内容与校验和不符", "the content does not have the hash it was published with"
            )

    def _lineage(self, app: CompiledApp, lineage: Lineage) -> Iterator[DoctorFinding]:
        expected = {entity.key: set(entity.fields) for entity in app.entities.values()}
        if {key: set(line.fields) for key, line in lineage.items()} != expected:
            yield self._say(
                "lineage", f"versions/{app.version}", "谱系与定义不符", "the lineage names other entities or fields"
            )
        live = [line.id for line in lineage.values()]
        ids = [*live, *(kept.origin for kept in self._kept if not kept.column_name)]
        if len(set(ids)) < len(ids):
            yield self._say("lineage", f"versions/{app.version}", "两个实体同源", "two entities have one id")
        for key, line in lineage.items():
            if len(set(line.fields.values())) < len(line.fields):
                yield self._say("lineage", f"entities/{key}", "两个字段同源", "two fields have one id")

    # -- tables -----------------------------------------------------------------------------------------------------------

    def _physical(self, app: CompiledApp | None) -> Iterator[DoctorFinding]:
        expected = {table.name: table for table in expected_tables(app, self._key, self._kept)}
        found = read_tables(self._connection, _own_tables(self._connection, self._key) | expected.keys())
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                yield self._say("table.missing", name, "表不存在", "there is no such table")
            elif name not in expected:
                yield self._say("table.unknown", name, "没有定义用到这个表", "no definition knows this table")
            else:
                yield from self._table(name, expected_state(expected[name], self._connection.dialect), found[name])

    def _table(self, name: str, expected: TableState, found: TableState) -> Iterator[DoctorFinding]:
        pairs: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
            ("column", expected.columns, found.columns),
            ("index", expected.indexes, found.indexes),
            ("reference", expected.references, found.references),
        )
        for what, wanted, there in pairs:
            for part in sorted(wanted.keys() | there.keys()):
                if wanted.get(part) != there.get(part):
                    zh = f"{what} {part} 应为 {wanted.get(part, '无')},实为 {there.get(part, '无')}"
                    en = f"{what} {part} should be {wanted.get(part, 'absent')} and is {there.get(part, 'absent')}"
                    yield self._say(f"{what}.differs", name, zh, en)
        if expected.key != found.key:
            yield self._say("key.differs", name, f"主键为 {found.key}", f"the primary key is {found.key}")

    def _counters(self, app: CompiledApp | None) -> Iterator[DoctorFinding]:
        row = tables.counter
        known = {(entity.key, key) for entity in (app.entities.values() if app else ()) for key in entity.fields}
        for kept in self._kept:
            if kept.column_name:
                known.add((kept.entity, kept.column_name))
                known.add((kept.table_name, kept.column_name))
            else:
                known |= {(kept.table_name, field.key) for field in KeptEntity.read(kept.storage).entity.fields}
        statement = sa.select(row.c.entity, row.c.field).where(row.c.app == self._key).distinct()
        for entity, field in self._connection.execute(statement):
            if (entity, field) not in known:
                yield self._say(
                    "counter.unknown", f"{entity}.{field}", "计数器无主", "a counter that belongs to no field"
                )


def _own_tables(connection: sa.Connection, app: str) -> set[str]:
    return {name for name in list_tables(connection) if name.startswith(app + _SEPARATOR)}


# -- the database as a whole ------------------------------------------------------------------------------------------------


def _unowned_tables(connection: sa.Connection, apps: Collection[str]) -> Iterator[DoctorFinding]:
    indexed = {name for row in list_rows(connection) for name in index_tables(row.table)}
    for name in list_tables(connection):
        if is_index_table(name, indexed):
            continue
        app, separator, _ = name.partition(_SEPARATOR)
        if name.startswith(_REBUILT):
            words = say(f"{name}:重建未完成的表", f"{name}: a table whose rebuild was not finished")
            yield DoctorFinding("table.rebuilt", "", name, words)
        elif separator and app not in apps and name not in tables.metadata.tables:
            words = say(f"{name}:没有应用用到这个表", f"{name}: no app knows this table")
            yield DoctorFinding("table.unknown", "", name, words)


def _broken_storage(connection: sa.Connection) -> Iterator[DoctorFinding]:
    """SQLite checks itself on demand; PostgreSQL enforces foreign keys and checks its pages as it reads them."""
    if connection.dialect.name != "sqlite":
        return
    for table, row, target, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        words = say(
            f"{table} 的记录 {row} 指向 {target} 中不存在的记录", f"{table}: row {row} points to nothing in {target}"
        )
        yield DoctorFinding("reference.broken", "", str(table), words)
    for (line,) in connection.exec_driver_sql("PRAGMA quick_check(10)"):
        if line != "ok":
            yield DoctorFinding(
                "storage.damaged", "", "sqlite", say(f"数据库文件损坏:{line}", f"The file is damaged: {line}")
            )
