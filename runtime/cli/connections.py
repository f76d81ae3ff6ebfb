"""HTTP connections of our server: uvicorn's, which long answers may end at once and are told of the server's leaving."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.api.events import CONNECTION


class StreamingConnection(HttpToolsProtocol):
    """One connection. See ``runtime.api.events.Connection``."""

    _leave: Callable[[], None] | None = None

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._leave = None
        cast("MutableMapping[str, Any]", self.scope)[CONNECTION] = self

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
