"""A real table with one column of a field, written and read by both ways into the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from builder.fields.base import Field
from builder.store.database import open_database
from builder.store.sheets import insert_sheet
from builder.store.statement import Query, Rows, Sheet, Unit, prepare
from builder.store.types import StoredType, Whole
from runtime.query.json_rows import json_object


class FieldTable:
    """The table ``sample (id, value)``; values are canonical, JSON is the database's own bytes."""

    def __init__(self, url: str, field: Field, *, name: str = "sample") -> None:
        column_type = field.column_type()
        assert isinstance(column_type, StoredType)
        self.field = field
        self._database = open_database(url, durable=False)
        self._runner = asyncio.Runner()
        self._table = sa.Table(
            name, sa.MetaData(), sa.Column("id", Whole(), primary_key=True), sa.Column("value", column_type)
        )
        self._count = 0

    def __enter__(self) -> Self:
        with self._database.exclusive_schema() as connection:
            connection.execute(CreateTable(self._table))
        self._runner.run(self._database.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._database.stop())
        self._runner.close()
        self._database.close()

    def write(self, values: Sequence[Any]) -> list[int]:
        """Insert through a unit, as records are written; returns the ids."""
        rows = self._rows(values)
        statement = prepare(
            sa.insert(self._table).values(id=sa.bindparam("id"), value=sa.bindparam("value")), self._database.dialect
        )

        def unit() -> Unit[None]:
            yield Query(statement, rows)

        self._runner.run(self._database.write(unit))
        return [row["id"] for row in rows]

    def write_sheet(self, values: Sequence[Any]) -> list[int]:
        """Insert through a unit as one statement, as the records of a batch are written; returns the ids."""
        columns = self._table.c
        rows = self._rows(values)
        statement = prepare(insert_sheet(self._table, columns, (), self._database.dialect, {}), self._database.dialect)

        def unit() -> Unit[None]:
            yield Query(statement, Sheet({}, rows))

        self._runner.run(self._database.write(unit))
        return [row["id"] for row in rows]

    def write_sync(self, values: Sequence[Any]) -> list[int]:
        """Insert through SQLAlchemy, as installs and backfills are written."""
        rows = self._rows(values)
        with self._database.transaction() as connection:
            connection.execute(sa.insert(self._table), rows)
        return [row["id"] for row in rows]

    def _rows(self, values: Sequence[Any]) -> list[dict[str, Any]]:
        first = self._count
        self._count += len(values)
        return [{"id": first + index, "value": value} for index, value in enumerate(values)]

    def read_json(self, *, copies: int = 1) -> list[bytes]:
        """Every row as the JSON object ``{"value1": …, "value2": …}`` that the database writes."""
        column = self.field.json_sql(self._table.c.value, self._database.dialect)
        row = json_object([(f"value{number + 1}", column) for number in range(copies)], self._database.dialect)
        query = sa.select(sa.cast(row, sa.Text)).select_from(self._table).order_by(self._table.c.id)
        return [read[0].encode() for read in self._read(query, {})]

    def read_values(self) -> list[Any]:
        """Every value through SQLAlchemy's own result processing."""
        with self._database.snapshot() as connection:
            return list(connection.scalars(sa.select(self._table.c.value).order_by(self._table.c.id)))

    def find(self, value: Any) -> list[int]:
        """The ids of the rows whose value equals this one."""
        query = sa.select(self._table.c.id).where(self._table.c.value == sa.bindparam("wanted"))
        return sorted(row[0] for row in self._read(query, {"wanted": value}))

    def order(self) -> list[Any]:
        """All values that are not blank, in the database's order."""
        query = sa.select(self._table.c.value).where(self._table.c.value.is_not(None)).order_by(self._table.c.value)
        with self._database.snapshot() as connection:
            return list(connection.scalars(query))

    def _read(self, query: sa.Select[Any], values: dict[str, Any]) -> Rows:
        statement = prepare(query, self._database.dialect)

        def unit() -> Unit[Rows]:
            return (yield Query(statement, values))

        return self._runner.run(self._database.read(unit))
