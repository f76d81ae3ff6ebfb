"""Formulas of computed fields are right: names, types, no circles, and a database can compute what it has to."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.compiled.computing import (
    ComputationInvalid,
    FieldId,
    FormulaFault,
    compute,
    draft_schema,
    has_computed,
    with_variables,
)
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.definition.references import FormulaPlace, find_formulas
from builder.definition.templating import pieces
from builder.fields.parts.computed import ComputedField
from builder.fields.rollup import RollupField
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaError, FormulaErrors
from formulas.filters import parse_filter
from formulas.schema import Schema
from formulas.sql import require_sql_form
from formulas.tree import Tree
from formulas.types import Type


def check_formulas(definition: Definition) -> Iterator[Finding]:
    """Every computed field can be computed, and has no option that only a given value can have."""
    if not has_computed(definition):
        return
    try:
        computation = compute(definition)
    except ComputationInvalid as invalid:
        found = (_finding(definition, fault) for fault in invalid.faults)
        yield from (finding for finding in found if finding is not None)
    else:
        volatile = {computed.id for computed in computation.fields.values() if computed.place == "volatile"}
        yield from _indexed_volatile(definition, volatile)
    for entity in definition.entities:
        for index, field in enumerate(entity.fields):
            if isinstance(field, ComputedField) and (field.required or field.default is not None):
                message = say(
                    "计算字段不能设为必填或有默认值", "A computed field can be neither required nor have a default"
                )
                yield error("field.computed", DocumentId(ENTITIES.name, entity.key), f"/fields/{index}", message)


def check_marked_formulas(definition: Definition) -> Iterator[Finding]:
    """Every formula and filter of a document names what there is and gives what it has to."""
    schema: Schema | None = None
    entities = {entity.key for entity in definition.entities}
    for place in find_formulas(definition):
        if place.entity not in entities:
            continue  # the name of the entity is reported where it stands
        schema = schema or draft_schema(definition)
        for offset, part in _formulas_of(place):
            for wrong in _errors_of(part, schema):
                message = _positioned(wrong, offset)
                pointer = place.pointer + wrong.pointer
                yield error(f"formula.{wrong.kind.lower()}", place.document, pointer, message)


def _formulas_of(place: FormulaPlace) -> Iterator[tuple[int, FormulaPlace]]:
    """Yield the formulas of a place with where they begin."""
    if place.is_template and isinstance(place.text, str):
        yield from ((piece.at, place._replace(text=piece.formula)) for piece in pieces(place.text))
    else:
        yield 0, place


def _errors_of(place: FormulaPlace, schema: Schema) -> tuple[FormulaError, ...]:
    try:
        judge = _judge if place.in_database else None
        if isinstance(place.text, str):
            expected = None if place.gives == "any" else Type(place.gives)  # type: ignore[arg-type] # a kind by name
            tree = check(place.text, schema, place.entity, expected=expected).tree
            if judge is not None:
                judge(tree, place.text)
        else:
            parse_filter(place.text, schema, place.entity, judge=judge)
    except FormulaErrors as errors:
        return errors.errors
    return ()


def _judge(tree: Tree, text: str) -> None:
    require_sql_form(with_variables(tree), text)


def _positioned(wrong: FormulaError, offset: int = 0) -> Text:
    """Say what is wrong and, in a text, from where on."""
    return _told(wrong, None if wrong.at is None else offset + wrong.at[0])


def _told(wrong: FormulaError, begin: int | None) -> Text:
    if begin is None:
        return say(wrong.message.zh, wrong.message.en)
    place = begin + 1
    return say(f"{wrong.message.zh}(第 {place} 个字符起)", f"{wrong.message.en} (from character {place})")


def _indexed_volatile(definition: Definition, volatile: set[FieldId]) -> Iterator[Finding]:
    for entity in definition.entities:
        keys = {key for owner, key in volatile if owner == entity.key}
        asked = {field.key for field in entity.fields if field.unique or field.indexed}
        asked |= {key for group in (*entity.unique, *entity.indexes) for key in group}
        for index, field in enumerate(entity.fields):
            if field.key in keys & asked:
                message = say(
                    "随时间或查看者变化的公式没有存储列,不能唯一或建索引",
                    "A formula that changes with time or viewer has no column, so it can be neither unique nor indexed",
                )
                yield error("field.not_stored", DocumentId(ENTITIES.name, entity.key), f"/fields/{index}", message)


def _finding(definition: Definition, fault: FormulaFault) -> Finding | None:
    """The finding where the wrong text stands; none where a relation does not exist, which the check of references reports."""
    entity, key = fault.id
    wrong = fault.error
    fields = [field for owner in definition.entities if owner.key == entity for field in owner.fields]
    known = {field.key for field in fields}
    pointer, begin = "/fields", None
    for index, field in enumerate(fields):
        if field.key == key and isinstance(field, ComputedField):
            member, begin = field.origin(wrong.at or (0, 0))
            if isinstance(field, RollupField) and field.relation not in known:
                return None
            pointer = f"/fields/{index}/{member}"
            break
    message = _told(wrong, None if wrong.at is None else begin)
    return error(f"formula.{wrong.kind.lower()}", DocumentId(ENTITIES.name, entity), pointer, message)
