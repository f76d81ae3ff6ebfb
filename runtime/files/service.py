"""Files as a service: take an upload in, say what a file is, give it out to those who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from builder.kernel.clock import Clock, instant_text
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import THUMBNAIL_SIDES
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import tables
from builder.store.database import ConstraintRefused, Database
from builder.store.statement import Query, Statement, Unit, prepare
from builder.store.types import Identifier, Words
from runtime.access.gate import FieldMap, gate
from runtime.files import images
from runtime.files.captured import captured
from runtime.files.incoming import Arrived, receive
from runtime.files.names import clean_name
from runtime.files.sniffing import is_disguised, sniff
from runtime.files.store import FileStore
from runtime.identity.actors import Actor

USED, UNUSED = "used", "unused"
_THUMBNAILS = "thumbnails"
_DRAWING = 2  # pictures decoded at a time: bounds memory


@dataclass(frozen=True)
class FileLine:
    """A file as the database knows it."""

    id: str
    app: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    uploaded_by: str | None
    created_at: datetime
    state: str
    captured_at: str | None = None
    captured_lat: str | None = None
    captured_lng: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the API shows."""
        shown = {key: getattr(self, key) for key in ("id", "name", "media_type", "bytes", "width", "height", "sha256")}
        taken = {"captured_at": self.captured_at, "captured_lat": self.captured_lat, "captured_lng": self.captured_lng}
        return {**shown, **taken, "uploaded_by": self.uploaded_by, "created_at": instant_text(self.created_at)}


_COLUMNS = tuple(FileLine.__dataclass_fields__)


