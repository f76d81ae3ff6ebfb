"""Contents in S3-compatible storage (Amazon, MinIO, Aliyun OSS, Tencent COS): the same port as the local folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.files.store import CHUNK, Content, StillWanted
from runtime.net.s3 import S3Client, S3Error


class S3Store:
    """Contents as objects ``prefix/ab/abcd…``. An object appears when its upload is whole; the storage sees to that."""

    def __init__(self, client: S3Client, prefix: str = "") -> None:
        self._client = client
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}{sha256[:2]}/{sha256}"

    async def put(self, source: Path, sha256: str) -> None:
        """Upload the file with its hash; the storage refuses other content."""
        length = (await asyncio.to_thread(source.stat)).st_size
        try:
            await self._client.put(self._key(sha256), _parts(source), length, sha256)
        except S3Error as error:
            raise _unavailable(error) from error

    async def read(self, sha256: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield parts of the object."""
        if length <= 0:
            return
        try:
            async for part in self._client.get(self._key(sha256), first, length):
                yield part
        except S3Error as error:
            raise _unavailable(error) from error

    async def has(self, sha256: str) -> bool:
        """Tell whether the object is there."""
        try:
            return await self._client.has(self._key(sha256))
        except S3Error as error:
            raise _unavailable(error) from error

    async def remove(self, sha256: str, put_before: datetime, still_wanted: StillWanted) -> bool:
        """Delete the object if it is still old and unwanted now; uploads look again after they noted their file."""
        try:
            async for item in self._client.list(self._key(sha256)):
                if item.modified_at >= put_before:
                    return False
            if await still_wanted(sha256):
                return False
            await self._client.delete(self._key(sha256))
        except S3Error as error:
            raise _unavailable(error) from error
        return True

    async def contents(self) -> AsyncIterator[Content]:
        """Yield every object."""
        try:
            async for item in self._client.list(self._prefix):
                yield Content(item.key.rpartition("/")[2], item.bytes, item.modified_at)
        except S3Error as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


async def _parts(source: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(source.open, "rb") as file:
        while part := await asyncio.to_thread(file.read, CHUNK):
            yield part


def _unavailable(error: S3Error) -> Problem:
    detail = say(f"文件存储暂不可用:{error}", f"The file storage is not available: {error}")
    return Problem("service.unavailable", detail, retry_after_seconds=5)
