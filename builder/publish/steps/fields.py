"""Steps that add, rename, set aside, take up and convert columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from builder.compiled.physical import PhysicalColumn, reference_name
from builder.fields.auto_number import AutoNumberField
from builder.fields.base import Field, Invalid, label_text
from builder.kernel.text import Text, say
from builder.publish.impact import count_refused, count_rows, count_where
from builder.publish.kept import Aside, follow_counter, forget, remember
from builder.publish.kept_records import FieldName, follow_field
from builder.publish.step import SAFE, Impact, Step, Work, lightweight
from builder.publish.steps.numbers import settle_numbers
from builder.publish.steps.references import rename_constraint
from builder.store.types import Identifier, StoredType

if TYPE_CHECKING:
    from alembic.operations import Operations

_CHUNK = 2_000


@dataclass(frozen=True, kw_only=True)
class AddField(Step):
    """A new column; records there are get the default, or their number."""

    kind: ClassVar[str] = "add_field"
    table: str
    old_table: str | None
    """The table as it is called before the publish; None if it is new."""
    column: PhysicalColumn
    definition: Field
    time_zone: str

    def summary(self) -> Text:
        """Say what happens."""
        label = label_text(self.definition.label)
        return say(
            f"新增字段 {self.entity}.{self.field}({label.zh})", f"Add the field {self.entity}.{self.field} ({label.en})"
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … ADD COLUMN; instant on both databases."""
        add_column(op, dialect, self.table, self.column)

    def fill(self, work: Work) -> None:
        """Fill in the default or the numbers."""
        if isinstance(self.definition, AutoNumberField):
            settle_numbers(work, self.entity, self.table, self.definition, self.time_zone)
        elif self.definition.default is not None:
            shape = lightweight(self.table, (self.field, self.column.type))
            work.connection.execute(
                sa.update(shape).values({self.field: self.definition.coerce(self.definition.default)})
            )

    def impact(self, connection: sa.Connection) -> Impact:
        """A default or a number is written to every record; required without one leaves them incomplete."""
        if self.old_table is None:
            return SAFE
        total = count_rows(connection, self.old_table)
        if not total:
            return SAFE
        if self.definition.default is not None or isinstance(self.definition, AutoNumberField):
            return Impact("backfill", total, total)
        if self.definition.required:
            note = say(
                f"{total} 条记录没有此必填项;它们保持原样,下次修改时须补填",
                f"{total} records lack this required value; they stay as they are until next changed",
            )
            return Impact("safe", total, total, note=note)
        return Impact("safe", 0, total)


