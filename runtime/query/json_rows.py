"""JSON made by the database: one object per record, with the members of a selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

Element = sa.ColumnElement[Any]
_ARGUMENTS = 60  # SQLite takes 127 arguments to a function


def json_object(members: Sequence[tuple[str, Element]], dialect: str) -> Element:
    """Return an expression for a JSON object with these members, in order."""
    if dialect == "postgresql":
        row = sa.select(*(value.label(name) for name, value in members)).subquery("o")
        # the alias of a row names the whole row: row_to_json is the fastest writer there is (benchmarks in decision 0001)
        return sa.select(sa.func.row_to_json(sa.literal_column("o"))).select_from(row).scalar_subquery()
    if len(members) <= _ARGUMENTS:
        return _sqlite_object(members)
    text: Element = sa.literal_column("'{'")
    for place, (name, value) in enumerate(members):
        comma = "," if place else ""
        text = text.op("||")(sa.literal_column(f"'{comma}\"{name}\":'")).op("||")(sa.func.json_quote(value))
    return sa.func.json(text.op("||")(sa.literal_column("'}'")))


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
    text = sa.literal_column("'['").op("||")(sa.func.coalesce(joined, sa.literal_column("''"))).op("||")(sa.literal_column("']'"))
    return sa.func.json(sa.select(text).select_from(rows).scalar_subquery())


def json_values(values: Sequence[Element], dialect: str) -> Element:
    """Return an expression for a JSON array of values."""
    if dialect == "postgresql":
        return sa.cast(sa.func.json_build_array(*values), sa.Text)
    return sa.func.json_array(*values)
