"""Indexes come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import sqlalchemy as sa

from builder.compiled.conditional import Where, where_text
from builder.compiled.physical import PhysicalIndex
from builder.kernel.text import Text, say
from builder.publish.impact import IndexValue, count_duplicates, count_rows
from builder.publish.step import SAFE, Impact, Step

if TYPE_CHECKING:
    from alembic.operations import Operations


class Existing(NamedTuple):
    """The records a unique index meets: their table as it is called before the publish, and where the index's values come from."""

    table: str
    values: tuple[IndexValue, ...]
    """Without the columns that are equal in all records (a default)."""
    where: Where = ()


@dataclass(frozen=True, kw_only=True)
class AddIndex(Step):
    """A plain or unique index."""

    kind: ClassVar[str] = "add_index"
    table: str
    index: PhysicalIndex
    existing: Existing | None = None
    """None: no two records can be equal in these columns."""

    def summary(self) -> Text:
        """Say what happens."""
        keys = ", ".join(self.index.columns)
        if self.index.where:
            return say(
                f"{self.entity} 的 {keys} 在条件成立的记录中不得重复",
                f"{keys} of {self.entity} become unique among the records for which a condition holds",
            )
        if self.index.unique:
            return say(f"{self.entity} 的 {keys} 不得重复", f"{keys} of {self.entity} become unique")
        return say(f"为 {self.entity} 的 {keys} 建立索引", f"Index {keys} of {self.entity}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """CREATE INDEX; blanks sort first on both databases, as lists do."""
        create_index(op, dialect, self.table, self.index)

    def impact(self, connection: sa.Connection) -> Impact:
        """Records that share a value stop a unique index."""
        if not self.index.unique or self.existing is None:
            return SAFE
        total = count_rows(connection, self.existing.table)
        count, ids = count_duplicates(connection, self.existing.table, self.existing.values, self.existing.where)
        if not count:
            return Impact("safe", 0, total)
        note = say(
            f"{total:,} 条记录中有 {count:,} 条的值重复,请先合并或修改",
            f"{count:,} of {total:,} records share a value; merge or change them first",
        )
        return Impact("blocked", count, total, ids, note)


@dataclass(frozen=True, kw_only=True)
class DropIndex(Step):
    """An index goes; no data is touched."""

    kind: ClassVar[str] = "drop_index"
    table: str
    index: PhysicalIndex

    def summary(self) -> Text:
        """Say what happens."""
        keys = ", ".join(self.index.columns)
        if self.index.where:
            return say(
                f"{self.entity} 的 {keys} 在条件成立的记录中不得重复",
                f"{keys} of {self.entity} become unique among the records for which a condition holds",
            )
        if self.index.unique:
            return say(f"{self.entity} 的 {keys} 允许重复", f"{keys} of {self.entity} need not be unique any more")
        return say(f"删除 {self.entity} 的 {keys} 索引", f"Drop the index on {keys} of {self.entity}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """DROP INDEX."""
        op.drop_index(self.index.name, self.table)


def create_index(op: Operations, dialect: str, table: str, index: PhysicalIndex) -> None:
    """Create an index that serves sorting in both directions with blanks as the smallest."""
    where: dict[str, Any] = {f"{dialect}_where": where_text(index.where, dialect)} if index.where else {}
    if dialect == "sqlite":
        op.create_index(index.name, table, list(index.columns), unique=index.unique, **where)
    else:
        columns = [sa.text(f'"{column}" NULLS FIRST') for column in index.columns]
        op.create_index(index.name, table, columns, unique=index.unique, **where)
