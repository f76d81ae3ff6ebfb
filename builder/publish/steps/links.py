"""A reference becomes a field that leads to several records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa

from builder.compiled.physical import PhysicalColumn
from builder.fields.base import Field
from builder.fields.parts.many import SOURCE, TARGET
from builder.kernel.text import Text, say
from builder.publish.impact import count_where
from builder.publish.step import SAFE, Impact, Step, Work, lightweight
from builder.store.types import Identifier, Instant, StoredType, Whole, Words

if TYPE_CHECKING:
    from alembic.operations import Operations

_SAME: tuple[tuple[str, StoredType], ...] = (
    ("id", Identifier()),
    ("created_at", Instant()),
    ("created_by", Words()),
    ("updated_at", Instant()),
    ("updated_by", Words()),
)
"""What a link takes from the record it starts from: there is one of each, so its id is free in the table of links."""


@dataclass(frozen=True, kw_only=True)
class LinkReferences(Step):
    """Every reference becomes the first link of its record; the column stands aside."""

    kind: ClassVar[str] = "link_references"
    table: str
    kept_column: str
    old_table: str
    old_column: PhysicalColumn
    link_table: str
    attributes: tuple[Field, ...] = ()

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"字段 {self.entity}.{self.field} 由单个关联转换为多个关联",
            f"Convert the field {self.entity}.{self.field} from one reference to several",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """Nothing: the table of links is a step of its own."""

    def fill(self, work: Work) -> None:
        """Copy what the column points to, in one statement."""
        given = [a for a in self.attributes if a.default is not None]
        records = lightweight(self.table, *_SAME, (self.kept_column, Identifier()))
        columns = [(a.key, kind) for a in given if (kind := a.column_type()) is not None]
        links = lightweight(
            self.link_table, *_SAME, ("revision", Whole()), (SOURCE, Identifier()), (TARGET, Identifier()), *columns
        )
        target = records.c[self.kept_column]
        defaults = [sa.literal(a.coerce(a.default), a.column_type()) for a in given]
        chosen = sa.select(
            *(records.c[name] for name, _ in _SAME), sa.literal(1, Whole()), records.c.id, target, *defaults
        ).where(target.is_not(None))
        names = [*(name for name, _ in _SAME), "revision", SOURCE, TARGET, *(a.key for a in given)]
        work.connection.execute(sa.insert(links).from_select(names, chosen))

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the references that become links."""
        column = self.old_column
        count, _ = count_where(connection, self.old_table, column.name, column.type, blank=False)
        return Impact("backfill", count, count) if count else SAFE
