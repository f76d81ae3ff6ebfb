"""Sample records: CSV files -> rows of JSON values in an order in which the database takes them.

The header of ``sample/<entity>.csv`` names fields, and may name ``id``, ``created_at`` and ``created_by``. ``id`` is a name that the
package gives the record (or a UUID); cells of reference fields hold such names (several: ``a;b``), of user fields user names, of department fields keys
of departments. All other cells are read by the field itself (``Field.from_text``). Children are rows of their own entity's file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from builder.definition.entity import Entity
from builder.fields.base import Field, Invalid
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.reference import ReferenceField
from builder.kernel.clock import instant_text
from builder.kernel.ids import sample_id
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from builder.packages.csv_text import Faults, Row, Table, read_table
from builder.packages.loading import LoadPlan, plan_loading, rows_in_order
from builder.packages.package import PEOPLE_FILES, Package

JSON = Any
Find = Callable[[str], str | None]
"""User name or department key -> id, None if there is no such."""

SAMPLE_SYSTEM_COLUMNS: tuple[str, ...] = ("id", "created_at", "created_by")


class Batch(NamedTuple):
    """Rows of one entity; a row's references lead to earlier rows or batches. Keys of a row: system columns and fields."""

    entity: str
    rows: tuple[dict[str, JSON], ...]


class Later(NamedTuple):
    """References that close a circle between entities: to be set when all batches are in."""

    entity: str
    id: str
    values: dict[str, JSON]


@dataclass(frozen=True)
class Sample:
    """The sample records of a package, every name resolved to an id."""

    batches: tuple[Batch, ...]
    later: tuple[Later, ...]

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(len(batch.rows) for batch in self.batches)


def read_sample(package: Package, *, find_user: Find, find_department: Find) -> Sample:
    """Read all sample records of a package. Values are JSON that the fields have coerced without complaint.

    Raises:
        Problem: ``package.invalid``; violations carry file, line and column in ``params``.
    """
    return _Reader(package, {"user": find_user, "department": find_department}).read()


class _Reader:
    def __init__(self, package: Package, finders: Mapping[str, Find]) -> None:
        self._package = package
        self._finders = finders
        self._faults = Faults()
        self._tables: dict[str, Table] = {}
        self._names: dict[str, dict[str, int]] = {}

    def read(self) -> Sample:
        definition = self._package.definition
        for entity in definition.entities:
            if entity.key in self._package.sample:
                columns = _columns(entity)
                self._tables[entity.key] = read_table(
                    entity.key, self._package.sample[entity.key], columns, self._faults
                )
        self._names = {key: self._read_names(table) for key, table in self._tables.items()}
        plan = plan_loading(definition)
        batches: list[Batch] = []
        later: list[Later] = []
        for entity in plan.entities:
            if entity.key in self._tables:
                batches.append(Batch(entity.key, self._read_rows(entity, plan, later)))
        self._faults.raise_found()
        return Sample(tuple(batches), tuple(later))

    def _read_names(self, table: Table) -> dict[str, int]:
        names: dict[str, int] = {}
        for row in table.rows:
            name = _name_of(row)
            if name in names:
                self._faults.add(
                    "duplicate", say(f"“{name}”出现两次", f'"{name}" occurs twice'), table.file, row.line, "id"
                )
            names[name] = row.line
        return names

    def _read_rows(self, entity: Entity, plan: LoadPlan, later: list[Later]) -> tuple[dict[str, JSON], ...]:
        table = self._tables[entity.key]
        deferred = plan.deferred(entity)
        rows: list[dict[str, JSON]] = []
        for row in table.rows:
            values = self._read_row(entity, table, row)
            postponed = {key: values.pop(key) for key in deferred if key in values}
            if postponed:
                later.append(Later(entity.key, values["id"], postponed))
            rows.append(values)
        return rows_in_order(entity, rows, table.file, self._faults)

    def _read_row(self, entity: Entity, table: Table, row: Row) -> dict[str, JSON]:
        values: dict[str, JSON] = {"id": sample_id(self._package.key, entity.key, _name_of(row))}
        for column, cell in row.cells.items():
            if column == "id":
                continue
            try:
                values[column] = self._read_cell(entity, column, cell)
            except Invalid as invalid:
                self._faults.add(invalid.code, invalid.message, table.file, row.line, column)
        for field in entity.fields:
            if field.required and field.default is None and not field.assigned and field.key not in row.cells:
                self._faults.add("required", say("不能为空", "Must not be blank"), table.file, row.line, field.key)
        return values

    def _read_cell(self, entity: Entity, column: str, cell: str) -> JSON:
        field = next((field for field in entity.fields if field.key == column), None)
        if field is None:
            return _read_instant(cell.strip()) if column == "created_at" else self._find("user", cell.strip())
        if isinstance(field, ReferenceField):
            return self._find_record(field.entity, cell.strip())
        if isinstance(field, MultiReferenceField):
            return [self._find_record(field.entity, name) for name in field.from_text(cell)]
        if field.refers_to is not None:
            return self._find(field.refers_to, cell.strip())
        if field.lists == "user":
            return [self._find("user", name.strip()) for name in cell.split(";") if name.strip()]
        return _read_value(field, cell)

    def _find_record(self, entity: str, name: str) -> str:
        known = self._names.get(entity, {})
        if name not in known:
            hint = nearest_hint(name, known)
            message = say(
                f"实体“{entity}”没有示例记录“{name}”{hint.zh}",
                f'The entity "{entity}" has no sample record "{name}"{hint.en}',
            )
            raise Invalid("reference", message)
        return sample_id(self._package.key, entity, name)

    def _find(self, kind: str, name: str) -> str:
        found = self._finders[kind](name)
        if found is None:
            title = {"user": say("用户", "user"), "department": say("部门", "department")}[kind]
            raise Invalid("reference", say(f"没有{title.zh}“{name}”", f'There is no {title.en} "{name}"'))
        return found


def _columns(entity: Entity) -> Sequence[str]:
    # also fields that the system gives otherwise: old numbers keep records findable, counting goes on behind them
    return (*SAMPLE_SYSTEM_COLUMNS, *(f.key for f in entity.fields if f.stored or isinstance(f, MultiReferenceField)))


def _name_of(row: Row) -> str:
    # a record without a name still has the same id every time the package is installed
    return row.cells.get("id", f"line {row.line}").strip()


def _read_instant(cell: str) -> str:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        wanted = "2026-11-20T09:30:00+08:00"
        raise Invalid(
            "datetime", say(f"应是带时区的时间,如 {wanted}", f"Expected an instant with an offset, as in {wanted}")
        )
    return instant_text(at)


def _read_value(field: Field, cell: str) -> JSON:
    value = field.from_text(cell)
    field.coerce(value)
    return value


def count_rows(sample: Mapping[str, str]) -> int:
    """Count the sample records of a package without understanding them; people are not records."""
    texts = (text for name, text in sample.items() if name not in PEOPLE_FILES)
    return sum(max(0, sum(1 for _ in csv.reader(text.splitlines())) - 1) for text in texts)
