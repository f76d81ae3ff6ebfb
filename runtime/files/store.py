"""Where contents are kept: the port ``FileStore`` and the folder on the local disk. A content is named by its SHA-256, never by a person."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from builder.kernel.faults import crash_point

CHUNK = 256 * 1024
StillWanted = Callable[[str], Awaitable[bool]]


class Content(NamedTuple):
    """A content in a store."""

    sha256: str
    bytes: int
    put_at: datetime


class FileStore(Protocol):
    """Keeps contents by their SHA-256. All of it or nothing: a content that can be seen is whole."""

    async def put(self, source: Path, sha256: str) -> None:
        """Keep the content of a local file; the file itself may be taken. Putting what is there already makes it new."""

    def read(self, sha256: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield ``length`` bytes from place ``first`` on.

        Raises:
            FileNotFoundError: the content is gone.
        """

    async def has(self, sha256: str) -> bool:
        """Tell whether a content is there."""

    async def remove(self, sha256: str, put_before: datetime, still_wanted: StillWanted) -> bool:
        """Remove a content unless it was put again since, or is wanted after all; tell whether it is gone."""

    def contents(self) -> AsyncIterator[Content]:
        """Yield everything that is kept."""

    async def close(self) -> None:
        """Let go of connections."""


class LocalStore:
    """Contents in a folder: ``ab/cd/abcd…``. A content appears by a rename, so a crash leaves no half one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "contents"
        self._leaving = folder / "leaving"

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    async def put(self, source: Path, sha256: str) -> None:
        """Move the file into its place; it and the folder's entry are on the disk when this returns."""
        await asyncio.to_thread(self._put, source, self._path(sha256))

    def _put(self, source: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb+") as file:
            os.utime(file.fileno())  # the age of a content counts from when it was last put
            os.fsync(file.fileno())
        crash_point("file.before_rename")
        source.replace(path)
        for folder in (path.parent, path.parent.parent, self._folder):
            _sync_folder(folder)
        crash_point("file.after_rename")

    async def read(self, sha256: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield parts of the file."""
        file = await asyncio.to_thread(self._path(sha256).open, "rb")
        try:
            await asyncio.to_thread(file.seek, first)
            while length > 0:
                part = await asyncio.to_thread(file.read, min(CHUNK, length))
                if not part:
                    return
                length -= len(part)
                yield part
        finally:
            file.close()

    async def has(self, sha256: str) -> bool:
        """Tell whether the file is there."""
        return await asyncio.to_thread(self._path(sha256).exists)

    async def remove(self, sha256: str, put_before: datetime, still_wanted: StillWanted) -> bool:
        """Move the file out of sight, look again whether it is wanted, and only then remove it: an upload of the same content meanwhile wins."""
        path, aside = self._path(sha256), self._leaving / sha256
        try:
            await asyncio.to_thread(self._leave, path, aside)
        except FileNotFoundError:
            return True
        if _put_at(aside) >= put_before or await still_wanted(sha256):
            if not path.exists():
                aside.replace(path)
            return False
        await asyncio.to_thread(aside.unlink)
        return True

    def _leave(self, path: Path, aside: Path) -> None:
        self._leaving.mkdir(parents=True, exist_ok=True)
        path.replace(aside)

    async def contents(self) -> AsyncIterator[Content]:
        """Yield every file; those left aside by a crash are put back first."""
        await asyncio.to_thread(self._take_back)
        for content in await asyncio.to_thread(lambda: list(self._walk())):
            yield content

    def _take_back(self) -> None:
        for aside in self._leaving.glob("*") if self._leaving.exists() else ():
            path = self._path(aside.name)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                aside.replace(path)

    def _walk(self) -> Iterator[Content]:
        for path in self._folder.glob("??/??/*"):
            with suppress(FileNotFoundError):
                yield Content(path.name, path.stat().st_size, _put_at(path))

    async def close(self) -> None:
        """Nothing to let go of."""


def _put_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no such thing; a rename is durable by the journal
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
