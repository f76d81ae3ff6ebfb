"""Two definitions -> the ordered steps that lead from one to the other. Pure: knows neither rows nor connections.

Order: indexes and foreign keys that must go; tables set aside, renamed, taken up, made; columns; indexes and foreign keys that must come; rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity, LinkOf
from builder.compiled.physical import PhysicalColumn, PhysicalIndex, PhysicalTable, table_name
from builder.definition.kinds import APP, ENTITIES, KINDS, PIPELINES, Kind, dump_document, key_of
from builder.definition.renames import follow_renames, match_keys
from builder.fields.base import Model, label_text
from builder.fields.parts.many import SOURCE, TARGET, link_key
from builder.fields.reference import ReferenceField
from builder.kernel.text import Text, say
from builder.publish.differences import shown
from builder.publish.field_diff import Blank, FieldChanges, Former, Frame
from builder.publish.impact import IndexValue
from builder.publish.kept import Kept, KeptEntity, find_kept_entity, kept_columns, kept_name
from builder.publish.lineage import EntityLine, Lineage, new_id
from builder.publish.order import order_moves
from builder.publish.step import Step
from builder.publish.steps.compute import compute_steps
from builder.publish.steps.entities import CreateEntity, KeepEntity, RenameEntity, RestoreEntity
from builder.publish.steps.indexes import AddIndex, DropIndex, Existing
from builder.publish.steps.judging import judging_steps
from builder.publish.steps.references import ChangeReferences
from builder.publish.steps.reminders import reminder_steps
from builder.publish.steps.rules import ChangeDocument
from builder.publish.steps.stages import stage_steps
from builder.store.names import cut_name


@dataclass(frozen=True)
class Change:
    """From what to what."""

    base: CompiledApp | None
    """The published app; None: nothing yet."""
    target: CompiledApp
    """``target.version`` is the version to be."""
    lineage: Lineage = field(default_factory=dict)
    """The ids of the base."""
    goal: Lineage | None = None
    """The ids of the target, when it is a former version: tables and columns are then found by id and not by key."""
    now: datetime | None = None
    """The moment at which records are looked at; None: rules are not counted."""


class Diff(NamedTuple):
    """The steps, and the ids of the target."""

    steps: list[Step]
    lineage: Lineage


def diff(change: Change, kept: Sequence[Kept]) -> Diff:
    """Return the steps of a change."""
    return _Diff(change, kept).run()


class _Diff:
    def __init__(self, change: Change, kept: Sequence[Kept]) -> None:
        self._change = change
        self._target = change.target
        self._kept = kept
        self._known: Mapping[str, CompiledEntity] = change.base.entities if change.base else {}
        self._pairs = self._pair()
        self._back = self._find_back()
        taken = set(self._pairs.values())
        self._gone = [entity for entity in self._known.values() if entity.key not in taken]
        self._frame = Frame(
            self._target.key,
            self._target.version,
            self._target.definition.app.time_zone,
            kept,
            self._moved_tables(),
            frozenset(_staged(self._target)),
        )
        self._detach: list[Step] = []
        self._tables: list[Step] = []
        self._columns: list[Step] = []
        self._attach: list[Step] = []
        self._rules: list[Step] = []
        self._lines: dict[str, EntityLine] = {}
        self._dropped: dict[str, list[str]] = {}
        self._columns_before: dict[str, tuple[str, dict[str, str]]] = {}

    def run(self) -> Diff:
        """Collect all steps."""
        former: dict[str, Former] = {}
        for entity in self._target.entities.values():
            found = self._former(entity)
            if found is not None:
                former[entity.key] = found
                self._compare(found, entity)
        self._keep_entities()
        self._rename_entities()
        for key, kept in self._back.items():
            new_table = self._target.entities[key].physical.name
            self._tables.append(
                RestoreEntity(entity=key, kept_table=kept.table_name, new_table=new_table, kept_id=kept.id)
            )
        self._create_entities(former)
        self._rules += _changed_documents(self._change.base, self._target, former)
        for kind in KINDS:
            if not kind.single and kind is not ENTITIES:
                self._rules += _changed_of_kind(kind, self._change.base, self._target)
        steps = [*self._detach, *self._tables, *self._columns, *self._attach, *self._rules]
        steps += stage_steps(self._change.base, self._target, self._columns_before)
        names = {key: old.table.name for key, old in former.items()}
        steps += compute_steps(self._change.base, self._target, steps, names)
        steps += reminder_steps(self._change.base, self._target, steps, names, self._pairs)
        steps += judging_steps(self._change.base, self._target, self._pairs, self._change.now)
        return Diff(steps, {key: self._lines[key] for key in self._target.entities})

    # -- pairing ----------------------------------------------------------------------------------------------------------

    def _pair(self) -> dict[str, str]:
        """Return key after -> key before."""
        goal = self._change.goal
        if goal is None:
            return self._pair_by_keys()
        after = self._target.definition.tables
        by_id = {line.id: key for key, line in self._change.lineage.items()}
        aside = {kept.origin for kept in self._kept if not kept.column_name}
        taken = {by_id[goal[entity.key].id]: entity.key for entity in after if goal[entity.key].id in by_id}
        # an entity that was purged meanwhile is matched by its key, one that stands aside is not
        loose = [entity.key for entity in after if goal[entity.key].id not in aside]
        return match_keys(self._known, loose, taken)

    def _pair_by_keys(self) -> dict[str, str]:
        before = [entity.definition for entity in self._known.values() if entity.link is None]
        pairs = follow_renames(before, self._target.definition.entities)
        for key, entity in self._target.entities.items():
            if entity.link is not None and entity.link.entity in pairs:
                was = self._former_link(pairs, entity.link)
                if was is not None and self._leads_alike(pairs, was, entity):
                    pairs[key] = was.key
        return pairs

    def _former_link(self, pairs: Mapping[str, str], link: LinkOf) -> CompiledEntity | None:
        """Return the entity of a field's links as it was: links follow their field and its entity."""
        owner, now = self._known[pairs[link.entity]], self._target.entities[link.entity]
        fields = follow_renames(owner.definition.fields, now.definition.fields)
        return self._known.get(link_key(owner.key, fields[link.field])) if link.field in fields else None

    def _leads_alike(self, pairs: Mapping[str, str], was: CompiledEntity, now: CompiledEntity) -> bool:
        """Whether links lead to the same entity still; links to another one begin anew, the former stand aside."""
        former, target = was.fields[TARGET], now.fields[TARGET]
        assert isinstance(former, ReferenceField)
        assert isinstance(target, ReferenceField)
        return pairs.get(target.entity) == former.entity

    def _find_back(self) -> dict[str, Kept]:
        """Return what comes back from aside."""
        goal = self._change.goal
        found: dict[str, Kept] = {}
        for key in self._target.entities:
            if key in self._pairs:
                continue
            if goal is None:
                kept = find_kept_entity(self._kept, key)
            else:
                kept = next((k for k in self._kept if not k.column_name and k.origin == goal[key].id), None)
            if kept is not None and self._fits_back(self._target.entities[key], kept):
                found[key] = kept
        return found

    def _fits_back(self, entity: CompiledEntity, kept: Kept) -> bool:
        """Whether what stands aside can be taken up: links only if they lead to where they lead now."""
        if entity.link is None:
            return True
        led = KeptEntity.read(kept.storage).references
        return all(
            self._called_before(str(entity.physical.columns[end].references)) == led.get(end)
            for end in (SOURCE, TARGET)
        )

    def _called_before(self, table: str) -> str:
        """Return how a table was called before this change."""
        for now, was in self._pairs.items():
            if self._target.entities[now].physical.name == table:
                return self._known[was].physical.name
        return table

    def _moved_tables(self) -> dict[str, str]:
        moved = {
            self._known[was].physical.name: self._target.entities[now].physical.name for now, was in self._pairs.items()
        }
        moved |= {entity.physical.name: kept_name(entity.physical.name, self._target.version) for entity in self._gone}
        return moved | {kept.table_name: self._target.entities[key].physical.name for key, kept in self._back.items()}

    def _former(self, entity: CompiledEntity) -> Former | None:
        if entity.key in self._pairs:
            was = self._known[self._pairs[entity.key]]
            return Former(was.definition, self._standing(was), self._change.lineage[was.key])
        if entity.key in self._back:
            kept = self._back[entity.key]
            found = KeptEntity.read(kept.storage)
            table = found.table(self._target.key, kept.table_name)
            columns = [*table.columns.values(), *kept_columns(self._kept, kept.table_name)]
            return Former(found.entity, table.changed(columns=columns), found.line, bare=True)
        return None

    def _standing(self, entity: CompiledEntity) -> PhysicalTable:
        """Return the table of an entity as it stands, kept columns included."""
        physical = entity.physical
        return physical.changed(columns=[*physical.columns.values(), *kept_columns(self._kept, physical.name)])

    # -- whole entities ---------------------------------------------------------------------------------------------------

    def _keep_entities(self) -> None:
        now: dict[str, str] = {}
        for gone in self._gone:
            table = self._standing(gone)
            references = {c.name: c.references for c in table.columns.values() if c.references}
            self._detach += [
                DropIndex(entity=gone.key, table=table.name, index=index) for index in table.indexes.values()
            ]
            if references:
                bare = _without_references(table, references).changed(indexes=())
                self._detach.append(ChangeReferences(entity=gone.key, table=bare, drop=tuple(references)))
            led = {column: now.get(target, target) for column, target in references.items()}
            now[table.name] = self._frame.moved[table.name]
            self._tables.append(
                KeepEntity(
                    entity=gone.key,
                    old_table=table.name,
                    kept_table=now[table.name],
                    was=KeptEntity(gone.definition, led, self._change.lineage[gone.key]),
                )
            )

    def _rename_entities(self) -> None:
        app = self._target.key
        moving = {was: self._known[was] for was in self._pairs.values()}
        for old, new in order_moves({was: now for now, was in self._pairs.items()}):
            entity = moving[new] = moving.pop(old)
            held = [c.name for c in entity.physical.columns.values() if c.references]
            self._tables.append(
                RenameEntity(
                    entity=new,
                    old_entity=old,
                    old_table=cut_name(table_name(app, old)),
                    new_table=cut_name(table_name(app, new)),
                    references=tuple(name for name in held if name not in self._dropped.get(entity.key, ())),
                )
            )

    def _create_entities(self, former: Mapping[str, Former]) -> None:
        """Create new tables, targets before those that point to them; a circle is closed by late foreign keys."""
        new = {entity.physical.name: entity for key, entity in self._target.entities.items() if key not in former}
        waiting = dict(new)
        while waiting:
            ready = [e for e in waiting.values() if not _missing(e, waiting)] or [next(iter(waiting.values()))]
            for entity in ready:
                late = tuple(_missing(entity, waiting))
                self._tables.append(CreateEntity(entity=entity.key, table=entity.physical, late=late))
                if late:
                    self._attach.append(
                        ChangeReferences(entity=entity.key, table=entity.physical, add=late, inline_on_sqlite=True)
                    )
                del waiting[entity.physical.name]
        for entity in new.values():
            self._lines[entity.key] = self._new_line(entity)
            self._attach += [
                AddIndex(entity=entity.key, table=entity.physical.name, index=index)
                for index in entity.physical.indexes.values()
            ]

    def _new_line(self, entity: CompiledEntity) -> EntityLine:
        if self._change.goal is not None:
            return self._change.goal[entity.key]
        version = self._target.version
        return EntityLine(new_id(entity.key, version), {key: new_id(key, version) for key in entity.fields})

    # -- an entity that was there before ----------------------------------------------------------------------------------

    def _compare(self, old: Former, new: CompiledEntity) -> None:
        goal = self._change.goal
        changes = FieldChanges(old, new, self._frame, goal[new.key].fields if goal is not None else None)
        self._lines[new.key] = changes.line
        self._columns_before[new.key] = (old.table.name, {now: was for was, now in changes.renamed.items()})
        self._columns += changes.columns
        self._rules += changes.rules
        staying = self._drop_indexes(old, new, changes)
        table = changes.table
        if changes.dropped:
            self._dropped[old.entity.key] = changes.dropped
            left = [index for index in old.table.indexes.values() if index.name in staying]
            bare = _without_references(old.table, changes.dropped).changed(indexes=left)
            self._detach.append(ChangeReferences(entity=new.key, table=bare, drop=tuple(changes.dropped)))
        if changes.added:
            left = [index for index in new.physical.indexes.values() if index.name in staying]
            shape = table.changed(indexes=left)
            self._attach.append(ChangeReferences(entity=new.key, table=shape, add=tuple(changes.added)))
        self._attach += [
            AddIndex(entity=new.key, table=table.name, index=index, existing=_existing(old, changes, index))
            for index in new.physical.indexes.values()
            if index.name not in staying
        ]

    def _drop_indexes(self, old: Former, new: CompiledEntity, changes: FieldChanges) -> set[str]:
        """Drop what does not serve the new table as it is; return the names of indexes that stay."""
        staying: set[str] = set()
        for index in old.table.indexes.values():
            columns = tuple(column if column in new.system else changes.renamed.get(column) for column in index.columns)
            wanted = new.physical.indexes.get(index.name)
            if wanted is not None and wanted.columns == columns and wanted.where == index.where:
                staying.add(index.name)
            else:
                self._detach.append(DropIndex(entity=new.key, table=old.table.name, index=index))
        return staying


