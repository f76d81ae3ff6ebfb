"""Indexes come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa
from alembic.operations import Operations

from builder.compiled.physical import PhysicalIndex
from builder.kernel.text import Text, say
from builder.publish.impact import count_duplicates
from builder.publish.step import SAFE, Impact, Step
from builder.store.types import StoredType


@dataclass(frozen=True, kw_only=True)
class AddIndex(Step):
    """A plain or unique index."""

    kind: ClassVar[str] = "add_index"
    table: str
    index: PhysicalIndex
    old_table: str | None = None
    """Set when records are there already: their table, …"""
    old_columns: tuple[tuple[str, StoredType], ...] = ()
    """… and the columns as they are called before the publish."""

    def summary(self) -> Text:
        """Say what happens."""
        keys = ", ".join(self.index.columns)
        if self.index.unique:
            return say(f"{self.entity} 的 {keys} 不得重复", f"{keys} of {self.entity} become unique")
        return say(f"为 {self.entity} 的 {keys} 建立索引", f"Index {keys} of {self.entity}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """CREATE INDEX; blanks sort first on both databases, as lists do."""
        create_index(op, dialect, self.table, self.index)

    def impact(self, connection: sa.Connection) -> Impact:
        """Records that share a value stop a unique index."""
        if not self.index.unique or self.old_table is None or not self.old_columns:
            return SAFE
        count, ids = count_duplicates(connection, self.old_table, self.old_columns)
        if not count:
            return SAFE
        note = say(
            f"{count} 条记录的值重复,请先合并或修改", f"{count} records share a value; merge or change them first"
        )
        return Impact("blocked", count, count, ids, note)


@dataclass(frozen=True, kw_only=True)
class DropIndex(Step):
    """An index goes; no data is touched."""

    kind: ClassVar[str] = "drop_index"
    table: str
    index: PhysicalIndex

    def summary(self) -> Text:
        """Say what happens."""
        keys = ", ".join(self.index.columns)
        if self.index.unique:
            return say(f"{self.entity} 的 {keys} 允许重复", f"{keys} of {self.entity} need not be unique any more")
        return say(f"删除 {self.entity} 的 {keys} 索引", f"Drop the index on {keys} of {self.entity}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """DROP INDEX."""
        op.drop_index(self.index.name, self.table)


def create_index(op: Operations, dialect: str, table: str, index: PhysicalIndex) -> None:
    """Create an index that serves sorting in both directions with blanks as the smallest."""
    if dialect == "sqlite":
        op.create_index(index.name, table, list(index.columns), unique=index.unique)
    else:
        columns = [sa.text(f'"{column}" NULLS FIRST') for column in index.columns]
        op.create_index(index.name, table, columns, unique=index.unique)
