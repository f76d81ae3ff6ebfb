"""Which computed fields are still on their way: a read that shows them says so. See docs/decisions/0003."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import FieldId
from builder.kernel.canonical import parse_json
from builder.store.delivery_tables import pending
from builder.store.types import Words
from runtime.query.selection import Selection

Pending = Sequence[dict[str, Any]]
"""``{"job_id": …, "entity": key, "fields": [key, …]}`` for each job."""

_BETWEEN = "\n"


def pending_jobs(entities: Iterable[CompiledEntity], dialect: str) -> tuple[sa.ColumnElement[Any], ...]:
    """Return a column with the rows of pending jobs as one text (null: none); nothing if no entity stores computed fields."""
    keys = sorted({entity.key for entity in entities if any(c.place != "volatile" for c in entity.computed)})
    if not keys:
        return ()
    space: sa.ColumnElement[str] = sa.literal_column("' '")
    row = sa.cast(pending.c.job_id, sa.Text) + space + pending.c.entity + space + pending.c.fields
    joined = sa.func.string_agg if dialect == "postgresql" else sa.func.group_concat
    named: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{key}'") for key in keys]
    mine = (
        pending.c.app == sa.bindparam("app", type_=Words()),
        pending.c.entity == named[0] if len(named) == 1 else pending.c.entity.in_(named),
    )
    lines = sa.select(joined(row, sa.literal_column("chr(10)" if dialect == "postgresql" else "char(10)"))).where(*mine)
    return (lines.scalar_subquery().label("pending"),)


def shown_entities(app: CompiledApp, selection: Selection) -> Iterator[CompiledEntity]:
    """Yield the entity of a selection and those of what it shows as objects."""
    if selection.entity in app.entities:
        yield app.entities[selection.entity]
    for _, inner in selection.expanded:
        yield from shown_entities(app, inner)


def read_pending(app: CompiledApp, column: Sequence[Any], among: Container[FieldId] | None = None) -> Pending:
    """Return the jobs that a read has found, with the fields that its reader may see.

    Args:
        among: only these fields; None = all of the entities that were asked for.
    """
    if not column or column[0] is None:
        return ()
    found = []
    for line in sorted(column[0].split(_BETWEEN)):
        job_id, entity, fields = line.split(" ", 2)
        owner = app.entities.get(entity)
        seen = [key for key in parse_json(fields) if owner is not None and owner.find_field(key) is not None]
        seen = [key for key in seen if among is None or (entity, key) in among]
        if seen:
            found.append({"job_id": job_id, "entity": entity, "fields": seen})
    return found
