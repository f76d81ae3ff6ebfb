"""``CompiledApp`` and ``CompiledEntity``: everything the runtime asks of metadata, answered without searching."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.compiled.computing import Computed, FieldId, compute, field_info, has_computed, look_through, names_through
from builder.compiled.conditional import ConditionalUnique
from builder.compiled.differences import Differences, differences_of
from builder.compiled.physical import PhysicalTable, physical_table
from builder.compiled.pipelines import CompiledPipeline, compile_pipelines
from builder.compiled.reminders import Reminders, compile_reminders
from builder.compiled.rounds import Round, direct_relations, read_over, rounds_of
from builder.compiled.rules import EntityRules, compile_rules
from builder.compiled.sight import Sight
from builder.compiled.system import system_fields
from builder.definition.entity import Entity
from builder.definition.kinds import PIPELINES, ROLES, Definition
from builder.fields.base import Field, label_text
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import LINK_DOT, ManyField, side_of
from builder.fields.reference import ReferenceField
from builder.kernel.text import Text
from builder.store.tables import PREFIX
from builder.store.types import Identifier
from formulas.schema import FieldInfo


class Referrer(NamedTuple):
    """A reference field somewhere that points to an entity."""

    entity: str
    field: ReferenceField


class LinkOf(NamedTuple):
    """The field whose links an entity's records are."""

    entity: str
    field: str


@dataclass(frozen=True)
class CompiledEntity:
    """One entity, ready to use. ``physical`` and ``table`` describe the same table."""

    key: str
    definition: Entity
    physical: PhysicalTable
    table: sa.Table
    fields: Mapping[str, Field]
    system: Mapping[str, Field]
    """id, revision, created and updated."""
    stored: tuple[Field, ...]
    """Fields with a column, in order."""
    many: tuple[ManyField, ...]
    """Fields that lead to several records."""
    referrers: tuple[Referrer, ...]
    """Who points here: what a deletion must look after."""
    title_key: str | None
    plain: tuple[Field, ...]
    """Stored fields whose values are given, not computed."""
    computed: tuple[Computed, ...]
    """Computed fields, each after those it reads."""
    uniques: tuple[tuple[str, ...], ...]
    """Every set of fields the database keeps unique."""
    uniques_if: tuple[ConditionalUnique, ...] = ()
    """Sets that it keeps unique among some records."""

    def find_field(self, key: str) -> Field | None:
        """Return a field of its own or a system field."""
        return self.fields.get(key) or self.system.get(key)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield (key, label) of every field of its own and system field, for each language."""
        for field in (*self.fields.values(), *self.system.values()):
            yield from ((field.key, words) for words in label_text(field.label))

    @cached_property
    def stored_keys(self) -> tuple[str, ...]:
        """Keys of fields with a column, in order."""
        return tuple(field.key for field in self.stored)

    @cached_property
    def plain_keys(self) -> frozenset[str]:
        """Keys of stored fields whose values are given."""
        return frozenset(field.key for field in self.plain)

    @cached_property
    def links(self) -> tuple[MultiReferenceField, ...]:
        """Fields whose links start here."""
        return tuple(field for field in self.many if isinstance(field, MultiReferenceField))

    @cached_property
    def link(self) -> LinkOf | None:
        """Of which field its records are the links; None for an entity of the app's own."""
        owner, found, field = self.key.partition(LINK_DOT)
        return LinkOf(owner, field) if found else None

    @cached_property
    def local(self) -> tuple[Computed, ...]:
        """Computed fields that Python computes before a record is written, in order."""
        return tuple(computed for computed in self.computed if computed.place == "local")

    @cached_property
    def asks_others(self) -> bool:
        """Whether other records, or the moment of reading, give values of computed fields."""
        return any(computed.place != "local" for computed in self.computed)

    @cached_property
    def required(self) -> tuple[Field, ...]:
        """Fields that must not be blank, whatever the other fields are."""
        return tuple(
            field
            for field in self.fields.values()
            if field.required and field.visible_if is None and not isinstance(field, MultiReferenceField)
        )  # links are counted where they are written

    @cached_property
    def simple(self) -> Mapping[str, Field]:
        """Stored fields that a body gives, each one value."""
        return {
            key: field
            for key, field in self.fields.items()
            if field.stored and not field.assigned and field.shows is None and not isinstance(field, ManyField)
        }

    @cached_property
    def beginning(self) -> dict[str, Any]:
        """Canonical values of a new record of which nothing is given, by stored field in order."""
        return {field.key: None if field.default is None else field.coerce(field.default) for field in self.stored}

    @cached_property
    def system_keys(self) -> frozenset[str]:
        """Keys of system fields and of fields that show them."""
        return frozenset((*self.system, *(alias.key for alias in self.aliases)))

    @cached_property
    def unwritable(self) -> frozenset[str]:
        """Keys of what the body of a new record may not give."""
        return self.system_keys - {"id"}

    @cached_property
    def shapes(self) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
        """Fields whose values are given, with what makes JSON of a value; None where the value is its JSON."""
        return tuple(
            (field.key, None if type(field).to_json is Field.to_json else field.to_json) for field in self.plain
        )

    @cached_property
    def aliases(self) -> tuple[Field, ...]:
        """Fields that show a system field under a key of their own."""
        return tuple(field for field in self.fields.values() if field.shows is not None)

    @cached_property
    def listing(self) -> tuple[Field, ...]:
        """Fields that hold sets of ids of users or files."""
        return tuple(field for field in self.fields.values() if field.lists is not None)

    def label(self) -> Text:
        """The entity's name for people."""
        return label_text(self.definition.label)


