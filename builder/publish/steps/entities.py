"""Steps that make, rename, set aside and take up whole tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa

from builder.compiled.physical import PhysicalTable, reference_name
from builder.definition.links import is_link
from builder.kernel.text import Text, say
from builder.publish.impact import count_rows, sample_ids
from builder.publish.kept import Aside, KeptEntity, follow_counters, follow_table, forget, remember
from builder.publish.kept_records import follow_entity
from builder.publish.step import SAFE, Impact, Step, Work
from builder.publish.steps.references import rename_constraint
from builder.store import process_tables, tables

if TYPE_CHECKING:
    from alembic.operations import Operations


_FOLLOWING = (
    tables.event,
    tables.stage,
    tables.approval,
    tables.view,
    process_tables.automation_run,
    process_tables.assignment_decision,
    process_tables.assignment_pool,
)
"""What names the entity of a record and has nothing else by its keys."""


@dataclass(frozen=True, kw_only=True)
class CreateEntity(Step):
    """A new table. References to tables that come later are added by ``ChangeReferences`` on PostgreSQL, inline on SQLite."""

    kind: ClassVar[str] = "create_entity"
    table: PhysicalTable
    late: tuple[str, ...] = ()
    """Columns whose target table does not exist yet."""

    def summary(self) -> Text:
        """Say what happens."""
        if is_link(self.entity):
            return say(f"为字段 {self.entity} 新建关联表", f"Create a table for the links of {self.entity}")
        return say(f"新建实体 {self.entity}", f"Create the entity {self.entity}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """CREATE TABLE."""
        shape = self.table.to_sqlalchemy(sa.MetaData())
        late = {reference_name(self.table.name, column) for column in self.late} if dialect == "postgresql" else set()
        constraints = [
            sa.ForeignKeyConstraint(fk.column_keys, [e.target_fullname for e in fk.elements], name=fk.name)
            for fk in sorted(shape.foreign_key_constraints, key=lambda fk: str(fk.name))
            if fk.name not in late
        ]
        columns = [sa.Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable) for c in shape.columns]
        op.create_table(self.table.name, *columns, *constraints)


@dataclass(frozen=True, kw_only=True)
class RenameEntity(Step):
    """A table takes the entity's new key; rows, counters and history go with it."""

    kind: ClassVar[str] = "rename_entity"
    old_entity: str
    old_table: str
    new_table: str
    references: tuple[str, ...] = ()
    """Columns with a foreign key, whose name carries the table's."""

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"实体 {self.old_entity} 改名为 {self.entity}", f"Rename the entity {self.old_entity} to {self.entity}"
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME."""
        op.rename_table(self.old_table, self.new_table)
        for column in self.references:
            old, new = reference_name(self.old_table, column), reference_name(self.new_table, column)
            rename_constraint(op, dialect, self.new_table, old, new)

    def fill(self, work: Work) -> None:
        """Let counters, events, stays, approvals, views, runs, assignments and what is kept follow."""
        follow_table(work, self.old_table, self.new_table, self.entity)
        follow_counters(work, self.old_entity, self.entity)
        follow_entity(work, self.old_entity, self.entity)
        for table in _FOLLOWING:
            here = (table.c.app == work.app) & (table.c.entity == self.old_entity)
            work.connection.execute(sa.update(table).where(here).values(entity=self.entity))


@dataclass(frozen=True, kw_only=True)
class KeepEntity(Step):
    """A table leaves the definition: it is renamed and stays until it comes back or is purged."""

    kind: ClassVar[str] = "keep_entity"
    old_table: str
    kept_table: str
    was: KeptEntity

    def summary(self) -> Text:
        """Say what happens."""
        if is_link(self.entity):
            return say(
                f"移除 {self.entity} 的关联;数据保留在 {self.kept_table},可恢复",
                f"Remove the links of {self.entity}; they stay in {self.kept_table} and can come back",
            )
        return say(
            f"移除实体 {self.entity};数据保留在 {self.kept_table},可恢复",
            f"Remove the entity {self.entity}; its data stays in {self.kept_table} and can come back",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME."""
        op.rename_table(self.old_table, self.kept_table)

    def fill(self, work: Work) -> None:
        """Record what is kept; its counters stand aside under the table's name, which no entity can have."""
        remember(work, Aside(self.entity, "", self.kept_table, "", self.was.dump(), self.was.line.id))
        follow_table(work, self.old_table, self.kept_table, self.entity)
        follow_counters(work, self.entity, self.kept_table)

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the records that go out of sight."""
        total = count_rows(connection, self.old_table)
        return Impact("lossy", total, total, sample_ids(connection, self.old_table)) if total else SAFE


@dataclass(frozen=True, kw_only=True)
class RestoreEntity(Step):
    """A kept table comes back."""

    kind: ClassVar[str] = "restore_entity"
    kept_table: str
    new_table: str
    kept_id: str

    def summary(self) -> Text:
        """Say what happens."""
        return say(f"恢复实体 {self.entity} 及其数据", f"Bring back the entity {self.entity} with its data")

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME."""
        op.rename_table(self.kept_table, self.new_table)

    def fill(self, work: Work) -> None:
        """Record that it is not kept aside any more."""
        forget(work, self.kept_id)
        follow_table(work, self.kept_table, self.new_table, self.entity)
        follow_counters(work, self.kept_table, self.entity)

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the records that come back."""
        return Impact("safe", 0, count_rows(connection, self.kept_table))
