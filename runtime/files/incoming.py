"""Uploads on their way: a temporary file that grows, is hashed as it grows, and is gone if the upload is not finished."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.kernel.faults import crash_point
from builder.kernel.ids import Ids
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.files.sniffing import HEAD, Sample

_BATCH = 256 * 1024
FOLDER = "incoming"


@dataclass(frozen=True)
class Arrived:
    """A whole upload in a temporary file."""

    path: Path
    bytes: int
    sha256: str
    sample: Sample


@asynccontextmanager
async def receive(folder: Path, ids: Ids, chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[Arrived]:
    """Write what comes into a temporary file; it is removed at the end unless it was moved.

    Raises:
        Problem: ``file.too_large``, ``file.empty``.
    """
    path = folder / FOLDER / f"{ids.record_id()}.part"
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    try:
        yield await _write(path, chunks, limit)
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _write(path: Path, chunks: AsyncIterator[bytes], limit: int) -> Arrived:
    digest = hashlib.sha256()
    head = b""
    count = 0
    waiting = bytearray()
    with await asyncio.to_thread(path.open, "xb") as file:
        async for chunk in chunks:
            count += len(chunk)
            if count > limit:
                raise too_large(limit)
            if len(head) < HEAD:
                head += chunk[: HEAD - len(head)]
            waiting += chunk
            if len(waiting) >= _BATCH:
                await asyncio.to_thread(_append, file, digest, bytes(waiting))
                waiting.clear()
                crash_point("file.receiving")
        await asyncio.to_thread(_append, file, digest, bytes(waiting))
    if count == 0:
        raise Problem("file.empty", say("文件是空的", "The file is empty"))
    tail = await asyncio.to_thread(_tail, path, count)
    return Arrived(path, count, digest.hexdigest(), Sample(head, tail))


def _append(file: BinaryIO, digest: hashlib._Hash, part: bytes) -> None:
    file.write(part)
    digest.update(part)


def _tail(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, count - HEAD))
        return file.read(HEAD)


def too_large(limit: int) -> Problem:
    """The upload is larger than files may be."""
    return Problem(
        "file.too_large",
        say(f"文件超过 {limit} 字节", f"The file is larger than {limit} bytes"),
        extra={"limit_bytes": limit},
    )
