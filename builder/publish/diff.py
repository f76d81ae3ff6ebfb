"""Two definitions -> the ordered steps that lead from one to the other. Pure: knows neither rows nor connections.

Order: indexes and foreign keys that must go; tables set aside, renamed, taken up, made; columns; indexes and foreign keys that must come; rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.physical import PhysicalColumn, PhysicalTable, physical_column, physical_table
from builder.definition.entity import Entity
from builder.definition.kinds import ENTITIES, dump_document
from builder.definition.parse import parse_document
from builder.fields.base import Field
from builder.kernel.canonical import dump_sorted, parse_json
from builder.publish.kept import Kept, find_kept_entity, find_kept_field, kept_columns, kept_name
from builder.publish.step import Step
from builder.publish.steps.entities import CreateEntity, KeepEntity, RenameEntity, RestoreEntity
from builder.publish.steps.fields import AddField, ConvertField, KeepField, RenameField, RestoreField
from builder.publish.steps.indexes import AddIndex, DropIndex
from builder.publish.steps.references import ChangeReferences
from builder.publish.steps.rules import ChangeDocument, ChangeRules, changed_options


@dataclass
class _Phases:
    """Steps by the phase they belong to."""

    detach: list[Step] = field(default_factory=list)
    tables: list[Step] = field(default_factory=list)
    columns: list[Step] = field(default_factory=list)
    attach: list[Step] = field(default_factory=list)
    rules: list[Step] = field(default_factory=list)

    def all(self) -> list[Step]:
        return [*self.detach, *self.tables, *self.columns, *self.attach, *self.rules]


@dataclass(frozen=True)
class _Former:
    """What an entity was before: its document and its table as it stands, kept columns included."""

    entity: Entity
    table: PhysicalTable
    has_records: bool = True


def diff(base: CompiledApp | None, target: CompiledApp, kept: Sequence[Kept]) -> list[Step]:
    """Return the steps from a published app (None: nothing yet) to a target; ``target.version`` is the version to be."""
    phases = _Phases()
    former = dict(_match_entities(base, target, kept, phases))
    taken = {item.entity.key for item in former.values()}
    for gone in base.entities.values() if base else ():
        if gone.key not in taken:
            _keep_entity(gone, target, kept, phases)
    _create_entities(target, former, phases)
    for entity in target.entities.values():
        if entity.key in former:
            _diff_entity(former[entity.key], entity, target, kept, phases)
    phases.rules += _changed_documents(base, target, former)
    return phases.all()


# -- entities -------------------------------------------------------------------------------------------------------------


def _match_entities(
    base: CompiledApp | None, target: CompiledApp, kept: Sequence[Kept], phases: _Phases
) -> Iterator[tuple[str, _Former]]:
    known = base.entities if base else {}
    for entity in target.entities.values():
        renamed_from = entity.definition.renamed_from
        if entity.key in known:
            yield entity.key, _standing(known[entity.key], kept)
        elif renamed_from is not None and renamed_from in known and renamed_from not in target.entities:
            yield entity.key, _rename_entity(known[renamed_from], entity, kept, phases)
        elif (found := find_kept_entity(kept, entity.key)) is not None:
            yield entity.key, _restore_entity(found, entity, target, kept, phases)


def _standing(entity: CompiledEntity, kept: Sequence[Kept]) -> _Former:
    physical = entity.physical
    return _Former(
        entity.definition, physical.changed(columns=[*physical.columns.values(), *kept_columns(kept, physical.name)])
    )


def _rename_entity(old: CompiledEntity, new: CompiledEntity, kept: Sequence[Kept], phases: _Phases) -> _Former:
    phases.tables.append(
        RenameEntity(
            entity=new.key,
            old_entity=old.key,
            old_table=old.physical.name,
            new_table=new.physical.name,
            references=tuple(column.name for column in old.physical.columns.values() if column.references),
        )
    )
    return _standing(old, kept)


def _restore_entity(
    found: Kept, entity: CompiledEntity, target: CompiledApp, kept: Sequence[Kept], phases: _Phases
) -> _Former:
    document = parse_document(ENTITIES, parse_json(found.storage))
    assert isinstance(document, Entity)
    phases.tables.append(
        RestoreEntity(entity=entity.key, kept_table=found.table_name, new_table=entity.physical.name, kept_id=found.id)
    )
    bare = physical_table(target.key, document).changed(name=found.table_name, indexes=())
    columns = [PhysicalColumn(c.name, c.type, None, c.nullable) for c in bare.columns.values()]
    return _Former(document, bare.changed(columns=[*columns, *kept_columns(kept, found.table_name)]))


def _keep_entity(gone: CompiledEntity, target: CompiledApp, kept: Sequence[Kept], phases: _Phases) -> None:
    table = _standing(gone, kept).table
    referencing = tuple(column.name for column in table.columns.values() if column.references)
    phases.detach += [DropIndex(entity=gone.key, table=table.name, index=index) for index in table.indexes.values()]
    if referencing:
        bare = _without_references(table, referencing).changed(indexes=())
        phases.detach.append(ChangeReferences(entity=gone.key, table=bare, drop=referencing))
    document = dump_sorted(dump_document(gone.definition)).decode()
    aside = kept_name(table.name, target.version)
    phases.tables.append(KeepEntity(entity=gone.key, old_table=table.name, kept_table=aside, document=document))


def _create_entities(target: CompiledApp, former: dict[str, _Former], phases: _Phases) -> None:
    """Create new tables, targets before those that point to them; a circle is closed by late foreign keys."""
    new = {entity.physical.name: entity for key, entity in target.entities.items() if key not in former}
    waiting = dict(new)
    while waiting:
        ready = [e for e in waiting.values() if not _missing(e, waiting)] or [next(iter(waiting.values()))]
        for entity in ready:
            late = tuple(_missing(entity, waiting))
            phases.tables.append(CreateEntity(entity=entity.key, table=entity.physical, late=late))
            if late:
                phases.attach.append(
                    ChangeReferences(entity=entity.key, table=entity.physical, add=late, inline_on_sqlite=True)
                )
            del waiting[entity.physical.name]
    for entity in new.values():
        phases.attach += [
            AddIndex(entity=entity.key, table=entity.physical.name, index=index)
            for index in entity.physical.indexes.values()
        ]


def _missing(entity: CompiledEntity, waiting: dict[str, CompiledEntity]) -> list[str]:
    own = entity.physical.name
    return [c.name for c in entity.physical.columns.values() if c.references in waiting and c.references != own]


# -- fields of an entity that was there before ----------------------------------------------------------------------------


def _diff_entity(old: _Former, new: CompiledEntity, target: CompiledApp, kept: Sequence[Kept], phases: _Phases) -> None:
    changes = _FieldChanges(old, new, target, kept)
    table = changes.run()
    phases.columns += changes.columns
    phases.rules += changes.rules
    renamed = changes.renamed
    indexes = {
        index.name: tuple(renamed.get(column, column) for column in index.columns)
        for index in old.table.indexes.values()
    }
    for index in old.table.indexes.values():
        stays = index.name in new.physical.indexes and new.physical.indexes[index.name].columns == indexes[index.name]
        if not stays or changes.replaced.intersection(index.columns):
            phases.detach.append(DropIndex(entity=new.key, table=old.table.name, index=index))
            del indexes[index.name]
    if changes.dropped:
        _forget_constraints(phases, new.key, changes.dropped)
        left = [index for index in old.table.indexes.values() if index.name in indexes]
        bare = _without_references(old.table, changes.dropped).changed(indexes=left)
        phases.detach.append(ChangeReferences(entity=new.key, table=bare, drop=tuple(changes.dropped)))
    if changes.added:
        left = [index for index in new.physical.indexes.values() if index.name in indexes]
        phases.attach.append(
            ChangeReferences(entity=new.key, table=table.changed(indexes=left), add=tuple(changes.added))
        )
    back = {now: before for before, now in renamed.items()}
    for index in new.physical.indexes.values():
        if index.name not in indexes:
            names = [back.get(column, column) for column in index.columns]
            present = all(name in old.table.columns and name not in changes.replaced for name in names)
            columns = tuple((name, old.table.columns[name].type) for name in names) if present else ()
            phases.attach.append(
                AddIndex(entity=new.key, table=table.name, index=index, old_table=old.table.name, old_columns=columns)
            )


def _forget_constraints(phases: _Phases, entity: str, dropped: Iterable[str]) -> None:
    """Take dropped foreign keys out of a rename of the table, which comes after."""
    for place, step in enumerate(phases.tables):
        if isinstance(step, RenameEntity) and step.entity == entity:
            left = tuple(column for column in step.references if column not in set(dropped))
            phases.tables[place] = replace(step, references=left)


class _FieldChanges:
    """Walks the fields of one entity and collects steps; ``run`` returns the table as it will be, kept columns included."""

    def __init__(self, old: _Former, new: CompiledEntity, target: CompiledApp, kept: Sequence[Kept]) -> None:
        self.columns: list[Step] = []
        self.rules: list[Step] = []
        self.renamed: dict[str, str] = {}
        self.replaced: set[str] = set()
        """Old columns that are set aside."""
        self.dropped: list[str] = []
        """Old columns whose foreign key goes."""
        self.added: list[str] = []
        """New columns, taken up from aside, whose foreign key comes."""
        self._old, self._new, self._target, self._kept = old, new, target, kept
        self._table = new.physical.name
        self._shape = {c.name: c for c in old.table.columns.values()}

    def run(self) -> PhysicalTable:
        """Collect all steps."""
        former = {f.key: f for f in self._old.entity.fields}
        matched: set[str] = set()
        pairs: list[tuple[Field | None, Field]] = []
        for definition in self._new.fields.values():
            source: Field | None = former.get(definition.key)
            if source is None and definition.renamed_from in former and definition.renamed_from not in self._new.fields:
                source = former[definition.renamed_from]
            if source is not None:
                matched.add(source.key)
            pairs.append((source, definition))
        for gone in (f for f in former.values() if f.key not in matched):
            self._keep(gone)
        for source, definition in pairs:
            self._change(source, definition)
        return self._new.physical.changed(columns=self._shape.values())

    def _change(self, source: Field | None, definition: Field) -> None:
        column = physical_column(self._target.key, definition)
        before = self._shape.get(source.key) if source is not None and source.stored else None
        if column is not None and before is not None and source is not None:
            if before.storage == column.storage and self._same_target(before, column):
                self._carry(source, definition, before, column)
            elif column.references is None and before.references is None:
                self._convert(source, definition, before, column)
                return
            else:
                self._keep(source)
                self._add(definition, column)
                return
        elif column is not None:
            self._add(definition, column)
        elif source is not None and before is not None:
            self._keep(source)
        if source is not None and changed_options(source, definition) - {"key", "renamed_from"}:
            self._change_rules(source, definition, before)

    def _same_target(self, before: PhysicalColumn, column: PhysicalColumn) -> bool:
        if before.references == column.references:
            return True
        own_reference = self._new.fields[column.name]
        target = self._target.entities.get(getattr(own_reference, "entity", ""))
        former_key = target.definition.renamed_from if target else None
        renamed = f"{self._target.key}__{former_key}"
        # a target that was renamed in this plan is the same target; a column that came back from aside has lost its key
        return before.references in (renamed, None) and column.references is not None

    def _carry(self, source: Field, definition: Field, before: PhysicalColumn, column: PhysicalColumn) -> None:
        del self._shape[before.name]
        self._shape[column.name] = column
        if source.key != definition.key:
            self.renamed[source.key] = definition.key
            self.columns.append(
                RenameField(
                    entity=self._new.key,
                    field=definition.key,
                    table=self._table,
                    old_field=source.key,
                    column_type=column.type,
                    has_reference=before.references is not None,
                )
            )
        if column.references and before.references is None:
            self.added.append(column.name)

    def _keep(self, gone: Field, *, replaced: bool = False) -> str:
        column = self._shape.pop(gone.key, None)
        if column is None:
            return ""
        aside = kept_name(column.name, self._target.version)
        self._shape[aside] = PhysicalColumn(aside, column.type)
        self.replaced.add(column.name)
        if column.references:
            self.dropped.append(column.name)
        self.columns.append(
            KeepField(
                entity=self._new.key,
                field=gone.key,
                table=self._table,
                old_table=self._old.table.name,
                column=column,
                kept_column=aside,
                replaced=replaced,
            )
        )
        return aside

    def _add(self, definition: Field, column: PhysicalColumn) -> None:
        found = find_kept_field(self._kept, self._old.table.name, definition.key, column.storage)
        if found is not None:
            self._shape.pop(found.column_name, None)
            self.columns.append(
                RestoreField(
                    entity=self._new.key,
                    field=definition.key,
                    table=self._table,
                    kept_column=found.column_name,
                    kept_id=found.id,
                    column=column,
                )
            )
            if column.references:
                self.added.append(column.name)
        else:
            self.columns.append(
                AddField(
                    entity=self._new.key,
                    field=definition.key,
                    table=self._table,
                    old_table=self._old.table.name,
                    column=column,
                    definition=definition,
                    time_zone=self._target.definition.app.time_zone,
                )
            )
        self._shape[column.name] = column

    def _convert(self, source: Field, definition: Field, before: PhysicalColumn, column: PhysicalColumn) -> None:
        former = find_kept_field(self._kept, self._old.table.name, definition.key, column.storage)
        aside = self._keep(source, replaced=True)
        self.columns.append(
            ConvertField(
                entity=self._new.key,
                field=definition.key,
                table=self._table,
                old_table=self._old.table.name,
                old_column=before,
                kept_column=aside,
                column=column,
                source=source,
                target=definition,
                former_column=former.column_name if former else None,
            )
        )
        self._shape[column.name] = column

    def _change_rules(self, source: Field, definition: Field, before: PhysicalColumn | None) -> None:
        self.rules.append(
            ChangeRules(
                entity=self._new.key,
                field=definition.key,
                old_table=self._old.table.name,
                old_column=before.name if before else None,
                column_type=before.type if before else None,
                source=source,
                target=definition,
            )
        )


def _without_references(table: PhysicalTable, columns: Iterable[str]) -> PhysicalTable:
    bare = set(columns)
    return table.changed(
        columns=[
            PhysicalColumn(c.name, c.type, None if c.name in bare else c.references, c.nullable)
            for c in table.columns.values()
        ]
    )


# -- everything that is only words ----------------------------------------------------------------------------------------


def _changed_documents(base: CompiledApp | None, target: CompiledApp, former: dict[str, _Former]) -> Iterator[Step]:
    if base is not None:
        members = _changed_members(dump_document(base.definition.app), dump_document(target.definition.app))
        if members:
            yield ChangeDocument(entity="", document="app", members=members)
    for key, old in former.items():
        before, after = dump_document(old.entity), dump_document(target.entities[key].definition)
        ignored = ("key", "renamed_from", "unique", "indexes")
        members = tuple(name for name in _changed_members(before, after) if name not in (*ignored, "fields"))
        same_fields = {f["key"] for f in before.get("fields", ())} == {f["key"] for f in after.get("fields", ())}
        if same_fields and [f["key"] for f in before.get("fields", ())] != [f["key"] for f in after.get("fields", ())]:
            members = (*members, "order of fields")
        if members:
            yield ChangeDocument(entity=key, document=f"entities/{key}", members=members)


def _changed_members(before: dict[str, object], after: dict[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
