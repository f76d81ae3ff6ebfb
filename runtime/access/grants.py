"""The grants of a set of roles, made ready: rows as trees, fields as sets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.definition.kinds import ROLES
from builder.definition.role import Grant, Mask, Role
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import ManyField
from builder.fields.reference import ReferenceField
from formulas.checker import check, check_condition
from formulas.evaluate import Program, program
from formulas.filters import parse_filter
from formulas.tree import Call, Literal, Tree, children, with_children
from formulas.types import BOOLEAN
from runtime.identity.actors import Actor
from runtime.query.literals import settle

JSON = Any


@dataclass(frozen=True)
class ReadyGrant:
    """One grant of a role."""

    role: Role
    grant: Grant
    number: int
    """Its place among the grants of its role."""
    rows: Tree | None
    """None: all."""
    after: Tree | None
    plain: frozenset[str]
    """Fields shown whole; empty if the grant does not let read."""
    masks: Mapping[str, Mask]
    writable: frozenset[str]
    defaults: Mapping[str, Program]
    """Values of new records, over the actor."""

    def may(self, deed: str) -> bool:
        """Whether it lets do something with its records."""
        return deed in self.grant.may

    @property
    def shown(self) -> frozenset[str]:
        """Fields shown whole or in part."""
        return self.plain | self.masks.keys()


def roles_of(app: CompiledApp, actor: Actor) -> frozenset[str]:
    """Return the roles that count for an actor. Whatever external people were given, only portal roles do."""
    roles = actor.roles_in(app.key)
    return roles & app.whole.portal_roles if actor.kind == "external" else roles


def ready_grants(app: CompiledApp, roles: Iterable[str]) -> dict[str, tuple[ReadyGrant, ...]]:
    """Return the grants of some roles by entity. Cost: about a millisecond a formula; kept per set of roles."""
    held = frozenset(roles)
    found: dict[str, list[ReadyGrant]] = {}
    for role in app.definition.of(ROLES):
        if role.key in held:
            for number, grant in enumerate(role.grants):
                found.setdefault(grant.entity, []).append(_ready(app, role, number, grant, held))
    return {entity: tuple(listed) for entity, listed in found.items()}


def _ready(app: CompiledApp, role: Role, number: int, grant: Grant, held: frozenset[str]) -> ReadyGrant:
    entity = app.entities[grant.entity]
    rows = read_rows(app, entity, grant.rows, held)
    reads = "read" in grant.may
    shown = shown_fields(app, role, grant) if reads else frozenset[str]()
    masks = {mask.field: mask for mask in grant.masks} if reads else {}
    plain = shown - masks.keys()
    return ReadyGrant(
        role,
        grant,
        number,
        rows,
        rows if grant.after is None else read_rows(app, entity, grant.after, held),
        plain,
        masks,
        writable_fields(app, entity, grant),
        {each.field: program(check(each.value, app, entity.key).tree) for each in grant.defaults},
    )


def read_rows(
    app: CompiledApp, entity: CompiledEntity, given: str | dict[str, JSON] | None, roles: frozenset[str]
) -> Tree | None:
    """Return the tree of a row rule, ready for a statement; None if all records are meant."""
    if given is None or given == {}:
        return None
    tree = check_condition(given, app, entity.key) if isinstance(given, str) else parse_filter(given, app, entity.key)
    tree = with_variables(_with_roles(settle(tree, app, entity.key, given, ""), roles))
    return None if isinstance(tree, Literal) and tree.value is True else tree


def _with_roles(tree: Tree, roles: frozenset[str]) -> Tree:
    """Put what is known of a role set in place of ``HASROLE("…")``."""
    if isinstance(tree, Call) and tree.function == "HASROLE" and isinstance(tree.args[0], Literal):
        return Literal(tree.args[0].value in roles, BOOLEAN)
    parts = children(tree)
    return with_children(tree, tuple(_with_roles(part, roles) for part in parts)) if parts else tree


def shown_fields(app: CompiledApp, role: Role, grant: Grant) -> frozenset[str]:
    """Return the fields that a grant shows, system fields not counted."""
    if grant.fields is not None:
        return frozenset(grant.fields)
    entity = app.entities[grant.entity]
    shown = {field.key for field in entity.fields.values() if not isinstance(field, ComputedField)} - set(grant.hidden)
    masked = {mask.field for mask in grant.masks}
    for computed in app.computed.values():  # each after those it reads
        if computed.entity != entity.key or computed.key in grant.hidden:
            continue
        tells = any(
            d.field not in entity.system and d.field not in shown - masked
            if not d.path
            else not _reads_wholly(app, role, d.entity, d.field)
            for d in computed.dependencies
        )
        if not tells or computed.key in grant.also:
            shown.add(computed.key)
    return frozenset(shown)


def _reads_wholly(app: CompiledApp, role: Role, entity: str, field: str) -> bool:
    """Whether a role reads a field of every record, whole; a computed one counts as read if the grant is not narrow about it."""
    link = app.entities[entity].link
    if link is not None:  # a link is read with its field, where its target is
        target = leads_to(app.entities[link.entity].fields[link.field])
        return _reads_wholly(app, role, link.entity, link.field) and _reads_wholly(app, role, str(target), "id")
    return any(
        other.entity == entity
        and "read" in other.may
        and other.rows is None
        and all(mask.field != field for mask in other.masks)
        and (field in app.entities[entity].system or field in _named(app, other))
        for other in role.grants
    )


def _named(app: CompiledApp, grant: Grant) -> set[str]:
    if grant.fields is not None:
        return set(grant.fields)
    entity = app.entities[grant.entity]
    plain = {field.key for field in entity.fields.values() if not isinstance(field, ComputedField)}
    return plain - set(grant.hidden) | set(grant.also)


def writable_fields(app: CompiledApp, entity: CompiledEntity, grant: Grant) -> frozenset[str]:
    """Return the fields that a grant lets give and change, where it lets write at all."""
    if not {"create", "update", "import"} & set(grant.may):
        return frozenset()
    able = {field.key for field in entity.fields.values() if not field.assigned and field.shows is None}
    if grant.writable is not None:
        return frozenset(able & set(grant.writable))
    if "read" in grant.may:
        able &= set(grant.fields) if grant.fields is not None else able - set(grant.hidden)
    return frozenset(able - set(grant.fixed) - {mask.field for mask in grant.masks})


def readable_entities(grants: Mapping[str, Sequence[ReadyGrant]]) -> frozenset[str]:
    """Return the entities of which some records can be read."""
    return frozenset(entity for entity, listed in grants.items() if any(each.may("read") for each in listed))


def leads_to(field: Any) -> str | None:
    """Return the entity that a relation leads to."""
    return field.entity if isinstance(field, ReferenceField | ManyField) else None
