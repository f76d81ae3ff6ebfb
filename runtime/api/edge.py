"""The edge: one ASGI layer around everything. What must hold for every answer is done here and nowhere else.

Request id, limits of address, body and time, cross-origin rules, security headers, one log line and the counts of each request;
and whatever an application raises becomes a problem document. Cost: one object per request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from time import perf_counter

from builder.kernel.ids import Ids
from builder.kernel.limits import URL_BYTES
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from runtime.api.cors import Cors
from runtime.api.deadlines import Deadlines
from runtime.api.http import (
    ACTOR_ID,
    REQUEST_ID,
    ROUTE,
    Application,
    Header,
    Message,
    Receive,
    Scope,
    Send,
    body_too_large,
    find_header,
    headers_of,
    is_upload,
    request_language,
    send_reply,
)
from runtime.api.problems import client_left, is_unexpected, problem_of, problem_reply
from runtime.files.incoming import too_large
from runtime.observe.logs import Log, RequestLine
from runtime.observe.metrics import Metrics
from runtime.settings import Settings

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_CLIENT_LEFT = 499  # nginx's number for a client that closed first; never on the wire
_PATH_SHOWN = 500
_FORM_BYTES = 128 * 1024
"""What a form may add around a file."""
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
_UNMATCHED = "unmatched"

_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE: Header = (b"cache-control", b"no-store")
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CHOSEN = frozenset({_POLICY[0], _NO_STORE[0]})
"""Headers for which an answer may have its own value."""
_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")


class Edge:
    """The outermost application."""

    def __init__(self, app: Application, *, settings: Settings, ids: Ids, log: Log, metrics: Metrics) -> None:
        self.app = app
        self.ids = ids
        self.log = log
        self.metrics = metrics
        self.language: Language = settings.language
        self.body_bytes = settings.body_bytes
        self.file_bytes = settings.file_bytes
        self.upload_bytes = settings.file_bytes + _FORM_BYTES
        self.deadlines = Deadlines(settings.request_seconds)
        self.cors = Cors(settings.cors_origins)
        self.headers: tuple[Header, ...] = (*_ALWAYS, *([_HSTS] if settings.https else []))
        self.usual_headers: tuple[Header, ...] = (*self.headers, _POLICY, _NO_STORE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "http":
            await _Exchange(self, scope, receive, send).run()
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    __slots__ = ("body_bytes", "edge", "inner_receive", "inner_send", "request_id", "scope", "status")

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge = edge
        self.scope = scope
        self.inner_receive = receive
        self.inner_send = send
        self.status = 0
        self.body_bytes = 0
        self.request_id = scope[REQUEST_ID] = self._choose_id()

    def _choose_id(self) -> str:
        given = headers_of(self.scope).get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return str(given, "ascii")
        return self.edge.ids.record_id()

    async def run(self) -> None:
        started = perf_counter()
        edge = self.edge
        edge.metrics.in_flight += 1
        try:
            self._refuse_too_large()
            if self.scope["method"] != "OPTIONS" or not await self._answer_preflight():
                if not is_upload(self.scope):  # those watch over their own time
                    edge.deadlines.begin(self)
                await edge.app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not edge.deadlines.take_back(self):
                raise
            await self._fail(TimeoutError())
        except Exception as error:  # noqa: BLE001 - this is the place where every failure becomes an answer
            await self._fail(error)
        finally:
            edge.deadlines.forget(self)
            edge.metrics.in_flight -= 1
            self._note(perf_counter() - started)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _refuse_too_large(self) -> None:
        scope = self.scope
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > URL_BYTES:
            raise Problem(
                "limit.url", say(f"地址超过 {URL_BYTES} 字节", f"The address is longer than {URL_BYTES} bytes")
            )
        if "\x00" in scope["path"]:  # names nothing, and PostgreSQL could not even look for it
            raise Problem("route.not_found")
        declared = find_header(scope, b"content-length")
        if declared is None:
            return
        if not (declared.isascii() and declared.isdigit()):
            raise Problem("request.header", say("Content-Length 不是数字", "Content-Length is not a number"))
        if len(declared) > 18 or int(declared) > self._limit():
            raise self._too_large()

    def _too_large(self) -> Problem:
        if is_upload(self.scope):
            return too_large(self.edge.file_bytes)
        return body_too_large(self.edge.body_bytes)

    def _limit(self) -> int:
        return self.edge.upload_bytes if is_upload(self.scope) else self.edge.body_bytes

    async def _answer_preflight(self) -> bool:
        headers = self.edge.cors.preflight(self.scope)
        if headers is None:
            return False
        await send_reply(self._pass_on, 204, headers)
        return True

    async def receive(self) -> Message:
        """Pass on a part of the body, counting."""
        message = await self.inner_receive()
        body = message.get("body")
        if body:
            self.body_bytes += len(body)
            if self.body_bytes > self.edge.body_bytes and self.body_bytes > self._limit():
                raise self._too_large()
        return message

    # -- answers -------------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Pass on a part of the application's answer; once it has begun it may stream as long as it likes."""
        if message["type"] == "http.response.start":
            self.edge.deadlines.end(self)
            self._begin(message)
        await self.inner_send(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        await self.inner_send(message)

    def _begin(self, message: Message) -> None:
        self.status = message["status"]
        headers: Sequence[Header] = message.get("headers") or ()
        names = {name for name, _ in headers}
        if names.isdisjoint(_CHOSEN):
            complete = [*headers, *self.edge.usual_headers, (b"x-request-id", self.request_id.encode())]
        else:
            complete = [*headers, *self.edge.headers, (b"x-request-id", self.request_id.encode())]
            complete += [header for header in (_POLICY, _NO_STORE) if header[0] not in names]
        complete += self.edge.cors.answer(self.scope)
        message["headers"] = complete

    async def _fail(self, error: Exception) -> None:
        if client_left(error):
            self.status = self.status or _CLIENT_LEFT
            return
        if is_unexpected(error):
            self.edge.metrics.failures.inc()
            self.edge.log.error("failed", request_id=self.request_id, path=self._path(), exc_info=error)
        elif not isinstance(error, Problem):
            reason = str(getattr(error, "orig", None) or error) or type(error).__name__
            self.edge.log.warning("turned away", request_id=self.request_id, path=self._path(), reason=reason)
        if self.status:
            return  # the answer has begun: all that is left is to end the connection
        language = request_language(self.scope, self.edge.language)
        status, headers, body = problem_reply(problem_of(error), language, self.request_id)
        await send_reply(self._pass_on, status, headers, body)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _path(self) -> str:
        return str(self.scope["path"])[:_PATH_SHOWN]

    def _route(self) -> str:
        named: str | None = self.scope.get(ROUTE)
        return named or getattr(self.scope.get("route"), "path", None) or _UNMATCHED

    def _note(self, seconds: float) -> None:
        route = self._route()
        self.edge.metrics.answered(self.scope["method"], route, self.status, seconds)
        self.edge.log.request(
            RequestLine(
                at="",
                request_id=self.request_id,
                method=self.scope["method"],
                path=self._path(),
                route=route,
                status=self.status,
                milliseconds=round(seconds * 1000, 2),
                client=(self.scope.get("client") or ("",))[0],
                actor=self.scope.get(ACTOR_ID),
                level="debug" if route in _QUIET_ROUTES and self.status < 400 else "info",
            )
        )
