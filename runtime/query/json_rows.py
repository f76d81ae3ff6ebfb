"""JSON made by the database: one object per record, with the members of a selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Element = sa.ColumnElement[Any]
_ARGUMENTS = 60  # SQLite takes 127 arguments to a function

BETWEEN = "\x1e"
"""Stands between the rows of a text: no JSON has it, inside a string or out of one."""


class _Row(FunctionElement[Any]):
    """A row made here, to which ``row_to_json`` gives its names: the fastest writer PostgreSQL has, without its limit of 100 arguments."""

    name = "row"
    inherit_cache = False  # statements are kept by shape, not by SQLAlchemy

    def __init__(self, members: Sequence[tuple[str, Element]]) -> None:
        self.names = [name for name, _ in members]
        super().__init__(*(value for _, value in members))


@compiles(_Row)
def _write_row(element: _Row, compiler: SQLCompiler, **options: Any) -> str:
    options = {name: value for name, value in options.items() if name not in ("asfrom", "lateral", "from_linter")}
    quote = compiler.preparer.quote_identifier
    values = [
        f"{compiler.process(value, **options)} AS {quote(name)}"
        for name, value in zip(element.names, element.clauses, strict=True)
    ]
    return f"(SELECT {', '.join(values)})"


class _RowJson(_Row):
    """The JSON of such a row, by itself."""


@compiles(_RowJson)
def _write_row_json(element: _RowJson, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT row_to_json(_row) FROM {_write_row(element, compiler, **options)} AS _row)"  # noqa: S608 - names are checked keys, values are compiled


def joined_object(members: Sequence[tuple[str, Element]]) -> tuple[sa.FromClause, Element]:
    """Return a row to be joined (PostgreSQL), and the JSON object of it: the planner takes it up, where an object by itself costs a subplan."""
    # numbered by SQLAlchemy; no field's key begins so: a column of the alias's name would be written instead of the row
    row = _Row(members).table_valued(*(sa.column(name) for name, _ in members), name="_row").lateral()
    return row, sa.func.row_to_json(row.table_valued())


def json_object(members: Sequence[tuple[str, Element]], dialect: str) -> Element:
    """Return an expression for a JSON object with these members, in order."""
    if dialect == "postgresql":
        return _RowJson(members)
    if len(members) <= _ARGUMENTS:
        return _sqlite_object(members)
    parts: list[Element] = []
    for name, value in members:
        opening = "," if parts else "{"
        parts += [sa.literal_column(f"'{opening}\"{name}\":'"), sa.func.json_quote(value)]
    return sa.func.json(_joined([*parts, sa.literal_column("'}'")]))


def _joined(texts: Sequence[Element]) -> Element:
    """Concatenate as a balanced tree: a chain of hundreds is nested too deep to be compiled."""
    if len(texts) == 1:
        return texts[0]
    middle = len(texts) // 2
    return _joined(texts[:middle]).op("||")(_joined(texts[middle:]))


def _sqlite_object(members: Sequence[tuple[str, Element]]) -> Element:
    arguments: list[Element] = []
    for name, value in members:
        arguments += [sa.literal_column(f"'{name}'"), value]
    return sa.func.json_object(*arguments)


def json_list(objects: sa.Select[Any], column: str, dialect: str) -> Element:
    """Return an expression for a JSON array of one column of a select, in its order."""
    rows = objects.subquery()
    if dialect == "postgresql":
        listed = sa.func.coalesce(sa.func.json_agg(rows.c[column]), sa.literal_column("'[]'::json"))
        return sa.select(listed).select_from(rows).scalar_subquery()
    joined = sa.func.group_concat(rows.c[column], sa.literal_column("','"))
    text = (
        sa.literal_column("'['")
        .op("||")(sa.func.coalesce(joined, sa.literal_column("''")))
        .op("||")(sa.literal_column("']'"))
    )
    return sa.func.json(sa.select(text).select_from(rows).scalar_subquery())


def json_values(values: Sequence[Element], dialect: str) -> Element:
    """Return an expression for a JSON array of values."""
    if dialect == "postgresql":
        return sa.cast(sa.func.json_build_array(*values), sa.Text)
    return sa.func.json_array(*values)


def joined_rows(value: Element, dialect: str) -> Element:
    """Return an aggregate: the texts of all rows in their order, with ``BETWEEN`` between them; null for no row."""
    if dialect == "postgresql":
        return sa.func.string_agg(value, sa.literal_column(f"chr({ord(BETWEEN)})"))
    return sa.func.group_concat(value, sa.literal_column(f"char({ord(BETWEEN)})"))


def as_bytes(text: Element, dialect: str) -> Element:
    """Return a text as UTF-8, the form in which it goes out: what the driver does not decode need not be encoded again."""
    if dialect == "postgresql":
        return sa.func.convert_to(text, sa.literal_column("'UTF8'"))
    return sa.cast(text, sa.LargeBinary)
