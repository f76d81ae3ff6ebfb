"""Receivers on 127.0.0.1 for what the service sends out: HTTP with scripted answers, and mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, NamedTuple

from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP

from builder.kernel.canonical import dump_json, parse_json

JSON = Any


class Received(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> JSON:
        """The body as JSON."""
        return parse_json(self.body)


class Reply(NamedTuple):
    """What is answered; ``raw`` instead of a whole answer."""

    status: int = 200
    body: JSON = None
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None


@dataclass
class HttpReceiver:
    """Takes requests, remembers them, and answers what the test says."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Reply] = lambda _: Reply(200, {"errcode": 0, "code": 0})

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(method, path, headers, body)
            self.requests.append(received)
            reply = self.answer(received)
            if reply.raw is not None:
                writer.write(reply.raw)
            else:
                content = dump_json(reply.body)
                lines = [f"HTTP/1.1 {reply.status} X", f"content-length: {len(content)}", "connection: close"]
                lines += [f"{name}: {value}" for name, value in reply.headers]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_receiver() -> AsyncIterator[HttpReceiver]:
    """Run a receiver on a free port."""
    receiver = HttpReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


class _Keeps(MessageHandler):
    def __init__(self, mails: list[Message], refuse: set[str]) -> None:
        super().__init__()
        self._mails = mails
        self._refuse = refuse

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Refuse recipients the test names."""
        if address in self._refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        """Keep a mail."""
        self._mails.append(message)


@dataclass
class MailReceiver:
    """Takes mail."""

    port: int
    mails: list[Message]
    refuse: set[str]


@asynccontextmanager
async def mail_receiver() -> AsyncIterator[MailReceiver]:
    """Run a mail server on a free port."""
    mails: list[Message] = []
    refuse: set[str] = set()
    keeps = _Keeps(mails, refuse)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(keeps, hostname="mail.test"), "127.0.0.1", 0)
    async with server:
        yield MailReceiver(server.sockets[0].getsockname()[1], mails, refuse)
