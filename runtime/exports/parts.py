"""A sheet on its way out, in parts: rows of cells, or pieces of a finished file. Reads and writes: dougong_export_part."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.store.database import Database
from builder.store.delivery_tables import export_part as table
from builder.store.statement import Query, Unit
from runtime.records.writer import Writing

Lines = Sequence[Sequence[str]]


def put_part(w: Writing, job_id: str, part: int, held: Lines | bytes) -> Unit[None]:
    """Put a part down inside the write that notes the job's progress."""
    statement = w.statements.kept(
        ("put export part",),
        lambda _: sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.c}),
    )
    written = dump_json(base64.b64encode(held).decode() if isinstance(held, bytes) else held).decode()
    yield Query(statement, {"job_id": job_id, "part": part, "lines": written, "made_at": w.now})


def drop_parts(w: Writing, job_id: str, first: int, end: int) -> Unit[None]:
    """Delete parts from one number on, up to another that stays."""
    c = table.c
    bound = {name: sa.bindparam(f"own_{name}", type_=c.part.type) for name in ("first", "end")}
    own = c.job_id == sa.bindparam("own_job", type_=c.job_id.type)
    statement = w.statements.kept(
        ("drop export parts",),
        lambda _: sa.delete(table).where(own, c.part >= bound["first"], c.part < bound["end"]),
    )
    yield Query(statement, {"own_job": job_id, "own_first": first, "own_end": end})


def count_parts(database: Database, job_id: str) -> int:
    """Return how many parts are still kept."""
    with database.snapshot() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).where(table.c.job_id == job_id)) or 0)


def list_parts(database: Database, job_id: str, parts: range) -> Iterator[list[list[str]]]:
    """Yield the lines of each part, one part in memory at a time."""
    for part in parts:
        yield parse_json(_held(database, job_id, part) or "[]")  # whoever reads slowly holds no connection


def list_pieces(database: Database, job_id: str, parts: range) -> Iterator[bytes]:
    """Yield the pieces of a file."""
    for part in parts:
        yield base64.b64decode(parse_json(_held(database, job_id, part) or '""'))


def _held(database: Database, job_id: str, part: int) -> str | None:
    chosen = sa.select(table.c.lines).where(table.c.job_id == job_id, table.c.part == part)
    with database.snapshot() as connection:
        found: str | None = connection.scalar(chosen)
    return found
