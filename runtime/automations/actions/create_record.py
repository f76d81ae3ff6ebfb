"""``create_record``: see ``builder/definition/actions/create_record.py``."""

from __future__ import annotations

from builder.definition.actions.create_record import CreateRecord
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, count_text
from runtime.automations.actions.records import bodies_of, create_records, items_of


class CreateRecordKind:
    """Makes records through the one write path."""

    model = CreateRecord

    def carry_out(self, o: Occasion, action: CreateRecord, key: str) -> Unit[Outcome]:
        """Create one, or one for each item."""
        entity = o.w.app.entities[action.entity]
        items = yield from items_of(o, action.each)
        bodies = yield from bodies_of(o, entity, action.values, items)
        ids = yield from create_records(o, entity, bodies)
        return Outcome("done", count_text(len(ids), entity, "已创建", "Created"), tuple((entity.key, i) for i in ids))