class Files:
    """The files of all apps of one database."""

    def __init__(
        self, database: Database, store: FileStore, folder: Path, *, clock: Clock, ids: Ids, file_bytes: int
    ) -> None:
        self.store = store
        self.folder = folder
        self.file_bytes = file_bytes
        self._database = database
        self._clock = clock
        self._ids = ids
        self._statements: dict[str, Statement] = {}
        self._drawing = asyncio.Semaphore(_DRAWING)

    # -- taking in -----------------------------------------------------------------------------------------------------

    async def take(
        self, actor: Actor, app: str, name: str, chunks: AsyncIterator[bytes], *, most_bytes: int | None = None
    ) -> FileLine:
        """Take an upload in: it can be seen when it is whole, checked, and on the disk.

        Args:
            most_bytes: fewer than the instance takes otherwise.

        Raises:
            Problem: ``file.too_large``, ``file.empty``, ``file.disguised``, ``file.damaged``, ``file.image_too_large``, ``app.not_found``.
        """
        gate(actor, app, FieldMap({("", "", "create")}))
        await self._require_app(app)
        limit = self.file_bytes if most_bytes is None else min(most_bytes, self.file_bytes)
        async with receive(self.folder, self._ids, chunks, limit) as arrived:
            line = await self._look(actor, app, clean_name(name), arrived)
            await self.store.put(arrived.path, arrived.sha256)
        await self._note(line)
        if not await self.store.has(line.sha256):  # cleared away as unused between the two steps
            raise Problem("service.unavailable", retry_after_seconds=1)
        return line

    async def _look(self, actor: Actor, app: str, name: str, arrived: Arrived) -> FileLine:
        kind = sniff(arrived.sample, name)
        if is_disguised(name, kind):
            detail = say(
                f"文件名“{name}”与内容不符:内容是 {kind}", f'The content of "{name}" is {kind}, not what its name says'
            )
            raise Problem("file.disguised", detail, extra={"media_type": kind})
        size = await asyncio.to_thread(images.measure, arrived.path, kind)
        width, height = size if size else (None, None)
        taken = await asyncio.to_thread(captured, arrived.path, kind)
        return FileLine(
            id=self._ids.record_id(),
            app=app,
            name=name,
            media_type=kind,
            bytes=arrived.bytes,
            sha256=arrived.sha256,
            width=width,
            height=height,
            uploaded_by=actor.user_id or actor.username,
            created_at=self._clock.now(),
            state=UNUSED,
            captured_at=taken.at,
            captured_lat=taken.lat,
            captured_lng=taken.lng,
        )

    async def _note(self, line: FileLine) -> None:
        values = {name: getattr(line, name) for name in _COLUMNS} | {"state_at": line.created_at}
        columns = {c.name: sa.bindparam(c.name, type_=c.type) for c in tables.file.c}
        statement = self._prepared("insert", lambda: sa.insert(tables.file).values(columns))

        def unit() -> Unit[None]:
            yield Query(statement, values)

        try:
            await self._database.write(unit)
        except ConstraintRefused:
            raise _no_app(line.app) from None  # it was deleted meanwhile

    async def _require_app(self, app: str) -> None:
        table = tables.app
        wanted = sa.select(table.c.key).where(
            table.c.key == sa.bindparam("app", type_=Words()), table.c.published_version > 0
        )
        statement = self._prepared("app", lambda: wanted)

        def unit() -> Unit[bool]:
            return bool((yield Query(statement, {"app": app})))

        if not await self._database.read(unit, scan=False):
            raise _no_app(app)

    # -- giving out ----------------------------------------------------------------------------------------------------

    async def get(self, actor: Actor, app: str, file_id: str) -> FileLine:
        """Return a file that the actor may see: one that a record holds as that record may be seen, another only if it is its own.

        Raises:
            Problem: ``file.not_found``.
        """
        gate(actor, app, FieldMap({("", "", "select")}))
        known = find_uuid(file_id)
        line = None if known is None else await self._find(app, known)
        own = line is not None and (line.state == USED or line.uploaded_by == (actor.user_id or actor.username))
        if line is None or not own:
            raise not_found(file_id[:100])
        return line

    async def _find(self, app: str, file_id: str) -> FileLine | None:
        file = tables.file

        def make() -> sa.Select[Any]:
            here = (file.c.id == sa.bindparam("id", type_=Identifier())) & (
                file.c.app == sa.bindparam("app", type_=Words())
            )
            return sa.select(*(file.c[name] for name in _COLUMNS)).where(here)

        statement = self._prepared("find", make)

        def unit() -> Unit[list[Any] | None]:
            rows = yield Query(statement, {"id": file_id, "app": app})
            return list(rows[0]) if rows else None

        row = await self._database.read(unit, scan=False)
        if row is None:
            return None
        values = dict(zip(_COLUMNS, row, strict=True))
        return FileLine(**values | {"id": str(values["id"]), "created_at": _instant(values["created_at"])})

    async def read(self, line: FileLine, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield a part of the content.

        Raises:
            Problem: ``file.not_found`` if the content is gone from the store.
        """
        try:
            async for part in self.store.read(line.sha256, first, length):
                yield part
        except FileNotFoundError:
            raise not_found(line.id) from None

    async def thumbnail(self, line: FileLine, side: int) -> bytes:
        """Return a picture of at most ``side`` pixels each way; made once and kept in the local folder.

        Raises:
            Problem: ``file.no_thumbnail``, ``file.damaged``.
        """
        if line.media_type not in images.FORMATS or side not in THUMBNAIL_SIDES:
            sides = ", ".join(map(str, THUMBNAIL_SIDES))
            detail = say(f"只有图片有缩略图,边长可选 {sides}", f"Only pictures have thumbnails, of the sides {sides}")
            raise Problem("file.no_thumbnail", detail)
        kept = self.folder / _THUMBNAILS / line.sha256[:2] / f"{line.sha256}-{side}.webp"
        found = await asyncio.to_thread(_read_if_there, kept)
        if found is not None:
            return found
        async with self._drawing:
            content = b"".join([part async for part in self.read(line, 0, line.bytes)])
            drawn = await asyncio.to_thread(images.thumbnail, content, line.media_type, side)
        await asyncio.to_thread(_keep, kept, drawn, self._ids.record_id())
        return drawn

    def _prepared(self, name: str, make: Any) -> Statement:
        found = self._statements.get(name)
        if found is None:
            found = self._statements[name] = prepare(make(), self._database.dialect)
        return found


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _read_if_there(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _keep(path: Path, drawn: bytes, token: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{token}.part")
    fresh.write_bytes(drawn)
    fresh.replace(path)


def drop_thumbnails(folder: Path, sha256: str) -> None:
    """Remove the thumbnails of a content."""
    for path in (folder / _THUMBNAILS / sha256[:2]).glob(f"{sha256}-*.webp"):
        path.unlink(missing_ok=True)


def not_found(file_id: str) -> Problem:
    """The file does not exist (or is hidden)."""
    return Problem("file.not_found", say(f"没有文件 {file_id}", f"There is no file {file_id}"))


def _no_app(app: str) -> Problem:
    return Problem("app.not_found", say(f"没有应用 {app[:40]}", f"There is no app {app[:40]}"))
