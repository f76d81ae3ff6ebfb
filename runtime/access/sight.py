"""What a set of roles sees of an app: the narrowed app, and the conditions of rows and fields (the port of ``builder/compiled/sight.py``).

An app is narrowed once per (published pin, set of roles). What is left of it is looked up, suggested and refused like a whole app, so
that a hidden name is answered as one that never was; what is hidden in some records only is a condition of the statement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.resolver import Joins
from builder.definition.kinds import ENTITIES, FORMS, LOCKS, ROLES, VIEWS, Definition
from builder.definition.role import Mask
from builder.fields.base import Field
from builder.fields.children import ChildrenField
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from formulas.schema import Context
from formulas.sql import Dialect, Resolver, to_condition
from formulas.tree import Tree, join
from runtime.access.grants import ReadyGrant, leads_to, readable_entities, ready_grants

Element = sa.ColumnElement[Any]
_HIDDEN_CHARACTERS = "****"
_DEEDS: Mapping[str, str] = {
    "create": "create",
    "write": "update",
    "link": "read",
    "delete": "delete",
    "export": "export",
    "import": "import",
    "bulk": "bulk",
}
_VERBS: Mapping[str, tuple[str, str]] = {
    "read": ("查看", "read"),
    "create": ("新建", "create"),
    "update": ("修改", "change"),
    "delete": ("删除", "delete"),
    "export": ("导出", "export"),
    "import": ("导入", "import"),
    "bulk": ("批量处理", "work in bulk on"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FieldSight(NamedTuple):
    """How a field is shown. A condition of None means: every record that is seen."""

    whole: tuple[Tree | None, ...]
    """Where it is shown as it is; nowhere if empty."""
    masked: tuple[Tree | None, ...]
    """Where else it is shown in part."""
    mask: Mask | None

    @property
    def is_plain(self) -> bool:
        """Whether it is shown as it is of every record that is seen."""
        return None in self.whole


@dataclass(frozen=True)
class RoleSight:
    """What some roles see and may do. Immutable."""

    roles: frozenset[str]
    grants: Mapping[str, tuple[ReadyGrant, ...]]
    fields: Mapping[tuple[str, str], FieldSight]
    """Of fields that are seen, those that are not plain."""
    readable: frozenset[str]
    """Entities of which some records can be read."""
    bodies: Mapping[str, CompiledEntity]
    """Entities with the fields that may stand in a request's body: what can be read or written."""
    seen: Mapping[str, frozenset[str]]
    """Fields of an entity that are seen of some records, system fields with them."""
    context: Context
    """Only its zone counts."""
    links: frozenset[str] = frozenset()
    """Entities of links whose field is seen and whose ends can be."""
    exporting: frozenset[str] = frozenset()
    """Entities of which only grants that let export count."""

    @cached_property
    def key(self) -> str:
        """The roles, and what is to be exported."""
        return sight_key(self.roles, self.exporting)

    def rows(self, entity: str, whole: Resolver, dialect: Dialect) -> Element | None:
        """Return the condition of the records that are seen, None for all."""
        trees = self.rows_for(entity, "read")
        return None if None in trees else any_of(trees, whole, dialect, self.context)

    def rows_for(self, entity: str, deed: str) -> tuple[Tree | None, ...]:
        """Return the rows of the grants that let do something; none: it may not be done to any record."""
        return tuple(dict.fromkeys(grant.rows for grant in self.grants.get(entity, ()) if grant.may(deed)))

    def may(self, entity: str, deed: str) -> bool:
        """Whether something may be done to some records at all. Links are read with their field, which is what grants are about."""
        if entity in self.links:
            return deed == "read"
        return any(grant.may(deed) for grant in self.grants.get(entity, ()))

    def require(self, entity: str, path: str, use: str) -> None:
        """Let one use pass or raise: names were looked up in what is left of the app, so only deeds can be refused to people.

        Raises:
            Problem: ``access.denied``; ``entity.not_found``, ``request.unknown_name`` for what a planner must not have found.
        """
        if not entity:
            return
        deed = _DEEDS.get(use, "read")
        if not self.may(entity, deed):
            if entity not in self.readable:
                raise Problem("entity.not_found")
            raise self.refusal(entity, deed)
        if deed == "read" and path and path not in self.seen[entity]:
            raise Problem("request.unknown_name")

    def refusal(self, entity: str, deed: str) -> Problem:
        """Say that no role lets do something with an entity; one that cannot be read is not named."""
        seen = self.bodies.get(entity)
        label = say("这类记录", "such records") if seen is None else _quoted(seen.label())
        zh, en = _VERBS[deed]
        return Problem(
            "access.denied", say(f"您的角色不能{zh}{label.zh}", f"Your roles do not let you {en} {label.en}")
        )

    def hides_rows(self, entity: str) -> bool:
        """Whether some records of an entity are not seen."""
        return not self.sees_all(entity)

    def sees_all(self, entity: str) -> bool:
        """Whether every record of an entity is seen."""
        return None in self.rows_for(entity, "read")

    def is_plain(self, entity: str, field: str) -> bool:
        """Whether a field is shown as it is of every record that is seen."""
        return (entity, field) not in self.fields

    def value(self, entity: str, field: str, column: Element, whole: Resolver, dialect: Dialect) -> Element:
        """Return what is seen of a column: itself where it is shown whole, its mask where in part, else nothing."""
        found = self.fields[entity, field]
        whens: list[tuple[Element, Element]] = []
        if found.whole:
            whens.append((any_of(found.whole, whole, dialect, self.context), column))
        if found.mask is not None:
            masked = sa.type_coerce(mask_sql(column, found.mask), column.type)
            whens.append((any_of(found.masked, whole, dialect, self.context), masked))
        return sa.case(*whens) if whens else sa.null()


