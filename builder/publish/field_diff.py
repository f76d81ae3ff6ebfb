"""The fields of one entity, before and after -> steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from builder.compiled.app import CompiledEntity
from builder.compiled.physical import PhysicalColumn, PhysicalTable, physical_column, table_name
from builder.definition.entity import Entity
from builder.definition.renames import follow_renames, match_keys
from builder.fields.base import Field
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.computed import ComputedField
from builder.fields.reference import ReferenceField
from builder.publish.impact import IndexValue
from builder.publish.kept import Kept, kept_name, storage_of
from builder.publish.lineage import EntityLine, new_id
from builder.publish.order import order_moves
from builder.publish.step import Step
from builder.publish.steps.fields import AddField, ConvertField, KeepField, RenameField, RestoreField
from builder.publish.steps.links import LinkReferences
from builder.publish.steps.rules import ChangeRules, changed_options


@dataclass(frozen=True)
class Former:
    """What an entity was before: its document, its table as it stands (kept columns included), its ids."""

    entity: Entity
    table: PhysicalTable
    line: EntityLine
    bare: bool = False
    """True: it comes back from aside, where tables have no foreign keys and no indexes."""


class Frame(NamedTuple):
    """What the comparison of all entities shares."""

    app: str
    version: int
    """The version to be."""
    time_zone: str
    kept: Sequence[Kept]
    moved: Mapping[str, str]
    """Table as it is called before -> after the publish."""
    staged: frozenset[tuple[str, str]] = frozenset()
    """(entity, field) of the stages and nodes of pipelines."""

    def lead(self, table: str | None) -> str | None:
        """Return how a table will be called."""
        return None if table is None else self.moved.get(table, table)


class Blank(NamedTuple):
    """A new column in which no two records are equal: blank, or numbered."""


class Constant(NamedTuple):
    """A new column in which all records are equal: its default."""


Source = IndexValue | Blank | Constant
"""Where the values of a column come from."""


class FieldChanges:
    """Walks the fields of one entity and collects steps; the attributes hold the result.

    Args:
        goal: ids by key, when the target is a former version: its fields are then found by id and not by key.
    """

    def __init__(self, old: Former, new: CompiledEntity, frame: Frame, goal: Mapping[str, str] | None) -> None:
        self.rules: list[Step] = []
        self.renamed: dict[str, str] = {}
        self.replaced: set[str] = set()
        """Old columns that are set aside."""
        self.dropped: list[str] = []
        """Old columns whose foreign key goes."""
        self.added: list[str] = []
        """New columns, taken up from aside, whose foreign key comes."""
        self.sources: dict[str, Source] = {}
        """Where the values of each new column come from."""
        self._old, self._new, self._frame, self._goal = old, new, frame, goal
        self._keeps: list[Step] = []
        self._arrivals: list[Step] = []
        self._ids: dict[str, str] = {}
        self._kept = [k for k in frame.kept if k.table_name == old.table.name and k.column_name]
        self._taken_up: set[str] = set()
        own = {field.key for field in old.entity.fields}
        self._shape = {c.name: c for c in old.table.columns.values() if c.name not in own}
        self._pairs = self._pair()
        self._run()

    @property
    def columns(self) -> list[Step]:
        """What happens to columns, in an order in which every name is free when it is taken."""
        return [*self._keeps, *self._rename_steps(), *self._arrivals]

    @property
    def line(self) -> EntityLine:
        """The entity's ids after the publish."""
        return EntityLine(self._old.line.id, self._ids)

    @property
    def table(self) -> PhysicalTable:
        """The table as it will be, kept columns included."""
        return self._new.physical.changed(columns=self._shape.values())

    # -- pairing ----------------------------------------------------------------------------------------------------------

    def _pair(self) -> dict[str, str]:
        """Return key after -> key before."""
        before, after = self._old.entity.fields, self._new.definition.fields
        if self._goal is None:
            return follow_renames(before, after)
        by_id = {field_id: key for key, field_id in self._old.line.fields.items()}
        aside = {kept.origin for kept in self._kept}
        taken = {by_id[self._goal[f.key]]: f.key for f in after if self._goal[f.key] in by_id}
        # a field that was purged meanwhile is matched by its key, one that stands aside is not
        loose = [f.key for f in after if self._goal[f.key] not in aside]
        return match_keys([f.key for f in before], loose, taken)

    def _run(self) -> None:
        former = {field.key: field for field in self._old.entity.fields}
        for key, source in former.items():
            if key not in self._pairs.values():
                self._keep(source)
        for key, was in self._pairs.items():
            self._ids[key] = self._old.line.fields[was]
        for field in self._new.fields.values():
            self._decide(former.get(self._pairs.get(field.key, "")), field)
        self._ids = {key: self._ids[key] for key in self._new.fields}

    def _decide(self, source: Field | None, field: Field) -> None:
        column = physical_column(self._frame.app, field)
        before = self._old.table.columns.get(source.key) if source is not None and source.stored else None
        if source is None or before is None:
            if column is not None:
                self._add(field, column)
            else:
                self._ids.setdefault(field.key, self._fresh_id(field.key))
            if source is not None and column is None:
                self._change_rules(source, field, None)
        elif column is None:
            self._link(source, field, before)
        elif isinstance(source, ComputedField) != isinstance(field, ComputedField):
            self._keep(source)  # what people wrote is not overwritten by what is computed, nor taken for it
            self._add(field, column)
        elif before.storage == column.storage and self._frame.lead(before.references) == column.references:
            self._carry(source, field, before, column)
        elif column.references is None and before.references is None and not isinstance(field, ComputedField):
            self._convert(source, field, before, column)
        else:
            self._keep(source)
            self._add(field, column)

    # -- what can happen to a field ---------------------------------------------------------------------------------------

    def _carry(self, source: Field, field: Field, before: PhysicalColumn, column: PhysicalColumn) -> None:
        self._shape[column.name] = column
        self.renamed[before.name] = column.name
        self.sources[column.name] = IndexValue(before.name, before.type)
        if column.references and self._old.bare:
            self.added.append(column.name)
        self._change_rules(source, field, before)

    def _keep(self, gone: Field, *, replaced: bool = False) -> str:
        replaced = replaced or isinstance(gone, ComputedField)  # what is computed can be computed again
        column = self._old.table.columns.get(gone.key) if gone.stored else None
        if column is None:
            return ""
        aside = kept_name(column.name, self._frame.version)
        self._shape[aside] = PhysicalColumn(aside, column.type)
        self.replaced.add(column.name)
        if column.references and not self._old.bare:
            self.dropped.append(column.name)
        self._keeps.append(
            KeepField(
                entity=self._new.key,
                field=gone.key,
                table=self._new.physical.name,
                old_table=self._old.table.name,
                column=column,
                kept_column=aside,
                storage=storage_of(column, self._frame.lead(column.references)),
                origin=self._old.line.fields[gone.key],
                replaced=replaced,
            )
        )
        return aside

    def _link(self, gone: Field, field: Field, before: PhysicalColumn) -> None:
        """A column makes room for a field without one; a reference lives on in links to where it led."""
        targets = isinstance(gone, ReferenceField) and isinstance(field, MultiReferenceField) and field
        if not targets or self._frame.lead(before.references) != table_name(self._frame.app, targets.entity):
            self._keep(gone)
            return
        self._arrivals.append(
            LinkReferences(
                entity=self._new.key,
                field=field.key,
                table=self._new.physical.name,
                kept_column=self._keep(gone, replaced=True),
                old_table=self._old.table.name,
                old_column=before,
                link_table=table_name(self._frame.app, targets.rows),
                attributes=targets.attributes,
            )
        )

    def _add(self, field: Field, column: PhysicalColumn) -> None:
        known = self._ids.get(field.key) or (self._goal or {}).get(field.key)
        found = self._find_aside(field.key, column, known)
        if found is None:
            self._ids[field.key] = known or self._former_id(field.key) or self._fresh_id(field.key)
            self._add_new(field, column)
            return
        self._ids[field.key] = found.origin
        self._shape.pop(found.column_name, None)
        self._shape[column.name] = column
        self.sources[column.name] = IndexValue(found.column_name, column.type)
        if column.references:
            self.added.append(column.name)
        self._arrivals.append(
            RestoreField(
                entity=self._new.key,
                field=field.key,
                table=self._new.physical.name,
                kept_column=found.column_name,
                kept_id=found.id,
                column=column,
                definition=field,
                time_zone=self._frame.time_zone,
            )
        )

    def _add_new(self, field: Field, column: PhysicalColumn) -> None:
        self._shape[column.name] = column
        self.sources[column.name] = Blank() if field.default is None or field.assigned else Constant()
        self._arrivals.append(
            AddField(
                entity=self._new.key,
                field=field.key,
                table=self._new.physical.name,
                old_table=self._old.table.name,
                column=column,
                definition=field,
                time_zone=self._frame.time_zone,
            )
        )

    def _convert(self, source: Field, field: Field, before: PhysicalColumn, column: PhysicalColumn) -> None:
        former = self._find_aside(field.key, column, self._ids[field.key])
        step = ConvertField(
            entity=self._new.key,
            field=field.key,
            table=self._new.physical.name,
            old_table=self._old.table.name,
            old_column=before,
            kept_column=self._keep(source, replaced=True),
            column=column,
            source=source,
            target=field,
            time_zone=self._frame.time_zone,
            former_column=former.column_name if former else None,
        )
        self._arrivals.append(step)
        self._shape[column.name] = column
        self.sources[column.name] = IndexValue(
            before.name, before.type, step.converted, (former.column_name, column.type) if former else None
        )

    def _change_rules(self, source: Field, field: Field, before: PhysicalColumn | None) -> None:
        # a reference that is carried leads to the same table; that its entity has another key by now is no change of the field
        if not changed_options(source, field) - {"key", "renamed_from", *(("entity",) if before else ())}:
            return
        self.rules.append(
            ChangeRules(
                entity=self._new.key,
                field=field.key,
                old_table=self._old.table.name,
                old_column=before.name if before else None,
                column_type=before.type if before else None,
                source=source,
                target=field,
                table=self._new.physical.name,
                time_zone=self._frame.time_zone,
                staged=(self._new.key, field.key) in self._frame.staged,
            )
        )

    # -- details ----------------------------------------------------------------------------------------------------------

    def _rename_steps(self) -> list[Step]:
        table = self._old.table
        moving = {old: table.columns[old] for old in self.renamed}
        steps: list[Step] = []
        for old, new in order_moves(self.renamed):
            moving[new] = moving.pop(old)
            steps.append(
                RenameField(
                    entity=self._new.key,
                    field=new,
                    table=self._new.physical.name,
                    old_field=old,
                    column_type=moving[new].type,
                    has_reference=moving[new].references is not None and not self._old.bare,
                )
            )
        return steps

    def _find_aside(self, key: str, column: PhysicalColumn, field_id: str | None) -> Kept | None:
        """Return the latest kept column that can be taken up: of this id, or else of this key and of nobody who is still here."""
        for kept in self._kept:
            mine = kept.origin == field_id if field_id else kept.field == key and not self._is_here(kept.origin)
            fits = kept.signature == column.storage and self._frame.lead(kept.target) == column.references
            if mine and fits and kept.id not in self._taken_up:
                self._taken_up.add(kept.id)
                return kept
        return None

    def _former_id(self, key: str) -> str | None:
        """Return the id of the field that had this key last, so that its column is found again when its type comes back."""
        return next((k.origin for k in self._kept if k.field == key and not self._is_here(k.origin)), None)

    def _is_here(self, field_id: str) -> bool:
        return field_id in self._ids.values()

    def _fresh_id(self, key: str) -> str:
        return (self._goal or {}).get(key) or new_id(key, self._frame.version)
