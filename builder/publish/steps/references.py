"""Foreign keys of existing columns come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa

from builder.compiled.physical import PhysicalColumn, PhysicalTable, reference_name
from builder.kernel.text import Text, say
from builder.publish.step import Step
from builder.publish.steps.indexes import create_index

if TYPE_CHECKING:
    from alembic.operations import Operations


@dataclass(frozen=True, kw_only=True)
class ChangeReferences(Step):
    """Add or drop foreign keys. PostgreSQL alters the table; SQLite knows no such change, so the table is rebuilt (its size in time)."""

    kind: ClassVar[str] = "change_references"
    table: PhysicalTable
    """The table as it shall be, kept columns and present indexes included."""
    drop: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    inline_on_sqlite: bool = False
    """True: the table was created in this plan and SQLite has the keys already."""

    def summary(self) -> Text:
        """Say what happens."""
        names = ", ".join((*self.drop, *self.add))
        return say(f"调整 {self.entity} 的外键:{names}", f"Change the foreign keys of {self.entity}: {names}")

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … CONSTRAINT, or a rebuilt table on SQLite."""
        name = self.table.name
        if dialect == "sqlite":
            if not self.inline_on_sqlite:
                rebuild_table(op, self.table)
            return
        for column in self.drop:
            op.drop_constraint(reference_name(name, column), name, type_="foreignkey")
        for column in self.add:
            target = str(self.table.columns[column].references)
            blank_dangling(op, name, column, target)
            op.create_foreign_key(reference_name(name, column), name, target, [column], ["id"])


def rebuild_table(op: Operations, table: PhysicalTable) -> None:
    """Write a table anew in the given shape and copy its rows (SQLite's recipe; foreign keys are off meanwhile and checked at the end)."""
    bare = table.changed(columns=[PhysicalColumn(c.name, c.type, None, c.nullable) for c in table.columns.values()])
    held = [column for column in table.columns.values() if column.references]
    # given as arguments, because the library walks a table's own constraints and indexes in no order: the plan would differ each time
    references = tuple(
        sa.ForeignKeyConstraint([c.name], [_id_of(str(c.references))], name=reference_name(table.name, c.name))
        for c in held
    )
    shape = bare.to_sqlalchemy(sa.MetaData())
    with op.batch_alter_table(table.name, copy_from=shape, table_args=references, recreate="always"):
        pass
    for index in table.indexes.values():
        create_index(op, "sqlite", table.name, index)
    for column in held:
        blank_dangling(op, table.name, column.name, str(column.references))


def _id_of(table: str) -> sa.Column[str]:
    return sa.Table(table, sa.MetaData(), sa.Column("id", sa.Text, primary_key=True)).c.id


def blank_dangling(op: Operations, table: str, column: str, target: str) -> None:
    """Blank references that came back from aside and point to records that are gone."""
    own = sa.table(table, sa.column(column))
    other = sa.table(target, sa.column("id")).alias("target")
    there = sa.exists().where(other.c.id == own.c[column])
    op.execute(sa.update(own).where(own.c[column].is_not(None) & ~there).values({column: sa.null()}))


def rename_constraint(op: Operations, dialect: str, table: str, old: str, new: str) -> None:
    """Let a foreign key's name follow its table or column; SQLite never uses the name."""
    if dialect != "sqlite":
        op.execute(sa.text(f'ALTER TABLE "{table}" RENAME CONSTRAINT "{old}" TO "{new}"'))