def any_of(trees: Sequence[Tree | None], resolver: Resolver, dialect: Dialect, context: Context) -> Element:
    """Return the condition that one of the trees is true."""
    known = [tree for tree in trees if tree is not None]
    if len(known) < len(trees):
        return sa.true()
    if not known:
        return sa.false()
    return to_condition(known[0] if len(known) == 1 else join("or", known), resolver, dialect, context)


# -- masks ----------------------------------------------------------------------------------------------------------------


def mask_sql(column: Element, mask: Mask) -> Element:
    """Return the expression of a text that is shown in part; one that would be shown whole is not shown at all."""
    text = sa.type_coerce(column, sa.Text())
    length = sa.func.length(text)
    hidden: Element = sa.literal_column(f"'{_HIDDEN_CHARACTERS}'", sa.Text())
    start = sa.func.substr(text, _number(1), _number(mask.start), type_=sa.Text())
    end = sa.func.substr(text, length - _number(mask.end - 1), type_=sa.Text()) if mask.end else None
    shown = start.op("||", return_type=sa.Text())(hidden)
    if end is not None:
        shown = shown.op("||", return_type=sa.Text())(end)
    return sa.case((length > _number(mask.start + mask.end), shown), (text.is_not(None), hidden))


def _number(value: int) -> Element:
    return sa.literal_column(str(value), sa.Integer())


def mask_text(value: str, mask: Mask) -> str:
    """Return a text as ``mask_sql`` shows it."""
    if len(value) <= mask.start + mask.end:
        return _HIDDEN_CHARACTERS
    return value[: mask.start] + _HIDDEN_CHARACTERS + (value[-mask.end :] if mask.end else "")


# -- narrowing ------------------------------------------------------------------------------------------------------------


def sight_key(roles: frozenset[str], exporting: frozenset[str]) -> str:
    """Name what a set of roles sees, or sees of what may be exported."""
    return "+".join(sorted(roles)) + "".join(f">{entity}" for entity in sorted(exporting))


def narrow(app: CompiledApp, roles: frozenset[str], exporting: frozenset[str] = frozenset()) -> CompiledApp:
    """Return what a set of roles sees of an app; of some entities only what grants let export."""
    grants = ready_grants(app, roles)
    for key in exporting & grants.keys():
        grants[key] = tuple(grant for grant in grants[key] if grant.may("export"))
    readable = readable_entities(grants)
    conditional: dict[tuple[str, str], FieldSight] = {}
    kept: dict[str, dict[str, Field]] = {}
    for key in readable:
        listed = [grant for grant in grants[key] if grant.may("read")]
        fields = [field for field in app.entities[key].fields.values() if any(field.key in g.shown for g in listed)]
        fields = [field for field in fields if leads_to(field) is None or leads_to(field) in readable]
        kept[key] = {field.key: field for field in fields}
        for field in fields:
            shown = _field_sight(field.key, listed)
            if not shown.is_plain:
                conditional[key, field.key] = shown
    for fields_of in kept.values():
        for field in list(fields_of.values()):
            if isinstance(field, ChildrenField) and field.via not in kept[field.entity]:
                del fields_of[field.key]
    links = _links(app, kept)
    kept |= {key: dict(app.entities[key].fields) for key in links}
    entities = {key: _narrowed(app.entities[key], kept[key]) for key in app.entities if key in kept}
    bodies = {key: _body_of(app.entities[key], kept.get(key, {}), listed, grants) for key, listed in grants.items()}
    sight = RoleSight(
        roles,
        MappingProxyType(grants),
        MappingProxyType(conditional),
        readable,
        MappingProxyType(bodies),
        {key: frozenset((*entity.fields, *entity.system)) for key, entity in entities.items()},
        Context(now=_EPOCH, zone=app.zone),
        links,
        exporting,
    )
    definition = _narrowed_definition(app.definition, entities)
    return replace(app, definition=definition, entities=MappingProxyType(entities), sight=sight, _whole=app)


