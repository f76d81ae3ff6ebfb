"""Do the search indexes stand as their rows say, and do they agree with the tables? They may lead to too many records, never to too few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.kernel.text import Text, say
from builder.publish.reindexing import searched_columns
from builder.store.searching import postgresql, sqlite
from builder.store.searching.grams import grams_of, token
from builder.store.searching.rows import IndexRow, can_index, list_rows
from builder.store.statement import SQLITE

_SAMPLE = 200


class Wrong(NamedTuple):
    """Something that is not as it should be: code, table, and the sentence."""

    code: str
    subject: str
    words: Text


def examine_search_indexes(connection: sa.Connection, app: CompiledApp) -> Iterator[Wrong]:
    """Yield everything that is wrong with an app's search indexes."""
    rows = list_rows(connection, app.key)
    if rows and not can_index(connection):
        words = say(
            "这个 SQLite 没有 FTS5,搜索索引不可用,搜索会读取整个表",
            "this SQLite has no FTS5: search indexes rest, and searches read whole tables",
        )
        yield Wrong("search.unavailable", rows[0].table, words)
        return
    for row in rows:
        wrong = _find_wrong(connection, app, row)
        if wrong is not None:
            words = say(
                f"搜索索引:{wrong.zh};删除 dougong_search_index 中的这一行后重启,索引会重建",
                f"search index: {wrong.en}; delete its row of dougong_search_index and restart, and it is built anew",
            )
            yield Wrong("search.differs", row.table, words)


def _find_wrong(connection: sa.Connection, app: CompiledApp, row: IndexRow) -> Text | None:
    columns = searched_columns(app, row.entity)
    if row.columns != columns:
        return say(f"应包含字段 {columns}", f"it should hold the fields {columns}")
    if connection.dialect.name != SQLITE:
        lacking = postgresql.missing(connection, row) if row.state == "ready" else ()
        return say(f"缺少 {lacking}", f"{lacking} is missing") if lacking else None
    wanted = {*sqlite.index_tables(row.table), *sqlite.trigger_names(row.table)}
    there = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
    if not wanted <= there:
        lacking = sorted(wanted - there)
        return say(f"缺少 {lacking}", f"{lacking} is missing")
    return _find_lost(connection, row)


def _find_lost(connection: sa.Connection, row: IndexRow) -> Text | None:
    """Look for records that are neither in the index nor waiting, and ask the index for all that is in some texts."""
    keys, touched, grams = sqlite.index_tables(row.table)
    behind = "" if row.state == "ready" else "AND t.id <= :position "
    lost = connection.execute(
        sa.text(
            f'SELECT count(*) FROM "{row.table}" t WHERE NOT EXISTS (SELECT 1 FROM "{keys}" k WHERE k.id = t.id) {behind}'
            f'AND NOT EXISTS (SELECT 1 FROM "{touched}" w WHERE w.id = t.id)'
        ),
        {} if row.state == "ready" else {"position": row.position or ""},
    ).scalar()
    if lost:
        return say(f"{lost} 条记录不在索引中", f"{lost} records are not in it")
    columns = ", ".join(f't."{column}"' for column in row.columns)
    sample = connection.exec_driver_sql(
        f'SELECT k.n, t.id, {columns} FROM "{keys}" k JOIN "{row.table}" t ON t.id = k.id '
        f'WHERE t.id NOT IN (SELECT id FROM "{touched}") ORDER BY k.n % 997, k.n LIMIT {_SAMPLE}'
    )
    asks = f'SELECT 1 FROM "{grams}" WHERE "{grams}" MATCH ? AND rowid = ?'
    for number, record_id, *texts in sample.fetchall():
        for gram in sorted(grams_of(texts))[:20]:
            if connection.exec_driver_sql(asks, (f'"{token(gram)}"', number)).first() is None:
                return say(f"记录 {record_id} 的“{gram}”查不到", f'the record {record_id} is not found by "{gram}"')
    return None
