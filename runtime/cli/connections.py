"""HTTP connections of our server: uvicorn's, which long answers may end at once, which are told of the server's leaving, and
which wait for a request's head only so long (uvicorn waits for ever, and a connection costs memory and a descriptor)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.api.events import CONNECTION


class StreamingConnection(HttpToolsProtocol):
    """One connection. See ``runtime.api.events.Connection``.

    Args:
        head_seconds: how long a client may take for the head of a request, and for beginning with the first one.
    """

    def __init__(self, *args: Any, head_seconds: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_seconds = head_seconds
        self._patience: asyncio.TimerHandle | None = None
        self._in_head = False
        self._leave: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """A client connected."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request came. Most heads come in one piece, and then there is nothing to wait for."""
        super().data_received(data)
        if self._in_head and self._patience is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._leave = None
        cast("MutableMapping[str, Any]", self.scope)[CONNECTION] = self

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._have_head()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(self._head_seconds, self.abort)

    def _have_head(self) -> None:
        self._in_head = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def when_leaving(self, leave: Callable[[], None]) -> None:
        """Call ``leave()`` when the server wants to stop."""
        self._leave = leave

    def shutdown(self) -> None:
        """The server wants to stop."""
        super().shutdown()
        if self._leave is not None:
            self._leave()

    def abort(self) -> None:
        """End the connection without waiting until everything is sent."""
        self.transport.abort()
