"""The SQL back ends of a batch: each formula is one SELECT over its own field values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from formulas.batch_fields import BatchSchema
from formulas.errors import CellError, FormulaError, Message
from formulas.evaluate import DictRow, program
from formulas.moments import bind_context
from formulas.schema import Context
from formulas.sql import Dialect, has_sql_form, to_sql
from formulas.sqlforms.binds import bind_type
from formulas.sqlite_functions import install
from formulas.tree import Call, Literal, Path, Tree, children, with_children
from formulas.types import BLANK, BOOLEAN, Type

PIECE_LIMIT = 200
_NESTED = Message("明细中的明细不能在批处理中计算", "rows of rows are not computed by the SQL back ends of a batch")


REFUSED = CellError("LIMIT", Message("数据库无法计算这个公式", "the database cannot compute this formula"))


class Database:
    """A connection that evaluates: SQLite in memory, or a PostgreSQL server."""

    def __init__(self, dialect: str, postgres: str) -> None:
        self.dialect: Dialect = "sqlite" if dialect == "sqlite" else "postgresql"
        url = "sqlite://" if dialect == "sqlite" else postgres.replace("postgresql://", "postgresql+psycopg://", 1)
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.StaticPool)
        self.connection = self.engine.connect()
        if self.dialect == "sqlite":
            driver: Any = self.connection.connection.dbapi_connection
            install(driver)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self.engine.dispose()

    def evaluate(self, tree: Tree, row: DictRow, schema: BatchSchema, context: Context) -> Any:
        """The value as the database computes it.

        SQL has one null for blanks and errors; which of them it is, and which error, the record back end says.
        """
        try:
            found = self.many([(tree, row)], schema, context)[0]
        except (FormulaError, RecursionError):  # too large for one statement
            return program(tree).run(row, context)
        except sa.exc.DBAPIError:
            return REFUSED
        if found is not None:
            return found
        judged = program(tree).run(row, context)
        return judged if isinstance(judged, CellError) else None

    def many(self, cases: Sequence[tuple[Tree, DictRow]], schema: BatchSchema, context: Context) -> list[Any]:
        """The values of several formulas by as few statements as there are pieces of `PIECE_LIMIT`."""
        values: list[Any] = []
        for start in range(0, len(cases), PIECE_LIMIT):
            piece = cases[start : start + PIECE_LIMIT]
            columns = [self.column(tree, row, schema, context).label(f"c{n}") for n, (tree, row) in enumerate(piece)]
            fetched = self.connection.execute(sa.select(*columns)).one()
            values += [from_sql(value, tree.type) for value, (tree, _) in zip(fetched, piece, strict=True)]
        return values

    def column(self, tree: Tree, row: DictRow, schema: BatchSchema, context: Context) -> sa.ColumnElement[Any]:
        """The expression of one formula; parts that no database computes are replaced by their values."""
        known = computed(bind_context(tree, context), row, context, self.dialect)
        resolver = _Values(row, schema, schema.root, self.dialect)
        try:
            return to_sql(known, resolver, self.dialect, context)
        except FormulaError:
            value = program(tree).run(row, context)
            return sa.literal(None if isinstance(value, CellError) else value, bind_type(tree.type, self.dialect))


def computed(tree: Tree, row: DictRow, context: Context, dialect: Dialect) -> Tree:
    """The tree with values in place of the calls that have no SQL form."""
    parts = tuple(computed(part, row, context, dialect) for part in children(tree)) if isinstance(tree, Call) else ()
    node = with_children(tree, parts) if parts else tree
    if isinstance(node, Path) and node.type == BLANK:
        return Literal(None, BLANK)  # a field of which nothing is known fits beside everything
    if has_sql_form(node, dialect):
        return node
    value = program(tree).run(row, context)
    if isinstance(value, CellError):
        return Call("NA", (), node.type)
    return Literal(value, node.type)


def from_sql(value: Any, type_: Type) -> Any:
    """A fetched value in canonical form; members of sets come as JSON has them."""
    if value is None or type_.kind not in ("set", "geo"):
        return value
    convert = _MEMBERS.get(type_.element.kind if type_.element else "decimal", str)
    return tuple(convert(item) for item in value)


_MEMBERS: dict[str, Callable[[Any], Any]] = {
    "integer": lambda item: Decimal(str(item)),
    "decimal": lambda item: Decimal(str(item)),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "boolean": bool,
}


@dataclass(slots=True)
class _Values:
    """A resolver whose columns are the values of one row."""

    row: DictRow
    schema: BatchSchema
    entity: str
    dialect: Dialect
    columns: dict[str, sa.ColumnElement[Any]] = field(default_factory=dict)

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        value = self.row.value(path.steps)
        type_ = BOOLEAN if path.type == BLANK else path.type
        return sa.cast(sa.null(), sa.Text()) if value is None and path.type == BLANK else self.literal(value, type_)

    def literal(self, value: Any, type_: Type) -> sa.ColumnElement[Any]:
        storage = bind_type(type_, self.dialect)
        bound = sa.literal(value, storage)
        if self.dialect == "postgresql" and type_.kind != "set":
            return sa.type_coerce(sa.cast(bound, storage), storage)
        return bound

    def related(self, relation: tuple[str, ...]) -> _ValueRows:
        rows = self.row.rows(relation)
        entity = ".".join((self.entity, *relation))
        return _ValueRows(_Table(rows, self.schema, entity, self.dialect))


class _Table:
    """Related rows as a table of literals."""

    def __init__(self, rows: list[DictRow], schema: BatchSchema, entity: str, dialect: Dialect) -> None:
        self.rows = rows
        self.schema = schema
        self.entity = entity
        self.dialect = dialect
        self.paths: dict[tuple[str, ...], str] = {}
        self.types: dict[str, Type] = {}

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        name = self.paths.setdefault(path.steps, f"v{len(self.paths)}")
        self.types[name] = path.type
        return sa.column(name, bind_type(path.type, self.dialect))

    def related(self, relation: tuple[str, ...]) -> Any:
        raise FormulaError("TYPE", _NESTED)

    def source(self) -> sa.FromClause:
        """One SELECT a row, joined by UNION ALL."""
        single = [self.selected(row) for row in self.rows]
        return (sa.union_all(*single) if len(single) > 1 else single[0]).subquery()

    def selected(self, row: DictRow) -> sa.Select[Any]:
        values = _Values(row, self.schema, self.entity, self.dialect)
        named = [values.literal(row.value(steps), self.types[name]).label(name) for steps, name in self.paths.items()]
        return sa.select(sa.literal_column("1").label("one"), *named)


@dataclass(slots=True)
class _ValueRows:
    resolver: _Table

    def select(self, columns: Sequence[sa.ColumnElement[Any]], condition: Any) -> sa.Select[Any]:
        query = sa.select(*columns).select_from(self.resolver.source())
        return query if condition is None else query.where(condition)