def _existing(old: Former, changes: FieldChanges, index: PhysicalIndex) -> Existing | None:
    """Return which records a unique index will meet; None if it cannot meet two that are equal."""
    if not index.unique:
        return None
    sources = [changes.sources[column] for column in index.columns]
    if any(isinstance(source, Blank) for source in sources):
        return None
    values = tuple(source for source in sources if isinstance(source, IndexValue))
    return Existing(old.table.name, values, index.where)


def _missing(entity: CompiledEntity, waiting: Mapping[str, CompiledEntity]) -> list[str]:
    own = entity.physical.name
    return [c.name for c in entity.physical.columns.values() if c.references in waiting and c.references != own]


def _without_references(table: PhysicalTable, columns: Iterable[str]) -> PhysicalTable:
    bare = set(columns)
    return table.changed(
        columns=[
            PhysicalColumn(c.name, c.type, None if c.name in bare else c.references, c.nullable)
            for c in table.columns.values()
        ]
    )


# -- everything that is only words ----------------------------------------------------------------------------------------


def _changed_documents(
    base: CompiledApp | None, target: CompiledApp, former: Mapping[str, Former]
) -> Iterator[ChangeDocument]:
    if base is not None:
        members = _changed_members(dump_document(base.definition.app), dump_document(target.definition.app))
        if members:
            note = shown(dump_document(base.definition.app), dump_document(target.definition.app))
            title = _title(APP.title, target.definition.app)
            yield ChangeDocument(entity="", document="app", title=title, members=members, note=note)
    for key, old in former.items():
        if target.entities[key].link is not None:
            continue  # what is said of links stands in the document of their field
        before, after = dump_document(old.entity), dump_document(target.entities[key].definition)
        ignored = ("key", "renamed_from", "unique", "unique_if", "indexes", "fields")
        members = tuple(name for name in _changed_members(before, after) if name not in ignored)
        keys_before, keys_after = ([f["key"] for f in document.get("fields", ())] for document in (before, after))
        if keys_before != keys_after and sorted(keys_before) == sorted(keys_after):
            members = (*members, "order of fields")
        if members:
            note = shown(*({name: one.get(name) for name in members} for one in (before, after)))
            title = _title(ENTITIES.title, target.entities[key].definition)
            yield ChangeDocument(entity=key, document=f"entities/{key}", title=title, members=members, note=note)


