"""Public forms can do what they are for: their fields can be given by anybody, and nothing that is required is missing."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error, warning
from builder.checks.missing import OPEN, is_given, missing_fields, role_defaults
from builder.checks.roles import may_give
from builder.compiled.computing import draft_schema
from builder.definition.entity import Entity
from builder.definition.form import Form
from builder.definition.kinds import FORMS, ROLES, Definition, DocumentId
from builder.fields.base import Field, label_text
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
            yield from _required(definition, here, form, entity)
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
    return not is_given(field) and field.type not in _NEED_AN_ACCOUNT


def _required(definition: Definition, here: DocumentId, form: Form, entity: Entity) -> Iterator[Finding]:
    given = {each.field: OPEN for each in form.fields} | {each.field: OPEN for each in form.values}
    role = definition.find(ROLES, form.role or "")
    filled = role_defaults((role,) if role is not None else (), entity)
    for field, always in missing_fields(definition, draft_schema(definition), entity, given, filled, alone=True):
        name = label_text(field.label)
        if always:
            message = say(
                f"必填字段“{name.zh}”既不在 fields 中,也不在 values 中",
                f"The required {name.en} is neither asked for nor added",
            )
            yield error("form.required", here, "/fields", message)
        else:
            message = say(
                f"在某些条件下必填的字段“{name.zh}”既不在 fields 中,也不在 values 中,那时表单交不上来",
                f"{name.en}, required under a condition, is neither asked for nor added: the form is refused then",
            )
            yield warning("form.required", here, "/fields", message)


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