@dataclass(frozen=True, kw_only=True)
class RenameField(Step):
    """A column takes the field's new key."""

    kind: ClassVar[str] = "rename_field"
    table: str
    old_field: str
    column_type: StoredType
    has_reference: bool = False

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"字段 {self.entity}.{self.old_field} 改名为 {self.field}",
            f"Rename the field {self.entity}.{self.old_field} to {self.field}",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME COLUMN."""
        op.alter_column(self.table, self.old_field, new_column_name=self.field, existing_type=self.column_type)
        if self.has_reference:
            old, new = reference_name(self.table, self.old_field), reference_name(self.table, self.field)
            rename_constraint(op, dialect, self.table, old, new)

    def fill(self, work: Work) -> None:
        """Let its counters and what is kept of its records follow."""
        follow_counter(work, self.entity, self.old_field, self.field)
        follow_field(work, FieldName(self.entity, self.old_field, str(self.field)))


@dataclass(frozen=True, kw_only=True)
class KeepField(Step):
    """A column leaves the definition: it is renamed and stays."""

    kind: ClassVar[str] = "keep_field"
    table: str
    old_table: str | None
    column: PhysicalColumn
    kept_column: str
    storage: str
    """What is remembered of its values: their type and where ids lead, …"""
    origin: str
    """… and the field's id in the lineage."""
    replaced: bool = False
    """True: a converted copy takes its place, so nothing goes out of sight."""

    def summary(self) -> Text:
        """Say what happens."""
        if self.replaced:
            return say(
                f"保留字段 {self.entity}.{self.field} 的原值", f"Keep the former values of {self.entity}.{self.field}"
            )
        return say(
            f"移除字段 {self.entity}.{self.field};数据保留,可恢复",
            f"Remove the field {self.entity}.{self.field}; its data is kept and can come back",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME COLUMN."""
        op.alter_column(self.table, self.column.name, new_column_name=self.kept_column, existing_type=self.column.type)

    def fill(self, work: Work) -> None:
        """Record what is kept; its counters stand aside under the column's name, which no field can have."""
        aside = Aside(self.entity, self.field, self.table, self.kept_column, self.storage, self.origin)
        remember(work, aside)
        follow_counter(work, self.entity, self.column.name, self.kept_column)

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the values that go out of sight."""
        if self.replaced or self.old_table is None:
            return SAFE
        count, ids = count_where(connection, self.old_table, self.column.name, self.column.type, blank=False)
        total = count_rows(connection, self.old_table)
        return Impact("lossy", count, total, ids) if count else Impact("safe", 0, total)


@dataclass(frozen=True, kw_only=True)
class RestoreField(Step):
    """A kept column comes back with its values."""

    kind: ClassVar[str] = "restore_field"
    table: str
    kept_column: str
    kept_id: str
    column: PhysicalColumn
    definition: Field
    time_zone: str

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"恢复字段 {self.entity}.{self.field} 及其数据",
            f"Bring back the field {self.entity}.{self.field} with its data",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … RENAME COLUMN."""
        op.alter_column(self.table, self.kept_column, new_column_name=self.column.name, existing_type=self.column.type)

    def fill(self, work: Work) -> None:
        """Record that it is not kept aside any more; records that came meanwhile get their number."""
        forget(work, self.kept_id)
        follow_counter(work, self.entity, self.kept_column, self.field)
        if isinstance(self.definition, AutoNumberField):
            settle_numbers(work, self.entity, self.table, self.definition, self.time_zone)


@dataclass(frozen=True, kw_only=True)
class ConvertField(Step):
    """Values are carried over from the kept column into the new one; what does not fit becomes blank and stays in the kept column."""

    kind: ClassVar[str] = "convert_field"
    table: str
    old_table: str
    old_column: PhysicalColumn
    kept_column: str
    column: PhysicalColumn
    source: Field
    target: Field
    time_zone: str
    former_column: str | None = None
    """A kept column of the target's own type (the field goes back to what it was): values nobody changed since come back exactly."""

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"字段 {self.entity}.{self.field} 由 {self.source.type} 转换为 {self.target.type}",
            f"Convert the field {self.entity}.{self.field} from {self.source.type} to {self.target.type}",
        )

    def ddl(self, op: Operations, dialect: str) -> None:
        """ALTER TABLE … ADD COLUMN."""
        add_column(op, dialect, self.table, self.column)

    def fill(self, work: Work) -> None:
        """Convert in chunks by id, then number what has no number."""
        former = self.former_column or self.kept_column
        shape = lightweight(
            self.table,
            ("id", Identifier()),
            (self.kept_column, self.old_column.type),
            *([(former, self.column.type)] if self.former_column else []),
            (self.column.name, self.column.type),
        )
        source, back = shape.c[self.kept_column], shape.c[former]
        update = sa.update(shape).where(shape.c.id == sa.bindparam("key"))
        update = update.values({self.column.name: sa.bindparam("converted", type_=self.column.type)})
        some = source.is_not(None) | back.is_not(None)
        page = sa.select(shape.c.id, source, back).where(some).order_by(shape.c.id).limit(_CHUNK)
        rows = work.connection.execute(page).all()
        while rows:
            converted = [
                {"key": key, "converted": self.converted(value, was if self.former_column else None)}
                for key, value, was in rows
            ]
            work.connection.execute(update, converted)
            rows = work.connection.execute(page.where(shape.c.id > rows[-1][0])).all()
        if isinstance(self.target, AutoNumberField):
            settle_numbers(work, self.entity, self.table, self.target, self.time_zone)

    def converted(self, value: Any, former: Any) -> Any:
        """Return the new value: what it was before, if nobody changed it since; else the present one converted, None if it does not fit."""
        if former is not None and _convert(self.source, self.target, former) == value:
            return former
        return None if value is None else _convert(self.target, self.source, value)

    def impact(self, connection: sa.Connection) -> Impact:
        """Count values that do not fit."""
        count, unfit = count_refused(
            connection,
            self.old_table,
            self.old_column.name,
            self.old_column.type,
            lambda value: _convert(self.target, self.source, value) is None,
        )
        total = count_rows(connection, self.old_table)
        if count:
            note = say(f"{count} 个值不符合新类型,将留空", f"{count} values do not fit the new type and become blank")
            samples = tuple((key, self.source.to_json(value)) for key, value in unfit)
            return Impact("lossy", count, total, tuple(key for key, _ in unfit), note, samples)
        return Impact("backfill", total, total) if total else SAFE


def _convert(target: Field, source: Field, value: Any) -> Any:
    try:
        return target.convert(source, value)
    except Invalid:
        return None


def add_column(op: Operations, dialect: str, table: str, column: PhysicalColumn) -> None:
    """Add a nullable column with its foreign key: inline on SQLite, where a table knows no later constraint."""
    if column.references and dialect == "sqlite":
        target: sa.Column[Any] = sa.Column(
            column.name, column.type, sa.ForeignKey(f"{column.references}.id"), nullable=True
        )
        op.add_column(table, target, inline_references=True)
        return
    op.add_column(table, sa.Column(column.name, column.type, nullable=True))
    if column.references:
        op.create_foreign_key(reference_name(table, column.name), table, column.references, [column.name], ["id"])
