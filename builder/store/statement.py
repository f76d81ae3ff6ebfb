"""Prepared statements: SQLAlchemy Core compiled once to SQL text and binders, then executed by the driver alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.pysqlite import dialect as pysqlite_dialect

T = TypeVar("T")
Row = Sequence[Any]
Rows = Sequence[Row]

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
ROWS = "ROWS"
"""The parameter in which PostgreSQL is handed the rows of a ``Sheet``; no column has this name: keys are lower case."""
OWN_ROW = "own_row"
"""Execution option of an upsert of which no two in a write are about the same row, so that it may become part of a greater statement."""
IF_NEW = " ON CONFLICT DO NOTHING"
"""Ends an insert that leaves alone what is there already."""
DIALECTS: Mapping[str, sa.Dialect] = {
    SQLITE: pysqlite_dialect(paramstyle="qmark"),
    POSTGRESQL: asyncpg_dialect(),  # type: ignore[no-untyped-call]
}


Slots = tuple[tuple[str, Callable[[Any], Any] | None, Any], ...]
"""Parameters in their order: name, what makes a driver's value of a value, the value compiled in."""


class Statement:
    """SQL text of one dialect with the order and binders of its parameters. Immutable after ``prepare``."""

    __slots__ = ("_binders", "has_rows", "inserts", "reads", "slots", "sql", "updates")

    def __init__(
        self,
        sql: str,
        slots: Slots,
        has_rows: bool,
        *,
        inserts: str | None = None,
        updates: str | None = None,
        reads: frozenset[str] | None = None,
    ) -> None:
        self.sql = sql
        self.has_rows = has_rows
        self.slots = slots
        self._binders = tuple((place, binder) for place, (_, binder, _) in enumerate(slots) if binder is not None)
        self.inserts = inserts
        """The table into which it puts rows, if that is all it does."""
        self.updates = updates
        """The table whose rows it changes, deletes or puts in whether they are there or not, if that is all it does and it looks at no other."""
        self.reads = reads
        """The tables it looks at, if it does nothing else and holds nothing; None: who knows."""

    def explained(self) -> Statement:
        """Return the statement that asks PostgreSQL's planner about this one."""
        return Statement(f"EXPLAIN (FORMAT JSON) {self.sql}", self.slots, has_rows=True)

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return driver parameters; names that are not given take the value compiled in."""
        bound = [values.get(name, default) for name, _, default in self.slots]
        for place, binder in self._binders:
            bound[place] = binder(bound[place])
        return tuple(bound)

    def bind_sheet(self, sheet: Sheet) -> Iterable[tuple[Any, ...]]:
        """Return driver parameters of each row, made column by column."""
        columns: list[Iterable[Any]] = []
        for name, binder, _ in self.slots:
            if name in sheet.same:
                value = sheet.same[name]
                columns.append(repeat(value if binder is None else binder(value), len(sheet.rows)))
            else:
                values = [row[name] for row in sheet.rows]
                columns.append(values if binder is None else map(binder, values))
        return zip(*columns, strict=True)


def prepare(clause: sa.Executable | sa.ClauseElement, dialect: str) -> Statement:
    """Compile a Core statement for a dialect name. Cost: about a millisecond; keep the result."""
    chosen = DIALECTS[dialect]
    compiled = clause.compile(dialect=chosen)  # type: ignore[union-attr]
    names: Sequence[str] = getattr(compiled, "positiontup", None) or ()
    binds: Mapping[str, sa.BindParameter[Any]] = getattr(compiled, "binds", {})
    slots = tuple((name, _binder(binds[name], chosen), binds[name].effective_value) for name in names)
    has_rows = bool(getattr(compiled, "_result_columns", None))
    sql = str(compiled)
    if isinstance(clause, sa.SelectBase):
        return Statement(sql, slots, has_rows, reads=_tables_of(clause))
    if has_rows or not isinstance(clause, sa.Insert | sa.Update | sa.Delete):
        return Statement(sql, slots, has_rows)
    table = str(getattr(clause.table, "name", ""))
    if isinstance(clause, sa.Insert) and " ON CONFLICT " in sql and not sql.endswith(IF_NEW):
        return Statement(sql, slots, has_rows, updates=table if clause.get_execution_options().get(OWN_ROW) else None)
    if isinstance(clause, sa.Insert):
        return Statement(sql, slots, has_rows, inserts=table)
    return Statement(sql, slots, has_rows, updates=table if _tables_of(clause) == frozenset((table,)) else None)


def _tables_of(clause: Any) -> frozenset[str] | None:
    """Return the tables that a statement names; None if it holds rows, or has a part of which nobody knows."""
    tables = set()
    for part in sa.sql.visitors.iterate(clause):
        if part is not clause and isinstance(part, sa.UpdateBase):
            return None
        if isinstance(part, sa.TextClause) or getattr(part, "_for_update_arg", None) is not None:
            return None
        if isinstance(part, sa.TableClause):
            tables.add(part.name)
    return frozenset(tables)


def _binder(bind: sa.BindParameter[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    return bind.type.dialect_impl(dialect).bind_processor(dialect)


class WentBack(Exception):
    """A unit that ran without its savepoints wants to go back to one: it has to be run again, with them."""


def passes_over(query: Query) -> bool:
    """Tell whether a statement is left out while a unit runs without its savepoints: hardly any goes back to one, and all pay for them.

    Raises:
        WentBack.
    """
    sql = query.statement.sql
    if sql.startswith("ROLLBACK TO "):
        raise WentBack
    return sql.startswith(("SAVEPOINT ", "RELEASE "))


class Sheet(NamedTuple):
    """Many rows for a statement of ``builder.store.sheets``: values that all share, and what each has besides."""

    same: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]


class Query(NamedTuple):
    """One step of a unit: a statement with its values, or with many rows of values (no rows come back then)."""

    statement: Statement
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | Sheet


Unit = Generator[Query, Rows, T]
"""A unit of work: yields queries, receives rows, returns a result. It must not do anything else that waits.

What a constraint refuses is raised where the query was yielded (``ConstraintRefused``), so that a unit may go back to a savepoint."""


def finished(unit: Unit[T]) -> T | None:
    """Return the result of a unit that turns out to ask nothing; None if it asks, and it is closed then."""
    try:
        next(unit)
    except StopIteration as end:
        result: T = end.value
        return result
    unit.close()
    return None