@dataclass(frozen=True)
class CompiledApp:
    """A published (or drafted) definition, compiled. It is also the Schema that formulas and filters are checked against."""

    key: str
    version: int
    definition: Definition
    entities: Mapping[str, CompiledEntity]
    metadata: sa.MetaData
    computed: Mapping[FieldId, Computed]
    """Computed fields, each after those it reads."""
    sight: Sight | None = None
    """Set where the app is narrowed to what somebody may see: then entities, fields and views are what is left of them."""
    _whole: CompiledApp | None = None

    @property
    def whole(self) -> CompiledApp:
        """The app that this was narrowed from; itself if it was not."""
        return self._whole or self

    @cached_property
    def own(self) -> Mapping[str, CompiledEntity]:
        """The entities of the app's documents, without those of links."""
        return MappingProxyType({key: entity for key, entity in self.entities.items() if entity.link is None})

    @cached_property
    def has_roles(self) -> bool:
        """Whether people need a role; without any everybody with an account reads and writes."""
        return bool(self.definition.of(ROLES))

    @cached_property
    def portal_roles(self) -> frozenset[str]:
        """The roles that external people may have."""
        return frozenset(role.key for role in self.definition.of(ROLES) if role.portal)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone in which days are counted."""
        return ZoneInfo(self.definition.app.time_zone)

    @cached_property
    def pipelines(self) -> Mapping[str, tuple[CompiledPipeline, ...]]:
        """The pipelines of each entity that has some."""
        return MappingProxyType(compile_pipelines(self.definition.of(PIPELINES)))

    @cached_property
    def reminders(self) -> Reminders:
        """Its reminders."""
        return compile_reminders(self)

    @cached_property
    def has_volatile(self) -> bool:
        """Whether some values change with the moment or the viewer."""
        return any(computed.place == "volatile" for computed in self.computed.values())

    @cached_property
    def looks_up(self) -> bool:
        """Whether defaults of new records read other records, which may be new themselves."""
        return any(default.reads for rules in self.rules.values() for default in rules.defaults)

    @cached_property
    def rounds(self) -> tuple[Round, ...]:
        """The related computed fields, by the statements that bring them up to date, in order."""
        return rounds_of(self.computed)

    @cached_property
    def differences(self) -> tuple[Differences | None, ...]:
        """Of each round how its fields follow from a change of one child; None where they have to be computed from all."""
        return tuple(differences_of(self, each) for each in self.rounds)

    @cached_property
    def noted(self) -> frozenset[FieldId]:
        """Fields whose changes somebody has to know of: related fields, reminders, rules over what was computed."""
        read = {(d.entity, d.field) for each in self.rounds for d in each.dependencies}
        after = (r for rules in self.rules.values() for r in rules.after)
        return frozenset(read | self.reminders.watched | {(d.entity, d.field) for r in after for d in r.dependencies})

    @cached_property
    def noted_of(self) -> Mapping[str, frozenset[str]]:
        """The same by entity, with the references of which it is noted to which lists their records belong."""
        found: dict[str, set[str]] = {}
        for entity, key in self.noted:
            found.setdefault(entity, set()).add(key)
            owner = self.entities.get(entity)
            many = owner.fields.get(key) if owner is not None else None
            if isinstance(many, ManyField):
                found.setdefault(many.rows, set()).add(many.by)
        return MappingProxyType({entity: frozenset(keys) for entity, keys in found.items()})

    @cached_property
    def read_over(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The paths of references over which related fields read, with the entity where each begins."""
        return read_over(self.rounds, self)

    @cached_property
    def counted_by(self) -> Mapping[str, tuple[str, ...]]:
        """The references of each entity whose targets have related fields over the records that point to them."""
        found: dict[str, list[str]] = {}
        for entity, key in sorted(direct_relations(self.rounds)):
            many = self.entities[entity].fields[key]
            if isinstance(many, ManyField) and many.by not in found.setdefault(many.rows, []):
                found[many.rows].append(many.by)
        return MappingProxyType({entity: tuple(keys) for entity, keys in found.items()})

    @cached_property
    def rules(self) -> Mapping[str, EntityRules]:
        """The rules of records, of entities that have some; they hold whatever the caller sees."""
        return compile_rules(self) if self._whole is None else self._whole.rules

    @cached_property
    def _field_infos(self) -> Mapping[tuple[str, str], FieldInfo]:
        infos: dict[tuple[str, str], FieldInfo] = {}
        for entity in self.entities.values():
            for field in (*entity.system.values(), *entity.fields.values()):
                infos[entity.key, field.key] = field_info(field)
        return MappingProxyType(infos)

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """Return a field as formulas see it (``formulas.schema.Schema``)."""
        return self._field_infos.get((entity, key)) or look_through(self, entity, key)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Yield key and label of every field of an entity (``formulas.schema.Schema``)."""
        side = side_of(entity)
        if side is not None:
            yield from names_through(self, side)
        found = self.entities.get(entity)
        if found is None:
            return
        for field in (*found.system.values(), *found.fields.values()):
            yield field.key, label_text(field.label).zh


def compile_app(definition: Definition, version: int) -> CompiledApp:
    """Compile a checked definition. Cost: about 50 us a field, a millisecond a formula; the result is kept per (app, version).

    Raises:
        ComputationInvalid: a computed field is wrong (checks find that before).
    """
    computed, resolved = compute(definition) if has_computed(definition) else ({}, definition)
    metadata = sa.MetaData()
    for name in ("user", "department"):
        sa.Table(PREFIX + name, metadata, sa.Column("id", Identifier, primary_key=True))
    referrers = _referrers(resolved)
    entities = {
        entity.key: _compile_entity(definition.key, entity, metadata, referrers.get(entity.key, ()), computed)
        for entity in resolved.tables
    }
    return CompiledApp(definition.key, version, definition, MappingProxyType(entities), metadata, computed)


def _referrers(definition: Definition) -> dict[str, tuple[Referrer, ...]]:
    found: dict[str, list[Referrer]] = {}
    for entity in definition.tables:
        for field in entity.fields:
            if isinstance(field, ReferenceField):
                found.setdefault(field.entity, []).append(Referrer(entity.key, field))
    return {key: tuple(items) for key, items in found.items()}


def _compile_entity(
    app: str,
    entity: Entity,
    metadata: sa.MetaData,
    referrers: tuple[Referrer, ...],
    computed: Mapping[FieldId, Computed],
) -> CompiledEntity:
    physical = physical_table(app, entity)
    stored = tuple(field for field in entity.fields if field.stored)
    first_text = next((field.key for field in stored if field.type == "text"), None)
    return CompiledEntity(
        key=entity.key,
        definition=entity,
        physical=physical,
        table=physical.to_sqlalchemy(metadata),
        fields=MappingProxyType({field.key: field for field in entity.fields}),
        system=system_fields(entity.key),
        stored=stored,
        plain=tuple(field for field in stored if not isinstance(field, ComputedField)),
        computed=tuple(item for item in computed.values() if item.entity == entity.key),
        many=tuple(field for field in entity.fields if isinstance(field, ManyField)),
        referrers=referrers,
        title_key=entity.title_field or first_text,
        uniques=tuple(index.columns for index in physical.indexes.values() if index.unique and not index.where),
        uniques_if=tuple(ConditionalUnique.of(entity, unique) for unique in entity.unique_if),
    )
