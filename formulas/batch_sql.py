"""The SQL back ends of a batch: each formula is one SELECT over its own field values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from formulas.batch_fields import BatchSchema
from formulas.directory import asked_of
from formulas.errors import CellError, FormulaError, Message
from formulas.evaluate import DictRow, program
from formulas.functions.declare import bounded
from formulas.moments import bind_context
from formulas.schema import Context, Directory
from formulas.sql import Asked, Asking, Dialect, has_sql_form, to_sql
from formulas.sqlforms.binds import bind_type
from formulas.sqlite_functions import install
from formulas.tree import Call, Literal, Path, Tree, children, with_children
from formulas.types import BLANK, BOOLEAN, TEXT, Type

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
            return bounded(found)
        judged = program(tree).run(row, context)
        return judged if isinstance(judged, CellError) or judged == () else None

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
        resolver = _Values(row, schema, schema.root, self.dialect, context.directory)
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
class _Values(Asking):
    """A resolver whose columns are the values of one row."""

    row: DictRow
    schema: BatchSchema
    entity: str
    dialect: Dialect
    directory: Directory

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
        return _ValueRows(_Table(rows, replace(self, entity=entity)))

    def asked(self, function: str) -> Asked:
        return asked_of(self.directory, function, lambda value: self.literal(value, TEXT))


class _Table(Asking):
    """Related rows as a table made of one parameter: a JSON array of rows, each an array of stored values."""

    def __init__(self, rows: list[DictRow], like: _Values) -> None:
        self.rows = rows
        self.like = like
        self.dialect = like.dialect
        self.paths: dict[tuple[str, ...], str] = {}
        self.types: dict[str, Type] = {}

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        name = self.paths.setdefault(path.steps, f"v{len(self.paths)}")
        self.types[name] = BOOLEAN if path.type == BLANK else path.type
        return sa.column(name, bind_type(self.types[name], self.dialect))

    def related(self, relation: tuple[str, ...]) -> Any:
        raise FormulaError("TYPE", _NESTED)

    def asked(self, function: str) -> Asked:
        return self.like.asked(function)

    def source(self) -> sa.FromClause:
        """The rows with the columns that were asked for, in their order."""
        storage = {name: bind_type(type_, self.dialect) for name, type_ in self.types.items()}
        stores = [_storing(storage[name], self.dialect) for name in self.paths.values()]
        given = [
            [store(row.value(steps)) for store, steps in zip(stores, self.paths, strict=True)] for row in self.rows
        ]
        listed = sa.literal(json.dumps(given, ensure_ascii=False), sa.Text())
        each: Any
        values: list[sa.ColumnElement[Any]]
        if self.dialect == "sqlite":
            each = sa.func.json_each(listed).table_valued("key", "value", name="given")
            values = [sa.func.json_extract(each.c.value, f"$[{n}]") for n in range(len(stores))]
        else:
            rows = sa.func.jsonb_array_elements(sa.cast(listed, JSONB))
            each = rows.table_valued(sa.column("value", JSONB), with_ordinality="key", name="given").render_derived()
            texts = [sa.func.jsonb_extract_path_text(each.c.value, str(n)) for n in range(len(stores))]
            values = [sa.cast(text, storage[name]) for text, name in zip(texts, self.paths.values(), strict=True)]
        named = [value.label(name) for value, name in zip(values, self.paths.values(), strict=True)]
        return sa.select(sa.literal_column("1").label("one"), *named).select_from(each).order_by(each.c.key).subquery()


def _storing(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """From a value to what its column would be given, as JSON has it."""
    chosen = cast("Callable[[], sa.Dialect]", sqlite.dialect if dialect == "sqlite" else postgresql.dialect)()
    convert = cast("Callable[[Any], Any] | None", kind.dialect_impl(chosen).bind_processor(chosen))

    def store(value: Any) -> Any:
        stored = convert(value) if convert is not None and value is not None else value
        return stored if stored is None or isinstance(stored, int | str) else str(stored)

    return store


@dataclass(slots=True)
class _ValueRows:
    resolver: _Table

    def select(self, columns: Sequence[sa.ColumnElement[Any]], condition: Any) -> sa.Select[Any]:
        query = sa.select(*columns).select_from(self.resolver.source())
        return query if condition is None else query.where(condition)
