"""Formulas of computed fields are right: names, types, no circles, and a database can compute what it has to."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.compiled.computing import ComputationInvalid, FieldId, FormulaFault, compute, has_computed
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.fields.parts.computed import ComputedField
from builder.kernel.text import say


def check_formulas(definition: Definition) -> Iterator[Finding]:
    """Every computed field can be computed, and has no option that only a given value can have."""
    if not has_computed(definition):
        return
    try:
        computation = compute(definition)
    except ComputationInvalid as invalid:
        yield from (_finding(definition, fault) for fault in invalid.faults)
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


def _finding(definition: Definition, fault: FormulaFault) -> Finding:
    entity, key = fault.id
    owner = definition.find_entity(entity)
    index = next((place for place, field in enumerate(owner.fields if owner else ()) if field.key == key), 0)
    member = {"lookup": "path", "rollup": "relation"}.get(owner.fields[index].type if owner else "", "formula")
    at = fault.error.at
    where = say("", "") if at is None else say(f"(第 {at[0] + 1} 个字符起)", f" (from character {at[0] + 1})")
    message = say(fault.error.message.zh + where.zh, fault.error.message.en + where.en)
    return error(
        f"formula.{fault.error.kind.lower()}", DocumentId(ENTITIES.name, entity), f"/fields/{index}/{member}", message
    )
