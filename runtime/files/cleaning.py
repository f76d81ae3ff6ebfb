"""Clearing away: files that no record has held for a while, contents without a file, uploads that were never finished.

Deleting an app leaves contents without files; a process that was killed leaves parts and contents without files. Nothing here is urgent,
everything may be repeated and stopped at any point. Order matters: first the row goes, then the content, so a file that can be seen is whole.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from builder.store import tables
from builder.store.database import Database
from builder.store.statement import POSTGRESQL, Query, Unit, prepare
from builder.store.types import Instant, Words
from runtime.files.incoming import FOLDER
from runtime.files.service import UNUSED, drop_thumbnails
from runtime.files.store import FileStore

GRACE = timedelta(hours=24)
_SETTLING = timedelta(hours=1)
"""A content or part younger than this may belong to an upload that is under way."""
_BATCH = 500


@dataclass(frozen=True)
class Cleared:
    """What was cleared away."""

    files: int
    contents: int
    bytes: int
    parts: int


async def clear_away(
    database: Database,
    store: FileStore,
    folder: Path,
    *,
    now: datetime,
    machine_now: datetime,
    grace: timedelta = GRACE,
) -> Cleared:
    """Clear away what nobody needs any more.

    Args:
        now: of the service's clock, by which rows are dated.
        machine_now: of the machine, by which contents and parts are dated.
    """
    files = 0
    while taken := await database.write(lambda: _drop_rows(database.dialect, now - grace)):
        files += taken
    contents = size = 0
    settled = machine_now - _SETTLING

    async def still_wanted(sha256: str) -> bool:
        return await _is_wanted(database, sha256)

    async for content in store.contents():
        if content.put_at >= settled or await still_wanted(content.sha256):
            continue
        if await store.remove(content.sha256, settled, still_wanted):
            await asyncio.to_thread(drop_thumbnails, folder, content.sha256)
            contents += 1
            size += content.bytes
    parts = await asyncio.to_thread(_drop_parts, folder / FOLDER, settled.timestamp())
    return Cleared(files, contents, size, parts)


def _drop_rows(dialect: str, before: datetime) -> Unit[int]:
    """Delete the rows of some files; a write that just takes one up is waited for on PostgreSQL, and wins."""
    file, use = tables.file, tables.file_use
    here = (file.c.state == UNUSED) & (file.c.state_at < sa.bindparam("before", type_=Instant()))
    chosen = sa.select(file.c.id).where(here).order_by(file.c.id).limit(_BATCH)
    if dialect == POSTGRESQL:
        chosen = chosen.with_for_update(skip_locked=True)
    rows = yield Query(prepare(chosen, dialect), {"before": before})
    # a second statement, so that it sees what was committed while the first one waited
    held = sa.select(use.c.file_id).where(use.c.file_id == file.c.id).exists()
    one = sa.bindparam("id", type_=file.c.id.type)
    delete = prepare(sa.delete(file).where(file.c.id == one, file.c.state == UNUSED, ~held), dialect)
    ids: list[dict[str, Any]] = [{"id": str(row[0])} for row in rows]
    if ids:
        yield Query(delete, ids if len(ids) > 1 else ids[0])
    return len(ids)


async def _is_wanted(database: Database, sha256: str) -> bool:
    file = tables.file
    wanted = sa.select(file.c.id).where(file.c.sha256 == sa.bindparam("sha256", type_=Words())).limit(1)
    statement = prepare(wanted, database.dialect)

    def unit() -> Unit[bool]:
        return bool((yield Query(statement, {"sha256": sha256})))

    return await database.read(unit, scan=False)


def _drop_parts(folder: Path, before: float) -> int:
    count = 0
    for path in folder.glob("*.part"):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                count += 1
        except FileNotFoundError:
            continue
    return count
