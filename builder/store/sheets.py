"""Many rows as one statement: what all new ones share is bound once, the rest travels together.

SQLite takes them one after the other from tuples made column by column (``Statement.bind_sheet``). PostgreSQL is handed one JSON
array, which it takes apart itself: a third of what a prepared statement costs per row, and no columns of equal values to be sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.store.statement import POSTGRESQL, ROWS
from builder.store.types import Document, Span, StoredType, Words


def insert_sheet(
    table: sa.Table,
    columns: Iterable[sa.Column[Any]],
    same: Collection[str],
    dialect: str,
    computed: Mapping[str, sa.ColumnElement[Any]],
) -> sa.Insert:
    """Return the statement that inserts a ``Sheet``.

    Args:
        columns: those that are given a value.
        same: the columns whose values all rows share.
        computed: columns to which the database gives a value.
    """
    names = [column.name for column in columns]
    shared = {name: sa.bindparam(name, type_=table.c[name].type) for name in names if name in same}
    if dialect != POSTGRESQL:
        each = {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
        return sa.insert(table).values({**each, **computed}).inline()
    types = {name: table.c[name].type for name in names if name not in shared and name not in computed}
    rows = sa.func.json_to_recordset(sa.cast(sa.bindparam(ROWS, type_=_JsonRows(types)), sa.JSON))
    r = rows.table_valued(*(sa.column(name, _carried(kind)) for name, kind in types.items()))
    r = r.render_derived(name="r", with_types=True)
    given = [r.c[name] if kind is _carried(kind) else sa.cast(r.c[name], kind) for name, kind in types.items()]
    chosen = sa.select(*given, *shared.values(), *computed.values()).select_from(r)
    return sa.insert(table).from_select([*types, *shared, *computed], chosen, include_defaults=False).inline()


def update_sheet(table: sa.Table, columns: Iterable[str], dialect: str) -> sa.Update:
    """Return the statement that changes columns of the rows that a ``Sheet`` names by their key; values are called ``v_`` and the column."""
    names = list(columns)
    key = [column.name for column in table.primary_key]
    types = {f"v_{name}": table.c[name].type for name in (*key, *names)}
    if dialect != POSTGRESQL:
        given = {name: sa.bindparam(f"v_{name}", type_=table.c[name].type) for name in (*key, *names)}
        return sa.update(table).where(*(table.c[name] == given.pop(name) for name in key)).values(given)
    rows = sa.func.json_to_recordset(sa.cast(sa.bindparam(ROWS, type_=_JsonRows(types)), sa.JSON))
    r = rows.table_valued(*(sa.column(name, _carried(kind)) for name, kind in types.items()))
    r = r.render_derived(name="r", with_types=True)
    same = (table.c[name] == r.c[f"v_{name}"] for name in key)
    return sa.update(table).where(*same).values({name: r.c[f"v_{name}"] for name in names})


def _carried(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type as which the JSON carries a value: documents are texts in it, as everywhere else."""
    return Words() if isinstance(kind, Document) else kind


class _JsonRows(StoredType):
    """Rows as the text of a JSON array."""

    cache_ok = False

    def __init__(self, types: Mapping[str, Any]) -> None:
        super().__init__()
        # exact numbers, days, instants and texts are written by the encoder as PostgreSQL reads them
        self._binders = [
            (name, kind.bind_postgresql) for name, kind in types.items() if isinstance(kind, Document | Span)
        ]

    def bind_postgresql(self, value: Sequence[Mapping[str, Any]]) -> str:
        """The JSON text."""
        if self._binders:
            value = [{**row, **self._bound(row)} for row in value]
        return dump_json(value).decode()

    def _bound(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: bind(row[name]) for name, bind in self._binders if row[name] is not None}
