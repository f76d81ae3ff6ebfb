"""The law of rows that are put behind: whatever a unit writes, reads, undoes and is refused, it leaves and sees what it would without."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from builder.store.behind import put_behind
from builder.store.statement import Query, Statement, Unit, prepare

_TABLES = {name: sa.Table(name, sa.MetaData(), sa.Column("n", sa.Integer, unique=True)) for name in ("post", "record")}
_INSERTS = {name: prepare(sa.insert(table).values(n=sa.bindparam("n")), "sqlite") for name, table in _TABLES.items()}
_READS = {name: prepare(sa.select(table.c.n).order_by(table.c.n), "sqlite") for name, table in _TABLES.items()}
_SAVED = ("part", "automation")

Step = tuple[str, Any]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.lists(st.integers(0, 999), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("record"), st.integers(0, 3)),
        st.tuples(st.just("read"), st.sampled_from(sorted(_TABLES))),
        st.tuples(st.sampled_from(["save", "back", "release"]), st.sampled_from(_SAVED)),
    ),
    max_size=30,
)


class _Twice(Exception):
    pass


def _unit(steps: Sequence[Step]) -> Unit[list[Any]]:
    """Do the steps that can be done; tell what was seen and refused. No message is written twice."""
    open_: list[tuple[str, set[int]]] = []
    told: list[Any] = []
    sent: set[int] = set()
    for verb, what in steps:
        if verb == "post":
            fresh = [n for n in what if n not in sent]
            sent.update(fresh)
            rows: list[Mapping[str, Any]] = [{"n": n} for n in fresh]
            if rows:
                yield Query(_INSERTS["post"], rows if len(rows) > 1 else rows[0])
        elif verb == "record":
            try:
                yield Query(_INSERTS["record"], {"n": what})
            except _Twice:
                told.append(f"{what} is there")
        elif verb == "read":
            told.append((yield Query(_READS[what], {})))
        elif verb == "save":
            open_.append((what, set(sent)))
            yield Query(Statement(f"SAVEPOINT {what}", (), has_rows=False), {})
        elif what in [name for name, _ in open_]:
            while open_[-1][0] != what:
                open_.pop()
            if verb == "back":
                sent = set(open_[-1][1])
                yield Query(Statement(f"ROLLBACK TO SAVEPOINT {what}", (), has_rows=False), {})
            else:
                open_.pop()
                yield Query(Statement(f"RELEASE SAVEPOINT {what}", (), has_rows=False), {})
    return told


def _run(unit: Unit[list[Any]]) -> tuple[list[Any], list[Any], int]:
    """Return what the unit told, what the tables hold then, and how many statements it took."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for name in _TABLES:
        connection.execute(f"CREATE TABLE {name} (n INTEGER UNIQUE)")
    connection.execute("BEGIN")
    count = 0
    try:
        query = next(unit)
        while True:
            count += 1
            statement, values = query
            try:
                if isinstance(values, Mapping):
                    rows = connection.execute(statement.sql, statement.bind(values)).fetchall()
                else:
                    assert isinstance(values, list)
                    rows = connection.executemany(statement.sql, [statement.bind(row) for row in values]).fetchall()
            except sqlite3.IntegrityError:
                query = unit.throw(_Twice())
            else:
                query = unit.send(rows)
    except StopIteration as stop:
        held = [connection.execute(f"SELECT n FROM {name} ORDER BY rowid").fetchall() for name in sorted(_TABLES)]
        return stop.value, held, count
    finally:
        connection.close()


_INNER_RELEASED: list[Step] = [
    ("save", "part"), ("post", [1]), ("save", "part"), ("post", [2]), ("release", "part"), ("back", "part"),
]  # fmt: skip


@given(_STEPS)
@example(_INNER_RELEASED)
def test_a_unit_leaves_and_sees_what_it_would_without(steps: list[Step]) -> None:
    told, held, count = _run(put_behind(_unit(steps), {"post"}))
    plainly, there, plain_count = _run(_unit(steps))
    assert (told, held) == (plainly, there)
    assert count <= plain_count


def test_what_nobody_reads_is_one_statement() -> None:
    steps: list[Step] = [("post", [n]) for n in range(500)]
    assert _run(put_behind(_unit(steps), {"post"}))[2] == 1
