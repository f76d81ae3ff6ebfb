"""Public forms can do what they are for: their fields can be given by anybody, and nothing that is required is missing."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.checks.roles import may_give
from builder.definition.entity import Entity
from builder.definition.form import Form
from builder.definition.kinds import FORMS, ROLES, Definition, DocumentId
from builder.fields.base import Field, label_text
from builder.fields.parts.computed import ComputedField
from builder.kernel.text import say

_NEED_AN_ACCOUNT = ("children", "user", "multi_user", "department")
"""Types whose values only somebody with an account can give."""


def check_forms(definition: Definition) -> Iterator[Finding]:
    """Look at every form."""
    for form in definition.of(FORMS):
        entity = definition.find_entity(form.entity)
        if entity is not None:  # else reported where it stands
            here = DocumentId(FORMS.name, form.key)
            yield from _fields(here, form, entity)
            yield from _required(here, form, entity)
            yield from _role(here, form, definition)


def _fields(here: DocumentId, form: Form, entity: Entity) -> Iterator[Finding]:
    fields = {field.key: field for field in entity.fields}
    for place, asked in enumerate(form.fields):
        field = fields.get(asked.field)
        if field is None:
            continue
        if not _can_be_given(field):
            name = label_text(field.label)
            message = say(
                f"字段“{name.zh}”({field.type})不能由公开表单填写",
                f"{name.en} ({field.type}) cannot be given on a public form",
            )
            yield error("form.field", here, f"/fields/{place}/field", message)


def _can_be_given(field: Field) -> bool:
    computed = isinstance(field, ComputedField) or field.assigned or field.shows is not None
    return not computed and field.type not in _NEED_AN_ACCOUNT


def _required(here: DocumentId, form: Form, entity: Entity) -> Iterator[Finding]:
    there = {asked.field for asked in form.fields} | {added.field for added in form.values}
    for field in entity.fields:
        if not field.required or field.assigned or field.key in there:
            continue
        if field.default is None and field.default_formula is None:
            name = label_text(field.label)
            message = say(
                f"必填字段“{name.zh}”既不在 fields 中,也不在 values 中",
                f"The required {name.en} is neither asked for nor added",
            )
            yield error("form.required", here, "/fields", message)


def _role(here: DocumentId, form: Form, definition: Definition) -> Iterator[Finding]:
    if not definition.of(ROLES):
        return
    if form.role is None:
        message = say("此应用有角色,表单须说明以哪个角色行事", "The app has roles: say which one the form acts under")
        yield error("form.role", here, "/role", message)
        return
    role = definition.find(ROLES, form.role)
    if role is None:
        return
    creating = [grant for grant in role.grants if grant.entity == form.entity and "create" in grant.may]
    given = {f"/fields/{place}": each.field for place, each in enumerate(form.fields)}
    given |= {f"/values/{place}": added.field for place, added in enumerate(form.values)}
    for pointer, key in given.items():
        if creating and not any(may_give(grant, key) for grant in creating):
            message = say(f"表单的角色不能填写字段“{key}”", f'The role of the form cannot give the field "{key}"')
            yield error("form.role", here, f"{pointer}/field", message)
    if not creating:
        name = label_text(role.label)
        message = say(
            f"角色“{name.zh}”不能新建此实体的记录", f"The role {name.en} does not let create records of this entity"
        )
        yield error("form.role", here, "/role", message)
