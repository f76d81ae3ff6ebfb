"""On PostgreSQL: what new links lead to is held before values are read over them.

Somebody who changes a customer while a payment of that customer is being written does not see the payment, and so does not compute
what it reads of the customer; the payment must see the change instead. Links that were there before need nothing: whoever changes
the customer sees them, and waits for the records that have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from builder.compiled.recompute import listed_ids
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.store.statement import POSTGRESQL, Query, Statement, Unit

if TYPE_CHECKING:
    from runtime.records.writer import Writing

_CHUNK = 5_000


def hold_new_targets(w: Writing) -> Unit[None]:
    """Hold, until the end of the transaction, the records to which references lead that this write has set and values are read over."""
    if w.statements.dialect != POSTGRESQL:
        return
    held: set[tuple[str, str]] = set()
    for entity, path in w.app.read_over:
        ids = w.changes.of(entity, path[0])
        for step in path:
            if not ids:
                break
            ids = yield from _hold_targets(w, entity, step, ids, held)
            entity = _target(w, entity, step)


def _target(w: Writing, entity: str, step: str) -> str:
    field = w.app.entities[entity].fields[step]
    assert isinstance(field, ReferenceField)
    return field.entity


def _hold_targets(w: Writing, entity: str, step: str, ids: set[str], held: set[tuple[str, str]]) -> Unit[set[str]]:
    target = _target(w, entity, step)
    found = w.changes.leads(entity, step, ids)
    if found is None or any((target, record_id) not in held for record_id in found):
        found = set()
        listed = sorted(ids)
        for start in range(0, len(listed), _CHUNK):
            values = {"ids": dump_json(listed[start : start + _CHUNK]).decode()}
            rows = yield Query(_statement(w, entity, step), values)
            found |= {str(row[0]) for row in rows}
    held |= {(target, record_id) for record_id in found}
    return found


def _statement(w: Writing, entity: str, step: str) -> Statement:
    """Hold the targets in order of id. Those that have computed values of their own may be computed by this write: they are held for
    that at once, since two writers who share a record and then both want to change it would wait for each other.
    """
    source, target = w.app.entities[entity].table, w.app.entities[_target(w, entity, step)]
    weak = not any(each.entity == target.key for each in w.app.rounds)

    def make(dialect: str) -> sa.Select[tuple[str]]:
        leads = sa.select(source.c[step]).where(source.c.id.in_(listed_ids(dialect)))
        table = target.table.alias("t")
        chosen = sa.select(table.c.id).where(table.c.id.in_(leads)).order_by(table.c.id)
        return chosen.with_for_update(read=weak, key_share=not weak, of=table)

    return w.statements.kept(("hold targets", entity, step), make)
