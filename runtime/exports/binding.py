"""The last step of an export as .xlsx: its rows become a file, which is kept in pieces in their place.

Killed at any moment it is bound anew: pieces count only when the checkpoint tells of all of them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from builder.kernel.faults import crash_point
from builder.store.database import Database
from builder.store.statement import Unit
from runtime.exports.columns import ColumnForm
from runtime.exports.parts import drop_parts, list_parts, put_part
from runtime.exports.workbook import Workbook
from runtime.jobs.rows import report_within
from runtime.jobs.runner import Running
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
_PIECE_BYTES = 768 * 1024
_LAST = 2**31 - 1


async def bind_workbook(
    database: Database,
    records: Records,
    running: Running,
    place: Mapping[str, JSON],
    writing: Callable[[], Writing],
    forms: Sequence[ColumnForm],
    zone: ZoneInfo,
) -> dict[str, JSON]:
    """Bind the rows of a finished export; return the checkpoint that tells of the pieces.

    Raises:
        LeaseLost, Cancelled.
    """
    job_id, first = running.job.id, place["part"]
    number = 0
    held: bytes | None = None
    lines = list_parts(database, job_id, range(first))
    with tempfile.TemporaryDirectory(prefix="dougong-export-") as folder:
        path = Path(folder) / "export.xlsx"
        await _write(path, place["header"], forms, zone, writing().now, lines)
        async for piece in _pieces(path):
            if held is not None:
                await _put(records, running, writing(), place, first + number, held, is_first=number == 0)
                number += 1
            held = piece
    assert held is not None
    whole = {**place, "pieces": number + 1}
    await _put(records, running, writing(), whole, first + number, held, is_first=number == 0)
    return whole


async def _write(
    path: Path, header: Sequence[str], forms: Sequence[ColumnForm], zone: ZoneInfo, made_at: datetime, lines: Any
) -> None:
    book = await asyncio.to_thread(Workbook, path, header, forms, zone, made_at)
    while (part := await asyncio.to_thread(next, lines, None)) is not None:
        await asyncio.to_thread(book.add, part)  # a part at a time: who stops the job waits for no more
    await asyncio.to_thread(book.close)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece


async def _put(
    records: Records,
    running: Running,
    w: Writing,
    place: Mapping[str, JSON],
    number: int,
    piece: bytes,
    *,
    is_first: bool,
) -> None:
    """Keep a piece; the first one sweeps away what an earlier try left, the last one the rows."""

    def unit() -> Unit[bool]:
        job_id, first = running.job.id, place["part"]
        if is_first:
            yield from drop_parts(w, job_id, first, _LAST)
        yield from put_part(w, job_id, number, piece)
        if place["pieces"]:
            yield from drop_parts(w, job_id, 0, first)
        return (yield from report_within(w, running.job, done=running.done, checkpoint=place))

    goes_on = await records.transact(w, unit)
    running.took(running.done, place, goes_on=goes_on)
    crash_point("export.piece")