def _changed_of_kind(kind: Kind[Any], base: CompiledApp | None, target: CompiledApp) -> Iterator[ChangeDocument]:
    before = {key_of(document): document for document in base.definition.of(kind)} if base else {}
    after = {key_of(document): document for document in target.definition.of(kind)}
    for key in sorted(before.keys() | after.keys()):
        place, title = f"{kind.name}/{key}", _title(kind.title, after.get(key) or before[key])
        if key not in before:
            yield ChangeDocument(entity="", document=place, title=title, deed="add")
        elif key not in after:
            yield ChangeDocument(entity="", document=place, title=title, deed="remove")
        else:
            old, new = dump_document(before[key]), dump_document(after[key])
            members = _changed_members(old, new)
            if members:
                yield ChangeDocument(entity="", document=place, title=title, members=members, note=shown(old, new))


def _staged(target: CompiledApp) -> Iterator[tuple[str, str]]:
    """Fields that hold stages or nodes of pipelines."""
    for pipeline in target.definition.of(PIPELINES):
        yield pipeline.entity, pipeline.field
        if pipeline.node_field is not None:
            yield pipeline.entity, pipeline.node_field


def _title(kind: Text, document: Model) -> Text:
    """What people call a document: its kind and its label."""
    label = label_text(getattr(document, "label", None))
    return say(f"{kind.zh}“{label.zh}”", f'{kind.en.lower()} "{label.en}"')


def _changed_members(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
