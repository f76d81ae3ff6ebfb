"""Roles and locks make sense: masks are over texts, who creates can give what is required, and deeds have something to act on."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error, warning
from builder.definition.entity import SEARCHABLE, Entity
from builder.definition.kinds import APPROVALS, LOCKS, PIPELINES, ROLES, Definition, DocumentId
from builder.definition.role import Grant, Role
from builder.fields.base import label_text
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say

_DATES = ("date", "datetime", "created_at", "updated_at")


def check_roles(definition: Definition) -> Iterator[Finding]:
    """Grants can mean what they say."""
    for role in definition.of(ROLES):
        for number, grant in enumerate(role.grants):
            entity = definition.find_entity(grant.entity)
            if entity is None:
                continue  # reported where it stands
            here = DocumentId(ROLES.name, role.key)
            yield from _masks(here, f"/grants/{number}", grant, entity)
            yield from _required(here, f"/grants/{number}", role, grant, entity)
            yield from _unseen(here, f"/grants/{number}", role, grant)
            yield from _names(definition, here, f"/grants/{number}", grant)
    yield from _given_by_nobody(definition)


def _masks(here: DocumentId, pointer: str, grant: Grant, entity: Entity) -> Iterator[Finding]:
    types = {field.key: field.type for field in entity.fields}
    for place, mask in enumerate(grant.masks):
        if types.get(mask.field, "text") not in SEARCHABLE:
            message = say(
                f"字段“{mask.field}”不是文本,不能部分显示",
                f'The field "{mask.field}" is no text and cannot be shown in part',
            )
            yield error("role.mask", here, f"{pointer}/masks/{place}/field", message)
        if grant.fields is not None and mask.field not in grant.fields:
            message = say(
                f"字段“{mask.field}”不在 fields 中", f'The field "{mask.field}" is not among the fields shown'
            )
            yield error("role.mask", here, f"{pointer}/masks/{place}/field", message)


def _required(here: DocumentId, pointer: str, role: Role, grant: Grant, entity: Entity) -> Iterator[Finding]:
    if "create" not in grant.may:
        return
    given = {each.field for each in grant.defaults}
    listed = [other for other in role.grants if other.entity == grant.entity and "create" in other.may]
    for field in entity.fields:
        has_default = field.default is not None or field.default_formula is not None
        if not field.required or field.assigned or has_default or field.key in given:
            continue
        if not any(may_give(other, field.key) for other in listed):
            name = label_text(field.label)
            message = say(
                f"此角色可新建,但不能填写必填字段“{name.zh}”",
                f"The role may create records but cannot give the required {name.en}",
            )
            yield error("role.required", here, f"{pointer}/may", message)


def may_give(grant: Grant, key: str) -> bool:
    """Tell whether a grant that lets create lets give a field."""
    if grant.writable is not None:
        return key in grant.writable
    if key in grant.fixed or any(mask.field == key for mask in grant.masks):
        return False
    return "read" not in grant.may or (key in grant.fields if grant.fields is not None else key not in grant.hidden)


def _names(definition: Definition, here: DocumentId, pointer: str, grant: Grant) -> Iterator[Finding]:
    """Transitions and approvals that a grant names are such of its entity."""
    ways = [way.key for one in definition.of(PIPELINES) if one.entity == grant.entity for way in one.transitions]
    approvals = [one.key for one in definition.of(APPROVALS) if one.entity == grant.entity]
    named = (
        ("transitions", grant.transitions, ways, say("流转", "transition")),
        ("approvals", grant.approvals, approvals, say("审批", "approval")),
    )
    for member, keys, known, what in named:
        for place, key in enumerate(() if keys == "all" else keys):
            if key not in known:
                hint = nearest_hint(key, known)
                zh, en = f"没有{what.zh}“{key}”{hint.zh}", f'There is no {what.en} "{key}"{hint.en}'
                yield error(f"role.{member}", here, f"{pointer}/{member}/{place}", say(zh, en))


def _given_by_nobody(definition: Definition) -> Iterator[Finding]:
    """Where there are roles, an approval is given by those whose grants name it."""
    grants = [grant for role in definition.of(ROLES) for grant in role.grants]
    for approval in definition.of(APPROVALS) if grants else ():
        able = [
            g for g in grants if g.entity == approval.entity and (g.approvals == "all" or approval.key in g.approvals)
        ]
        if not able:
            label = label_text(approval.label)
            message = say(
                f"没有角色的授权写了审批“{label.zh}”(approvals),除管理员外没有人能批准",
                f'No role\'s grants name the approval "{label.en}" (approvals): only admins can give it',
            )
            yield warning("approval.nobody", DocumentId(APPROVALS.name, approval.key), "/steps", message)


def _unseen(here: DocumentId, pointer: str, role: Role, grant: Grant) -> Iterator[Finding]:
    reads = any(other.entity == grant.entity and "read" in other.may for other in role.grants)
    if not reads and {"update", "delete", "export"} & set(grant.may):
        message = say(
            "此角色不能查看这些记录,修改、删除、导出都无从谈起",
            "The role cannot read these records, so it cannot change, delete or export them",
        )
        yield warning("role.unseen", here, f"{pointer}/may", message)


def check_locks(definition: Definition) -> Iterator[Finding]:
    """Locks count from dates."""
    for lock in definition.of(LOCKS):
        entity = definition.find_entity(lock.entity)
        types = {field.key: field.type for field in entity.fields} if entity else {}
        for name in ("after", "period"):
            part = getattr(lock, name)
            if part is not None and types.get(part.field, "date") not in _DATES:
                message = say(f"字段“{part.field}”不是日期", f'The field "{part.field}" is no date')
                yield error("lock.date", DocumentId(LOCKS.name, lock.key), f"/{name}/field", message)
