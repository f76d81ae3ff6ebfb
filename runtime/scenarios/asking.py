"""Requests to an ASGI application in this process, without a network."""

from __future__ import annotations

from typing import Any, NamedTuple

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from runtime.api.http import Application, Header, Message

JSON = Any


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: JSON
    """None if there is none, or it is no JSON."""

    @property
    def code(self) -> str | None:
        """The code of the problem, if it is one."""
        return self.body.get("code") if self.status >= 400 and isinstance(self.body, dict) else None


async def ask(
    application: Application,
    method: str,
    path: str,
    token: str,
    *,
    body: JSON = None,
    content: bytes | None = None,
    headers: tuple[Header, ...] = (),
) -> Answer:
    """Send one request and return the whole answer."""
    bare, _, query = path.partition("?")
    if content is None:
        content = b"" if body is None else dump_json(body)
        headers = (*headers, (b"content-type", b"application/json")) if body is not None else headers
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"scenario"),
            (b"authorization", b"Bearer " + token.encode()),
            (b"content-length", str(len(content)).encode()),
            *headers,
        ],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent = False
    status, parts = 0, []

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            parts.append(bytes(message.get("body", b"")))

    await application(scope, receive, send)
    return Answer(status, _parse(b"".join(parts)))


def _parse(content: bytes) -> JSON:
    if content[:1] not in (b"{", b"["):
        return None
    try:
        return parse_json(content)
    except Problem:
        return None