def _links(app: CompiledApp, kept: Mapping[str, Mapping[str, Field]]) -> frozenset[str]:
    """Return the entities of links whose field is left; where they lead was looked at with the field."""
    found = [(key, entity.link) for key, entity in app.entities.items()]
    return frozenset(key for key, link in found if link is not None and link.field in kept.get(link.entity, ()))


def _field_sight(key: str, grants: Sequence[ReadyGrant]) -> FieldSight:
    whole = [grant for grant in grants if key in grant.plain]
    masked = [grant for grant in grants if key in grant.masks]
    mask = next((grant.masks[key] for grant in masked), None)
    if len(whole) == len(grants):
        return FieldSight((None,), (), None)
    rest: tuple[Tree | None, ...] = tuple(grant.rows for grant in masked)
    if len(whole) + len(masked) == len(grants):
        rest = (None,)  # whoever sees the record and not the whole sees a part
    return FieldSight(tuple(grant.rows for grant in whole), rest if masked else (), mask)


def _narrowed(entity: CompiledEntity, fields: Mapping[str, Field]) -> CompiledEntity:
    definition = entity.definition
    title = definition.title_field if definition.title_field in fields else None
    search = definition.search and (tuple(key for key in definition.search if key in fields) or None)
    members = {"fields": tuple(fields.values()), "title_field": title, "search": search}
    stored = tuple(field for field in entity.stored if field.key in fields)
    return replace(
        entity,
        definition=definition.model_copy(update=members),
        fields=MappingProxyType(dict(fields)),
        stored=stored,
        many=tuple(field for field in entity.many if field.key in fields),
        title_key=title or next((field.key for field in stored if field.type == "text"), None),
        plain=tuple(field for field in entity.plain if field.key in fields),
        computed=tuple(item for item in entity.computed if item.key in fields),
        uniques=tuple(keys for keys in entity.uniques if set(keys) <= fields.keys()),
    )


def _body_of(
    entity: CompiledEntity, shown: Mapping[str, Field], grants: Sequence[ReadyGrant], entities: Collection[str]
) -> CompiledEntity:
    writable = {key for grant in grants for key in grant.writable}
    fields = {
        key: field
        for key, field in entity.fields.items()
        if key in shown or (key in writable and leads_to(field) in (None, *entities))
    }
    return replace(entity, fields=MappingProxyType(fields))


def _narrowed_definition(definition: Definition, entities: Mapping[str, CompiledEntity]) -> Definition:
    """Return the documents that are left. Views are looked at by whoever can plan a question (``runtime/records/narrowing.py``)."""
    parts = {
        name: listed for name, listed in definition.parts.items() if name not in (ROLES.name, LOCKS.name, FORMS.name)
    }
    parts[ENTITIES.name] = tuple(
        entities[entity.key].definition for entity in definition.entities if entity.key in entities
    )  # links follow from their fields
    parts[VIEWS.name] = tuple(view for view in definition.views if view.entity in entities)
    return replace(definition, parts=parts)


def _quoted(label: Text) -> Text:
    return say(f"“{label.zh}”", label.en)


def sight_of(app: CompiledApp) -> RoleSight | None:
    """Return what an app was narrowed by; None for a whole one."""
    return app.sight if isinstance(app.sight, RoleSight) else None


def row_joins(app: CompiledApp, entity: str, table: sa.FromClause, dialect: Dialect) -> Joins:
    """Return the columns of an entity's table that nothing is hidden of."""
    return Joins(app.whole, app.whole.entities[entity], table, dialect)
