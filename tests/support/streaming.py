"""A client of streams that never ends by itself: an ASGI exchange driven by hand, which can also stop reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from builder.kernel.canonical import parse_json
from runtime.api.events import CONNECTION
from runtime.app import App

JSON = Any
_PATIENCE_SECONDS = 30


class Frame(NamedTuple):
    """One event as a browser understands it; ``data`` None = nothing is told to the page, only the id moves."""

    id: str | None
    event: str | None
    data: JSON
    retry: str | None


def read_frame(text: str) -> Frame:
    """Read the lines of one frame as WHATWG HTML 9.2.6 says."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        if name:  # without a name it is a comment
            found[name] = found[name] + "\n" + value.removeprefix(" ") if name in found else value.removeprefix(" ")
    data = found.get("data")
    return Frame(found.get("id"), found.get("event"), None if data is None else parse_json(data), found.get("retry"))


class Stream:
    """One open stream."""

    def __init__(self, app: App, path: str, headers: Mapping[str, str]) -> None:
        raw, _, query = path.partition("?")
        self.status = 0
        self.headers: dict[str, str] = {}
        self.last_id: str | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.aborted = False
        self.leave: Any = None
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._text = ""
        self._left = asyncio.Event()
        self._asked = False
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": raw,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000),
            CONNECTION: self,
        }
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: App, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._parts.put_nowait(None)

    # -- what the application sees -------------------------------------------------------------------------------------

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.flowing.wait()
        self._parts.put_nowait(message.get("body", b""))

    def when_leaving(self, leave: Any) -> None:
        """The connection of a real server offers this."""
        self.leave = leave

    def abort(self) -> None:
        """And this."""
        self.aborted = True

    # -- what a test does ----------------------------------------------------------------------------------------------

    async def frame(self) -> Frame | None:
        """The next frame; None at the end."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while "\n\n" not in self._text:
                part = await self._parts.get()
                if part is None:
                    return None
                self._text += part.decode()
        text, _, self._text = self._text.partition("\n\n")
        found = read_frame(text)
        self.last_id = found.id or self.last_id
        return found

    async def event(self) -> dict[str, JSON]:
        """The next frame that a page would be told of."""
        while (found := await self.frame()) is not None:
            if found.data is not None:
                return {"event": found.event, **found.data} if found.event else dict(found.data)
        raise AssertionError("the stream is over")

    async def events(self, count: int) -> list[dict[str, JSON]]:
        """The next so many."""
        return [await self.event() for _ in range(count)]

    async def body(self) -> JSON:
        """The body of an answer that is no stream."""
        parts = []
        while (part := await self._parts.get()) is not None:
            parts.append(part)
        return parse_json(b"".join(parts))

    async def close(self) -> None:
        """Leave."""
        self._left.set()
        self.flowing.set()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self.task


@asynccontextmanager
async def streaming(app: App, path: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
    """Open a stream and read its first frame; leave it at the end."""
    stream = Stream(app, path, headers)
    try:
        first = await stream.frame()
        assert first is not None and stream.status == 200, stream.status  # noqa: PT018 - one statement: it is open
        assert first.retry
        yield stream
    finally:
        await stream.close()
