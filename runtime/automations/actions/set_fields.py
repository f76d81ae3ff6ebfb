"""``set_fields``: see ``builder/definition/actions/set_fields.py``."""

from __future__ import annotations

from builder.definition.actions.set_fields import SetFields
from builder.fields.base import label_text
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, body_value, value_all
from runtime.automations.actions.records import field_of
from runtime.records.changes import update_record


class SetFieldsKind:
    """Changes the record; of one that is gone nothing is left to change."""

    model = SetFields

    def carry_out(self, o: Occasion, action: SetFields, key: str) -> Unit[Outcome]:
        """Write the values."""
        if o.subject.gone:
            return Outcome("passed", say("记录已删除", "The record is gone"))
        valued = yield from value_all(o, action.set)
        body = {}
        for one in valued:
            field = field_of(o.entity, one.given.field)
            body[field.key] = body_value(field, one.value, o, is_constant=one.is_constant)
        revision = o.subject.shown["revision"]
        shown = yield from update_record(o.w, o.entity, o.subject.record_id, body, None)
        o.saw(shown)
        labels = [label_text(field_of(o.entity, name).label) for name in body]
        zh, en = "、".join(label.zh for label in labels), ", ".join(label.en for label in labels)
        if shown["revision"] == revision:
            return Outcome("done", say(f"{zh} 已是该值", f"{en}: no change"))
        return Outcome("done", say(f"已更新 {zh}", f"Updated {en}"), ((o.entity.key, o.subject.record_id),))
