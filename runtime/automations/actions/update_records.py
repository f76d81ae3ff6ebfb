"""``update_records``: see ``builder/definition/actions/update_records.py``."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledEntity
from builder.definition.actions.base import TargetSetting
from builder.definition.actions.update_records import UpdateRecords
from builder.kernel.limits import FAN_OUT_RECORDS
from builder.store.statement import Unit
from runtime.automations.actions.base import (
    Occasion,
    Outcome,
    Valued,
    body_value,
    canonical_value,
    count_text,
    value_all,
)
from runtime.automations.actions.records import field_of, refuse_many
from runtime.expressions.finding import find_ids
from runtime.expressions.prepared import Subject
from runtime.records.changes import update_record
from runtime.records.holding import hold_records

JSON = Any


class UpdateRecordsKind:
    """Changes other records through the one write path."""

    model = UpdateRecords

    def carry_out(self, o: Occasion, action: UpdateRecords, key: str) -> Unit[Outcome]:
        """Find the records, then change one after the other."""
        entity = o.w.app.entities[action.entity]
        equal: dict[str, Any] = {}
        for one in (yield from value_all(o, action.match)):
            field = entity.system.get(one.given.field) or field_of(entity, one.given.field)
            equal[field.key] = canonical_value(field, one.value, o, is_constant=one.is_constant)
        if None in equal.values():  # a blank matches nothing
            return Outcome("done", count_text(0, entity, "已更新", "Updated"))
        valued = yield from value_all(o, action.set)
        ids = yield from find_ids(o.w, entity, equal, action.where, FAN_OUT_RECORDS + 1)
        refuse_many(len(ids))
        for record in (yield from hold_records(o.w, entity, ids)):
            body = yield from _body(o, entity, valued, Subject(entity, record.id, record.held.shown))
            shown = yield from update_record(o.w, entity, record.id, body, None)
            if (entity.key, record.id) == (o.entity.key, o.subject.record_id):
                o.saw(shown)
        return Outcome("done", count_text(len(ids), entity, "已更新", "Updated"), tuple((entity.key, i) for i in ids))


def _body(
    o: Occasion, entity: CompiledEntity, valued: list[Valued[TargetSetting]], target: Subject
) -> Unit[dict[str, JSON]]:
    own = [one.given.own for one in valued if one.given.own is not None]
    found = iter((yield from o.ports.expressions.evaluate(o.w, target, own)))
    body: dict[str, JSON] = {}
    for one in valued:
        field = field_of(entity, one.given.field)
        if one.given.own is not None:
            body[field.key] = body_value(field, next(found), o, is_constant=False)
        else:
            body[field.key] = body_value(field, one.value, o, is_constant=one.is_constant)
    return body
