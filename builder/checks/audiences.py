"""Audiences lead to people."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.definition.actions.base import Who
from builder.definition.kinds import Definition
from builder.definition.references import Place, find_models
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
