"""Lines of a sheet on its way out, in parts. Reads and writes: dougong_export_part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.store.database import Database
from builder.store.delivery_tables import export_part as table
from builder.store.statement import Query, Unit
from runtime.records.writer import Writing


def put_part(w: Writing, job_id: str, part: int, lines: Sequence[Sequence[str]]) -> Unit[None]:
    """Put a part down inside the write that notes the job's progress."""
    statement = w.statements.kept(
        ("put export part",),
        lambda _: sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.c}),
    )
    listed = dump_json(lines).decode()
    yield Query(statement, {"job_id": job_id, "part": part, "lines": listed, "made_at": w.now})


def count_parts(database: Database, job_id: str) -> int:
    """Return how many parts are still kept."""
    with database.snapshot() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).where(table.c.job_id == job_id)) or 0)


def list_parts(database: Database, job_id: str, parts: int) -> Iterator[list[list[str]]]:
    """Yield the lines of each part, one part in memory at a time."""
    for part in range(parts):
        chosen = sa.select(table.c.lines).where(table.c.job_id == job_id, table.c.part == part)
        with database.snapshot() as connection:
            lines = connection.scalar(chosen) or "[]"
        yield parse_json(lines)  # whoever reads slowly holds no connection
