"""Views ask only for what there is."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.definition.kinds import VIEWS, Definition, DocumentId
from builder.definition.view import View
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from formulas.checker import check_condition
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.schema import Schema


def check_views(definition: Definition) -> Iterator[Finding]:
    """Keys occur once; filter, order and columns of a view lead to fields."""
    if not definition.views:
        return
    seen: set[str] = set()
    entities = {entity.key for entity in definition.entities}
    schema = draft_schema(definition)
    for view in definition.views:
        document = DocumentId(VIEWS.name, view.key)
        if view.key in seen:
            yield error(
                "key.duplicate", document, "/key", say(f"视图键“{view.key}”重复", f'Two views are called "{view.key}"')
            )
        seen.add(view.key)
        if view.entity in entities:
            yield from _check_filter(view, schema, document)
            yield from _check_paths(view, schema, document)


def _check_filter(view: View, schema: Schema, document: DocumentId) -> Iterator[Finding]:
    if view.filter is None:
        return
    try:
        if isinstance(view.filter, str):
            check_condition(view.filter, schema, view.entity)
        else:
            parse_filter(view.filter, schema, view.entity, pointer="/filter")
    except FormulaErrors as errors:
        for found in errors.errors:
            message = Text(found.message.zh, found.message.en)
            yield error(f"view.filter_{found.kind.lower()}", document, found.pointer or "/filter", message)


def _check_paths(view: View, schema: Schema, document: DocumentId) -> Iterator[Finding]:
    for member, listed in (("sort", view.sort), ("columns", view.columns)):
        for place, text in enumerate(listed):
            message = _wrong_step(schema, view.entity, text.removeprefix("-"), through_many=member == "columns")
            if message is not None:
                yield error("view.path", document, f"/{member}/{place}", message)


def _wrong_step(schema: Schema, entity: str, path: str, *, through_many: bool) -> Text | None:
    owner: str | None = entity
    for step in path.split("."):
        found = schema.find_field(owner, step) if owner is not None else None
        if found is None:
            known = [key for key, _ in schema.fields(owner)] if owner is not None else []
            hint = nearest_hint(step, known)
            return say(f"没有字段“{step}”{hint.zh}", f'There is no field "{step}"{hint.en}')
        if found.many and not through_many:
            return say(f"不能按“{step}”排序", f'Cannot sort by "{step}"')
        owner = found.target_entity
    return None
