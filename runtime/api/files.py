"""``/api/{app}/files``: uploads and downloads, as a plain ASGI application that streams both ways."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import segno

from builder.fields.barcode import BarcodeField
from builder.kernel.limits import THUMBNAIL_SIDES
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.access.gate import require_actor
from runtime.api.credentials import request_actor
from runtime.api.http import (
    REQUEST_ID,
    ROUTE,
    VIEW_AS,
    ClientGone,
    Header,
    Receive,
    Scope,
    Send,
    find_header,
    parse_query,
    send_json,
    send_reply,
)
from runtime.api.multipart import multipart_file
from runtime.api.rights import view_as
from runtime.files.images import THUMBNAIL_TYPE
from runtime.files.names import disposition, name_of_disposition
from runtime.files.service import FileLine, not_found
from runtime.identity.actors import Actor
from runtime.records.caller import Caller, StaleIdentity
from runtime.services import Services

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})\Z", re.ASCII)
_IDLE_SECONDS = 30.0
UPLOAD_SECONDS = 900.0
_SANDBOX: tuple[Header, ...] = (
    (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
    (
        b"cache-control",
        b"private, no-cache",
    ),  # asked for again each time: the next at this browser may be somebody else
)


class FilesApi:
    """Finds out what is asked about a file and streams the answer."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._files = services.files

    @staticmethod
    def owns(path: str) -> bool:
        """Tell whether a path belongs to this application."""
        if "/files" not in path and not path.endswith("/qr.svg"):  # of every request this is asked first
            return False
        parts = path.split("/")
        return len(parts) > 3 and parts[1] == "api" and (parts[3] == "files" or parts[-1] == "qr.svg")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        parts = [unquote(part) for part in scope["path"].split("/")[2:]]
        method = scope["method"]
        match parts:
            case [app, "files"]:
                scope[ROUTE] = "/api/{app}/files"
                _expect_method(method, ("POST",))
                await self._upload(await self._actor_in(app, scope), app, scope, receive, send)
            case [app, "files", file_id]:
                scope[ROUTE] = "/api/{app}/files/{id}"
                _expect_method(method, ("GET", "HEAD"))
                await self._download(await self._actor_in(app, scope), app, file_id, scope, send)
            case [app, "records", entity, record_id, field, "qr.svg"]:
                scope[ROUTE] = "/api/{app}/records/{entity}/{id}/{field}/qr.svg"
                _expect_method(method, ("GET",))
                await self._draw_code((app, entity, record_id, field), scope, send)
            case _:
                raise Problem("route.not_found")

    async def _actor(self, app: str, scope: Scope) -> Actor:
        actor = require_actor(await request_actor(self._services, scope))
        other = find_header(scope, VIEW_AS)
        if other is None:
            return actor
        return require_actor((await view_as(self._services.authenticator, actor, app, scope, other)).actor)

    async def _actor_in(self, app: str, scope: Scope) -> Actor:
        """Return who asks, if the app is there for them."""
        actor = await self._actor(app, scope)
        await self._services.records.current(Caller(actor, scope[REQUEST_ID]), app)
        return actor

    # -- uploads -------------------------------------------------------------------------------------------------------

    async def _upload(self, actor: Actor, app: str, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(UPLOAD_SECONDS):  # its end is a problem limit.time
            name, chunks = await uploaded(scope, receive)
            line = await self._files.take(actor, app, name, chunks)
        await send_json(send, 201, {"data": line.as_json()}, [(b"location", f"/api/{app}/files/{line.id}".encode())])

    # -- downloads -----------------------------------------------------------------------------------------------------

    async def _download(self, actor: Actor, app: str, file_id: str, scope: Scope, send: Send) -> None:
        line = await self._files.get(actor, app, file_id)
        if line.uploaded_by != (actor.user_id or actor.username):
            caller = Caller(actor, scope[REQUEST_ID])
            if not await self._services.records.shows_file(caller, app, line.id):
                raise not_found(file_id[:100])
        side = _thumbnail_side(scope)
        etag = f'"{line.sha256}"' if side is None else f'"{line.sha256}-{side}"'
        headers: list[Header] = [*_SANDBOX, (b"etag", etag.encode())]
        if etag in _listed(find_header(scope, b"if-none-match")):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if side is not None:
            drawn = await self._files.thumbnail(line, side)
            headers += [(b"content-type", THUMBNAIL_TYPE.encode()), (b"content-disposition", b"inline")]
            await send_reply(send, 200, headers, b"" if scope["method"] == "HEAD" else drawn)
            return
        headers += [
            (b"content-type", _served_type(line).encode()),
            (b"content-disposition", disposition(line.name)),
            (b"accept-ranges", b"bytes"),
        ]
        await self._send_content(line, etag, headers, scope, send)

    async def _send_content(self, line: FileLine, etag: str, headers: list[Header], scope: Scope, send: Send) -> None:
        asked = find_header(scope, b"range")
        only_if = find_header(scope, b"if-range")
        first, length, status = 0, line.bytes, 200
        if asked is not None and only_if in (None, etag):
            part = read_range(asked, line.bytes)
            if part is not None:
                first, length, status = part[0], part[1] - part[0] + 1, 206
                headers.append((b"content-range", f"bytes {part[0]}-{part[1]}/{line.bytes}".encode()))
        headers.append((b"content-length", str(length).encode()))
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        parts = self._files.read(line, first, length)
        waiting = await anext(parts, b"")  # a content that is gone shows before the answer begins
        await send({"type": "http.response.start", "status": status, "headers": headers})
        async for part_ in parts:
            await send({"type": "http.response.body", "body": waiting, "more_body": True})
            waiting = part_
        await send({"type": "http.response.body", "body": waiting})

    # -- codes ---------------------------------------------------------------------------------------------------------

    async def _draw_code(self, place: tuple[str, str, str, str], scope: Scope, send: Send) -> None:
        app, entity, record_id, field = place
        records = self._services.records
        for _ in range(3):
            caller = Caller(await self._actor(app, scope), scope[REQUEST_ID])
            try:
                published = await records.current(caller, app)
                owner = published.app.entities.get(entity)
                definition = None if owner is None else owner.fields.get(field)
                if not isinstance(definition, BarcodeField) or definition.symbology != "qr":
                    raise Problem("route.not_found")
                found = await records.get(caller, app, entity, record_id, (field,), ())
            except StaleIdentity:
                continue
            content = json.loads(found.body)[field]
            if content is None:
                raise Problem("file.not_found", say("此字段为空,没有二维码", "The field is blank, so it has no code"))
            drawn = await asyncio.to_thread(_qr_svg, content)
            await send_reply(send, 200, [*_SANDBOX, (b"content-type", b"image/svg+xml")], drawn)
            return
        raise Problem("service.unavailable", retry_after_seconds=1)


def _qr_svg(content: str) -> bytes:
    written = io.BytesIO()
    segno.make_qr(content, error="m").save(written, kind="svg", xmldecl=False, scale=4)
    return written.getvalue()


async def uploaded(scope: Scope, receive: Receive) -> tuple[str, AsyncIterator[bytes]]:
    """Return name and content of the file that a request brings, in a form or as it is.

    Raises:
        Problem: ``request.media_type``, ``request.malformed``; ``limit.time`` while the content is read.
    """
    declared = find_header(scope, b"content-type") or ""
    if declared.lower().startswith("application/x-www-form-urlencoded"):
        detail = say("请用 multipart/form-data 或直接发送文件内容", "Send multipart/form-data, or the content itself")
        raise Problem("request.media_type", detail)
    if declared.lower().startswith("multipart/form-data"):
        return await multipart_file(declared, _body(receive))
    return name_of_disposition(find_header(scope, b"content-disposition")), _body(receive)


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the parts of a request's body; one that stands still for too long is given up."""
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Problem("limit.time", say("上传中断太久", "The upload stood still for too long")) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last place of the one range that is asked for; None for none that is understood (RFC 9110: then all is sent).

    Raises:
        Problem: ``file.range`` if nothing of it is in the file.
    """
    found = _RANGE.match(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        first, last = max(0, size - int(found[2])), size - 1
        unfit = int(found[2]) == 0
    else:
        first = int(found[1])
        last = min(int(found[2]), size - 1) if found[2] else size - 1
        if found[2] and int(found[2]) < first:
            return None
        unfit = first >= size
    if unfit:
        raise Problem("file.range", extra={"bytes": size})
    return first, last


def _thumbnail_side(scope: Scope) -> int | None:
    query = dict(parse_query(scope))
    unknown = set(query) - {"thumbnail"}
    if unknown:
        name = min(unknown)[:100]
        raise Problem("query.invalid", say(f"没有参数“{name}”", f'There is no parameter "{name}"'))
    text = query.get("thumbnail")
    if text is None:
        return None
    if text not in map(str, THUMBNAIL_SIDES):
        sides = ", ".join(map(str, THUMBNAIL_SIDES))
        raise Problem("query.invalid", say(f"thumbnail 只能是 {sides}", f"thumbnail is one of {sides}"))
    return int(text)


def _served_type(line: FileLine) -> str:
    # what a browser could run in a page is given out as bytes; the name and the record still say what it is
    runs = line.media_type in ("text/html", "image/svg+xml", "application/xml")
    served = "application/octet-stream" if runs else line.media_type
    return f"{served}; charset=utf-8" if served.startswith("text/") else served


def _listed(header: str | None) -> set[str]:
    return {part.strip().removeprefix("W/") for part in (header or "").split(",")}


def _expect_method(method: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        extra: dict[str, Any] = {"allow": list(allowed)}
        raise Problem("request.method", extra=extra)
