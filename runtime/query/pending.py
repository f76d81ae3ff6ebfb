"""Which computed fields of an entity are still on their way: a read that shows them says so. See docs/decisions/0003."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import parse_json
from builder.store.delivery_tables import pending
from builder.store.types import Words

Pending = Sequence[dict[str, Any]]
"""``{"job_id": …, "fields": [key, …]}`` for each job."""

_BETWEEN = "\n"


def pending_jobs(entity: CompiledEntity, dialect: str) -> tuple[sa.ColumnElement[Any], ...]:
    """Return a column with the rows of pending jobs as one text (null: none); nothing for an entity that stores no computed fields."""
    if not any(computed.place != "volatile" for computed in entity.computed):
        return ()
    row = sa.cast(pending.c.job_id, sa.Text) + sa.literal_column("' '") + pending.c.fields
    joined = sa.func.string_agg if dialect == "postgresql" else sa.func.group_concat
    mine = (
        pending.c.app == sa.bindparam("app", type_=Words()),
        pending.c.entity == sa.literal_column(f"'{entity.key}'"),
    )
    lines = sa.select(joined(row, sa.literal_column("chr(10)" if dialect == "postgresql" else "char(10)"))).where(*mine)
    return (lines.scalar_subquery().label("pending"),)


def read_pending(entity: CompiledEntity, column: Sequence[Any]) -> Pending:
    """Return the jobs that a read has found, with the fields that its reader may see."""
    if not column or column[0] is None:
        return ()
    found = []
    for line in sorted(column[0].split(_BETWEEN)):
        job_id, _, fields = line.partition(" ")
        seen = [key for key in parse_json(fields) if entity.find_field(key) is not None]
        if seen:
            found.append({"job_id": job_id, "fields": seen})
    return found
