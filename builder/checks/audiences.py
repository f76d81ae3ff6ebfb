"""Audiences lead to people."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error, warning
from builder.compiled.computing import draft_schema
from builder.definition.actions.base import Who
from builder.definition.approval import Approval
from builder.definition.kinds import APPROVALS, ROLES, Definition, DocumentId
from builder.definition.references import Place, find_models
from builder.definition.role import Role
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.schema import Schema
from formulas.types import Type

_PEOPLE = say("人员", "a person or people")
_WANTED: dict[str, tuple[tuple[str, ...], Text]] = {
    "field": (("person", "department"), say("人员或部门", "a person, people or a department")),
    "formula": (("person",), _PEOPLE),
    "manager_of": (("person",), _PEOPLE),
}
"""What each way of naming people has to give."""


def check_audiences(definition: Definition) -> Iterator[Finding]:
    """Fields and formulas that say who is meant give people; else nobody would ever be found, and nobody told why."""
    schema: Schema | None = None
    for place in find_models(definition, Who):
        schema = schema or draft_schema(definition)
        yield from _check(schema, place)
    yield from _check_approvers(definition)


def _check_approvers(definition: Definition) -> Iterator[Finding]:
    """A role that is asked for an approval may give it, by a grant of its own; else who has no other role cannot answer."""
    for approval in definition.of(APPROVALS):
        for number, step in enumerate(approval.steps):
            for index, who in enumerate(step.approvers):
                role = definition.find(ROLES, who.role) if who.role is not None else None
                if isinstance(role, Role) and not _may_give(role, approval):
                    label = label_text(role.label)
                    text = say(
                        f"角色“{label.zh}”没有授权给出这个审批:请在 roles/{role.key} 对“{approval.entity}”的 grants 中写"
                        f' "approvals": ["{approval.key}"]',
                        f'No grant lets the role {label.en} give this approval: write "approvals": ["{approval.key}"]'
                        f' into the grants of roles/{role.key} for "{approval.entity}"',
                    )
                    document = DocumentId(APPROVALS.name, approval.key)
                    yield warning("audience.grant", document, f"/steps/{number}/approvers/{index}/role", text)


def _may_give(role: Role, approval: Approval) -> bool:
    own = [grant for grant in role.grants if grant.entity == approval.entity]
    return any(grant.approvals == "all" or approval.key in grant.approvals for grant in own)


def _check(schema: Schema, place: Place) -> Iterator[Finding]:
    entity = str(getattr(place.within[0], "entity", ""))
    for member, (kinds, wanted) in _WANTED.items():
        text = getattr(place.model, member)
        if not isinstance(text, str):
            continue  # not named so, or a filter, which is refused where it stands
        try:
            found = check(text, schema, entity).type
        except FormulaErrors:
            continue  # reported where it stands
        if not _gives(found, kinds):
            zh = f"“{text}”是{found.name.zh},这里要能找到{wanted.zh}"
            en = f'"{text}" is {found.name.en}, this has to lead to {wanted.en}'
            yield error("audience.people", place.document, f"{place.pointer}/{member}", say(zh, en))


def _gives(found: Type, kinds: tuple[str, ...]) -> bool:
    if found.kind == "set":
        return found.element is None or found.element.kind == "person"
    return found.kind in (*kinds, "blank")
