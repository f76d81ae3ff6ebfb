"""The search index on SQLite: a contentless FTS5 table of pairs, filled behind the writes.

Triggers only note which records were touched: they must not call our functions (``trusted_schema=OFF``), and a text is cut into pairs far
cheaper for many records at once. Until a touched record is entered anew, every search reads it, so nothing is missed. A record that
changes gets a new number; what its old number had stays in the index and leads nowhere.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from builder.store.searching.grams import COMMON, grams_of, grams_of_word, token
from builder.store.searching.rows import IndexRow

PREFIX = "dougong_search__"
CHUNK = 500
"""Records that are entered in one transaction."""
_WASTE = 100_000
_SAMPLE = 4_000
_SEEN = 5  # records of a sample that tell something
_ASKED = 60  # pairs: more of them leave no fewer records
_TRIGGERS = ("added", "changed", "gone")


def index_tables(table: str) -> tuple[str, str, str]:
    """Return the names of the three tables of an index: numbers of records, touched records, pairs."""
    return f"{PREFIX}{table}", f"{PREFIX}{table}__touched", f"{PREFIX}{table}__grams"


def is_index_table(name: str, known: Collection[str]) -> bool:
    """Tell whether a table is one of these, or one that FTS5 keeps for them."""
    return name in known or name.rpartition("_")[0] in known


def create(connection: sa.Connection, row: IndexRow) -> None:
    """Make the empty index and begin to note what is touched."""
    keys, touched, grams = index_tables(row.table)
    for sql in (
        f'CREATE TABLE "{keys}" (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE)',
        f'CREATE TABLE "{touched}" (id TEXT PRIMARY KEY) WITHOUT ROWID',
        f"CREATE VIRTUAL TABLE \"{grams}\" USING fts5(grams, content='', columnsize=0, detail=none, tokenize='ascii')",
    ):
        connection.exec_driver_sql(sql)
    add_triggers(connection, row.table, row.columns)


def drop(connection: sa.Connection, row: IndexRow) -> None:
    """Remove the index."""
    drop_triggers(connection, row)
    for name in reversed(index_tables(row.table)):
        connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}"')


def add_triggers(connection: sa.Connection, table: str, columns: Sequence[str]) -> None:
    """Note from here on which records are touched."""
    for sql in _trigger_texts(table, columns):
        connection.exec_driver_sql(sql)


def drop_triggers(connection: sa.Connection, row: IndexRow) -> None:
    """Stop noting; columns and tables may be changed."""
    for name in trigger_names(row.table):
        connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS "{name}"')


def trigger_names(table: str) -> list[str]:
    """Return the names of its triggers."""
    return [f"{PREFIX}{table}__{what}" for what in _TRIGGERS]


def _trigger_texts(table: str, columns: Sequence[str]) -> Iterator[str]:
    touched = index_tables(table)[1]
    differs = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in columns)
    listed = ", ".join(f'"{column}"' for column in columns)
    events = ("INSERT", f"UPDATE OF {listed}", "DELETE")
    for name, event in zip(trigger_names(table), events, strict=True):
        which = "OLD" if event == "DELETE" else "NEW"
        when = f"WHEN {differs} " if event.startswith("UPDATE") else ""
        # no OR IGNORE: the statement that fires a trigger may have a conflict clause of its own, which would replace it
        yield (
            f'CREATE TRIGGER "{name}" AFTER {event} ON "{table}" {when}BEGIN '
            f'INSERT INTO "{touched}" (id) SELECT {which}.id '
            f'WHERE NOT EXISTS (SELECT 1 FROM "{touched}" WHERE id = {which}.id); END'
        )


def fill(connection: sa.Connection, row: IndexRow) -> tuple[int, str | None]:
    """Enter the next records of the table, in the order of their ids; return how many, and the last id (None: that was all)."""
    columns = ", ".join(f'"{column}"' for column in row.columns)
    sql = f'SELECT id, {columns} FROM "{row.table}" WHERE id > ? ORDER BY id LIMIT {CHUNK}'
    records = connection.exec_driver_sql(sql, (row.position or "",)).fetchall()
    _enter(connection, row, records)
    return len(records), str(records[-1][0]) if len(records) == CHUNK else None


def drain(connection: sa.Connection, row: IndexRow) -> int:
    """Enter touched records anew and forget those that are gone; return how many."""
    keys, touched, _ = index_tables(row.table)
    columns = ", ".join(f't."{column}"' for column in row.columns)
    sql = f'SELECT w.id, t.id IS NULL, {columns} FROM "{touched}" w LEFT JOIN "{row.table}" t ON t.id = w.id LIMIT {CHUNK}'
    records = connection.exec_driver_sql(sql).fetchall()
    if not records:
        return 0
    ids = [(record[0],) for record in records]
    connection.exec_driver_sql(f'DELETE FROM "{keys}" WHERE id = ?', ids)
    _enter(connection, row, [(record[0], *record[2:]) for record in records if not record[1]])
    connection.exec_driver_sql(f'DELETE FROM "{touched}" WHERE id = ?', ids)
    return len(records)


def is_drained(connection: sa.Connection, row: IndexRow) -> bool:
    """Tell whether no touched record waits."""
    touched = index_tables(row.table)[1]
    return connection.exec_driver_sql(f'SELECT 1 FROM "{touched}" LIMIT 1').first() is None


def is_wasteful(connection: sa.Connection, row: IndexRow) -> bool:
    """Tell whether most of what is in the index leads nowhere, so that it should be built anew. Reads all numbers."""
    keys = index_tables(row.table)[0]
    there = int(connection.exec_driver_sql(f'SELECT count(*) FROM "{keys}"').scalar() or 0)
    return _last_number(connection, keys) > 2 * there + _WASTE


def count_common(connection: sa.Connection, row: IndexRow) -> dict[str, float]:
    """Return pairs that many records have, and which share of them; from a sample."""
    keys = index_tables(row.table)[0]
    columns = ", ".join(f't."{column}"' for column in row.columns)
    step = _last_number(connection, keys) // _SAMPLE + 1
    sql = f'SELECT {columns} FROM "{keys}" k JOIN "{row.table}" t ON t.id = k.id WHERE k.n % {step} = 0'
    records = connection.exec_driver_sql(sql).fetchall()
    counted = Counter(gram for record in records for gram in grams_of(record))
    least = max(COMMON * len(records), _SEEN)
    return {gram: round(count / len(records), 3) for gram, count in counted.items() if count >= least}


def _last_number(connection: sa.Connection, keys: str) -> int:
    return int(connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (keys,)).scalar() or 0)


def _enter(connection: sa.Connection, row: IndexRow, records: Sequence[Any]) -> None:
    if not records:
        return
    keys, _, grams = index_tables(row.table)
    first = _last_number(connection, keys) + 1
    numbers = [(first + place, record[0]) for place, record in enumerate(records)]
    pairs = []
    for place, record in enumerate(records):
        pairs.append((first + place, " ".join(map(token, grams_of(record[1:])))))
        time.sleep(0)  # noqa: TID251 - waits for nothing: who needs the interpreter gets it now, not in five milliseconds
    connection.exec_driver_sql(f'INSERT INTO "{keys}" (n, id) VALUES (?, ?)', numbers)
    connection.exec_driver_sql(f'INSERT INTO "{grams}" (rowid, grams) VALUES (?, ?)', pairs)


# -- asking -----------------------------------------------------------------------------------------------------------------


def asked(words: Sequence[str]) -> str:
    """Return what the index is asked for words in lower case: all pairs of all of them."""
    return " ".join(f'"{token(gram)}"' for gram in [g for word in words for g in grams_of_word(word)][:_ASKED])


def narrow(table: sa.Table, parameter: str) -> sa.ColumnElement[bool]:
    """Return the condition that only records which may hold the words fulfil: those in the index, and those not yet in it."""
    keys, touched, grams = index_tables(table.name)
    key = sa.table(keys, sa.column("n"), sa.column("id")).alias("sk")
    gram = sa.table(grams, sa.column("rowid"))
    match: sa.ColumnElement[bool] = sa.literal_column(f'"{grams}"').op("MATCH", is_comparison=True)(
        sa.bindparam(parameter, type_=sa.Text())
    )
    known = sa.select(key.c.id).select_from(key.join(gram, gram.c.rowid == key.c.n)).where(match)
    waiting = sa.select(sa.table(touched, sa.column("id")).c.id)
    return sa.type_coerce(table.c.id, sa.Text()).in_(sa.union_all(known, waiting))
