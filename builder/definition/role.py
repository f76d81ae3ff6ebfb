"""``roles/*.json``: what people of a role may see and do. See docs/decisions/0014."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from builder.fields.base import BothLanguages, Formula, Key, Label, Model, Option, Refers
from builder.kernel.limits import FIELDS_PER_ENTITY, GRANTS_PER_ROLE

Deed = Literal["read", "create", "update", "delete", "export", "import", "bulk"]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=4_000)] | dict[str, Any]
GrantField = Annotated[Key, Refers("field", of="entity")]
GrantFields = Annotated[tuple[GrantField, ...], Option(max_length=FIELDS_PER_ENTITY)]


class Mask(Model):
    """A text of which only the ends are shown: ``138****1234``. Whatever looks at the field sees it so: filters and searches too."""

    field: Annotated[Key, Refers("field", of="../entity")]
    start: Annotated[int, Option(ge=0, le=20)] = 3
    """Characters shown at the beginning."""
    end: Annotated[int, Option(ge=0, le=20)] = 4
    """Characters shown at the end."""


class Default(Model):
    """What a field of a new record is if the record does not say."""

    field: Annotated[Key, Refers("field", of="../entity")]
    value: Annotated[str, StringConstraints(min_length=1, max_length=500), Formula(of="../entity")]
    """A formula over the actor: ``CURRENTUSER()``, ``"new"``."""


class Grant(Model):
    """What a role may do with certain records of an entity. Several grants of one entity add up, record by record and field by field."""

    entity: Annotated[Key, Refers("entity")]
    rows: Annotated[Condition | None, Formula(of="entity", gives="boolean", in_database=True)] = None
    """Which records: a formula over the record and the actor, such as ``owner = CURRENTUSER() OR INDEPT(department)``; all if left out."""
    words: Label | None = None
    """The rows in words, for explanations: "their own customers"."""
    may: Annotated[tuple[Deed, ...], Option(min_length=1)] = ("read",)
    """What may be done with these records. Without ``read`` the grant shows nothing: it adds to one that does."""
    fields: GrantFields | None = None
    """Fields shown; all if left out, but computed ones that tell of what the role may not read must be named."""
    hidden: GrantFields = ()
    """Fields not shown, where ``fields`` is left out."""
    also: GrantFields = ()
    """Computed fields shown although they tell of what the role may not read, where ``fields`` is left out."""
    masks: tuple[Mask, ...] = ()
    """Texts shown in part."""
    writable: GrantFields | None = None
    """Fields that may be given and changed; those shown whole if left out."""
    fixed: GrantFields = ()
    """Fields that may not be changed, where ``writable`` is left out."""
    after: Annotated[Condition | None, Formula(of="entity", gives="boolean", in_database=True)] = None
    """What a record has to be after it was created or changed; its rows if left out. To hand records over, say ``TRUE``."""
    defaults: tuple[Default, ...] = ()
    """Values of new records."""
    tells: GrantFields = ()
    """What is told of a record that the role may not read, to somebody who enters the same unique values: ``owner``."""
    transitions: Annotated[tuple[Key, ...], Option(max_length=200)] | Literal["all"] = "all"
    """Transitions of the entity's pipeline that may be taken, by key; it takes ``update`` as well."""
    approvals: Annotated[tuple[Key, ...], Option(max_length=200)] | Literal["all"] = ()
    """Approvals of these records that may be given, by key: who is asked and has no such grant cannot answer. Asking takes ``update``."""


class Role(Model):
    """A role: who has it (given by admins) may do what its grants say."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    """What the role is for, for whoever gives it."""
    portal: bool = False
    """For external people (dealers, customers) too. They have no other roles, whatever they are given, and see no app without such a one."""
    grants: Annotated[tuple[Grant, ...], Option(max_length=GRANTS_PER_ROLE)] = ()
