"""``create_task``: see ``builder/definition/actions/create_task.py``."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledEntity
from builder.definition.actions.create_task import CreateTask
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, canonical_value, count_text
from runtime.automations.actions.copies import frozen_copy
from runtime.automations.actions.records import bodies_of, create_records, field_of, items_of
from runtime.expressions.finding import find_ids

JSON = Any
_NOT_COMPARED = ("set", "json", "geo", "file")


class CreateTaskKind:
    """Makes tasks with a frozen copy of what was known."""

    model = CreateTask

    def carry_out(self, o: Occasion, action: CreateTask, key: str) -> Unit[Outcome]:
        """Create one, or one for each item; those that are there already are left alone."""
        entity = o.w.app.entities[action.entity]
        items = yield from items_of(o, action.each)
        bodies = yield from bodies_of(o, entity, action.values, items)
        copy = yield from frozen_copy(o, action.snapshot, entity, action.snapshot_field)
        fresh = []
        for body in bodies:
            if action.link_field is not None:
                body[action.link_field] = o.subject.record_id
            if action.once and (yield from _is_there(o, entity, action, body)):
                continue
            body[action.snapshot_field] = copy
            fresh.append(body)
        ids = yield from create_records(o, entity, fresh)
        return Outcome("done", count_text(len(ids), entity, "已创建", "Created"), tuple((entity.key, i) for i in ids))


def _is_there(o: Occasion, entity: CompiledEntity, action: CreateTask, body: dict[str, JSON]) -> Unit[bool]:
    """Whether a task with the same link, constants and item is there."""
    fixed = [s.field for s in action.values if s.formula is None]
    equal: dict[str, Any] = {}
    for key in (*fixed, *((action.link_field,) if action.link_field else ())):
        field = field_of(entity, key)
        if field.stored and field.formula_type().kind not in _NOT_COMPARED:
            equal[key] = canonical_value(field, body[key], o, is_constant=True)
    return bool((yield from find_ids(o.w, entity, equal, None, 1)))
