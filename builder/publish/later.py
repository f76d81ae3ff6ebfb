"""What a publish leaves to jobs: computed fields of tables so large that writers would wait too long. See docs/decisions/0003."""

from __future__ import annotations

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.limits import RECOMPUTED_IN_PUBLISH
from builder.publish.step import Work
from builder.store import delivery_tables
from builder.store.jobs import RECOMPUTE, job_row, pending_row, recompute_arguments


def is_left_to_job(work: Work, entity: CompiledEntity, field: str) -> bool:
    """Leave a field to the job of its entity if there are too many records: all or none of an entity's fields, for they read each other."""
    if entity.key not in work.later:
        beyond = sa.select(entity.table.c.id).offset(RECOMPUTED_IN_PUBLISH).limit(1)
        if work.connection.execute(beyond).first() is None:
            return False
    work.later.setdefault(entity.key, []).append(field)
    return True


def put_down(work: Work, author: str | None) -> None:
    """Put down one job for each entity; it begins when the publish is committed."""
    for entity, fields in work.later.items():
        row = job_row(
            work.ids.record_id(),
            RECOMPUTE,
            recompute_arguments(entity, fields),
            work.app,
            author,
            work.now,
            None,
        )
        work.connection.execute(sa.insert(delivery_tables.job).values(**row))
        pending = pending_row(row["id"], work.app, entity, fields)
        work.connection.execute(sa.insert(delivery_tables.pending).values(**pending))
