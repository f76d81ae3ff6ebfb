"""How actions write records: always through the one write path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.definition.actions.base import Each, Setting
from builder.fields.base import Field
from builder.fields.children import ChildrenField
from builder.kernel.limits import FAN_OUT_RECORDS
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store.statement import Unit
from formulas.errors import CellError
from runtime.automations.actions.base import ActionFailed, Occasion, Valued, body_value, value_all
from runtime.expressions.finding import find_ids
from runtime.expressions.prepared import Subject
from runtime.records.creating import new_record
from runtime.records.holding import hold_records
from runtime.records.lookups import look_ahead
from runtime.records.values import refuse
from runtime.records.writer import insert_records

JSON = Any


class Item(NamedTuple):
    """One of the things an action fans out over."""

    related: Subject | None
    """A related record,"""
    member: Any
    """or a member of a list."""


def items_of(o: Occasion, each: Each | None) -> Unit[list[Item]]:
    """Return what an action fans out over; without ``each`` one item that is nothing.

    Raises:
        ActionFailed: too many.
    """
    if each is None:
        return [Item(None, None)]
    if each.list is not None:
        values = yield from o.evaluate(each.list)
        members = values[0] if isinstance(values[0], tuple) else ()
        refuse_many(len(members))
        return [Item(None, member) for member in members]
    assert each.relation is not None
    steps = each.relation.split(".")
    owner_id: Any = o.subject.record_id
    owner = o.entity
    for step in steps[:-1]:
        info = o.w.app.find_field(owner.key, step)
        owner = o.w.app.entities[str(info.target_entity)] if info is not None else owner
    if len(steps) > 1:
        owner_id = (yield from o.evaluate(".".join(steps[:-1])))[0]
    listed = owner.fields.get(steps[-1])
    if not isinstance(listed, ChildrenField) or owner_id is None or isinstance(owner_id, CellError):
        return []
    entity = o.w.app.entities[listed.entity]
    ids = yield from find_ids(o.w, entity, {listed.via: str(owner_id)}, each.where, FAN_OUT_RECORDS + 1)
    refuse_many(len(ids))
    held = {record.id: record for record in (yield from hold_records(o.w, entity, ids))}
    return [Item(Subject(entity, i, held[i].held.shown), None) for i in ids if i in held]


def refuse_many(count: int) -> None:
    """Refuse more than one action may write."""
    if count > FAN_OUT_RECORDS:
        text = say(
            f"一个动作最多涉及 {FAN_OUT_RECORDS} 条记录", f"An action goes for at most {FAN_OUT_RECORDS} records"
        )
        raise ActionFailed(text)


def bodies_of(
    o: Occasion, entity: CompiledEntity, settings: Sequence[Setting], items: Sequence[Item]
) -> Unit[list[dict[str, JSON]]]:
    """Return the bodies of new records, one for each item."""
    valued = yield from value_all(o, settings)
    bodies: list[dict[str, JSON]] = []
    for item in items:
        body: dict[str, JSON] = {}
        for one in valued:
            field = field_of(entity, one.given.field)
            value, is_constant = yield from _item_value(o, one, item)
            body[field.key] = body_value(field, value, o, is_constant=is_constant)
        bodies.append(body)
    return bodies


def _item_value(o: Occasion, one: Valued[Setting], item: Item) -> Unit[tuple[Any, bool]]:
    path = one.given.item
    if path is None:
        return one.value, one.is_constant
    if item.related is None:
        return item.member, False
    values = yield from o.ports.expressions.evaluate(o.w, item.related, [path])
    return values[0], False


def create_records(o: Occasion, entity: CompiledEntity, bodies: Sequence[dict[str, JSON]]) -> Unit[list[str]]:
    """Create records; return their ids.

    Raises:
        Problem: ``record.invalid``.
    """
    violations: list[Violation] = []
    yield from look_ahead(o.w, entity, bodies)
    records = []
    for place, body in enumerate(bodies):
        pointer = f"/{entity.key}/{place}" if len(bodies) > 1 else f"/{entity.key}"
        records.append((yield from new_record(o.w, entity, body, pointer, violations)))
    refuse(violations)
    if records:
        yield from insert_records(o.w, records)
    return [record.id for record in records]


def field_of(entity: CompiledEntity, key: str) -> Field:
    """Return a field that an action names.

    Raises:
        ActionFailed: it is gone, though the definition was right when it was published.
    """
    found = entity.fields.get(key)
    if found is None:
        raise ActionFailed(say(f"“{entity.key}”没有字段“{key}”", f'"{entity.key}" has no field "{key}"'))
    return found
