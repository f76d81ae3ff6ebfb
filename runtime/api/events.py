"""``…/events``: the feed of an app as pages, as pages that wait, and as a stream of server-sent events (WHATWG HTML 9.2)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.limits import (
    ENTITIES_PER_APP,
    EVENTS_PAGE,
    EVENTS_WAIT_SECONDS,
    STREAM_HEARTBEAT_SECONDS,
    STREAM_STALL_SECONDS,
)
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import ClientGone, Receive, find_header, parse_query, request_language
from runtime.api.problems import is_unexpected, problem_document, problem_of
from runtime.query.problems import invalid
from runtime.query.request import read_parameters
from runtime.records.caller import StaleIdentity
from runtime.records.events import Event, FeedPosition, Wanted, read_position
from runtime.records.feeds import Stretch
from runtime.records.following import Listener

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any

CONNECTION = "dougong.connection"
"""Key of ``scope`` under which a server may put the ``Connection`` of a request."""

_PAGE_DEFAULT = 100
_RETRY_MILLISECONDS = 2_000
_SENT_BYTES = 64 * 1024  # of one message: between two of them a slow client is waited for
_RECOGNITIONS = 3
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),  # a proxy that compresses would wait for more
    (b"x-accel-buffering", b"no"),
)


class Connection(Protocol):
    """What a long answer needs to know of, and may do to, the connection it goes out by."""

    def when_leaving(self, leave: Any) -> None:
        """Call ``leave()`` when the server wants to stop."""
        ...

    def abort(self) -> None:
        """End it without waiting until everything is sent."""
        ...


# -- pages ----------------------------------------------------------------------------------------------------------------


async def feed_page(x: Exchange) -> None:
    """``GET …/events``."""
    members = read_parameters(parse_query(x.scope), ("after", "limit", "entity", "record", "wait"))
    after, limit, wanted = read_position(members.get("after")), page_size(members.get("limit")), _wanted(members)
    seconds = _wait_seconds(members.get("wait"))
    stretch = await x.api.records.feeds.page(x.caller, x.app, after, limit, wanted)
    if seconds and not stretch.events:
        async with _listening(x, stretch.reached, wanted) as listener:
            await x.api.records.feeds.next(x.caller, listener, seconds)
        await x.recognise_again()
        stretch = await x.api.records.feeds.page(x.caller, x.app, stretch.reached, limit, wanted)
    meta = {"after": stretch.reached.text(), "has_more": stretch.has_more}
    await x.answer(200, events_body(stretch.events, meta))


def events_body(events: Iterable[Event], meta: Mapping[str, JSON]) -> bytes:
    """Return the body of an answer that shows events."""
    return b'{"data":[' + b",".join([event.body for event in events]) + b'],"meta":' + dump_json(meta) + b"}"


# -- streams --------------------------------------------------------------------------------------------------------------


async def stream(x: Exchange) -> None:
    """``GET …/events/stream``: until the client leaves, or may see nothing any more, or the server stops."""
    members = read_parameters(parse_query(x.scope), ("after", "entity", "record"))
    last = find_header(x.scope, b"last-event-id")  # newer than what the address says: a client that comes back
    text = last or members.get("after")
    after = read_position(text, "Last-Event-ID" if last else "after") if text else None
    async with _listening(x, after, _wanted(members)) as listener:
        await x.send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await _send(x, b"retry: %d\n%b" % (_RETRY_MILLISECONDS, _standing(listener.position)))
        try:
            while (stretch := await _next(x, listener)) is not None:
                for part in _frames(stretch):
                    await _send(x, part)
        except Exception as error:
            if is_unexpected(error):
                raise
            await _send(x, _farewell(x, error))
        await x.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _next(x: Exchange, listener: Listener) -> Stretch | None:
    for _ in range(_RECOGNITIONS):
        try:
            stretch = await x.api.records.feeds.next(x.caller, listener, STREAM_HEARTBEAT_SECONDS)
            await x.recognise_again()  # the session may have expired meanwhile
            return stretch
        except StaleIdentity:
            await x.recognise()  # a right changed since
    raise Problem("service.unavailable", retry_after_seconds=1)


def _frames(stretch: Stretch) -> Iterable[bytes]:
    """Write events, and where the client stands: without data that only moves the id it comes back with."""
    part = bytearray()
    for event in stretch.events:
        part += b"id: %b\ndata: %b\n\n" % (event.position.text().encode(), event.body)
        if len(part) > _SENT_BYTES:
            yield bytes(part)
            part.clear()
    if not stretch.events or stretch.reached != stretch.events[-1].position:
        part += _standing(stretch.reached)
    yield bytes(part)


def _standing(position: FeedPosition) -> bytes:
    return b": \nid: %b\n\n" % position.text().encode()


def _farewell(x: Exchange, error: Exception) -> bytes:
    problem = problem_of(error)
    language = request_language(x.scope, x.api.language)
    document = problem_document(problem, language, x.caller.request_id)
    return b"event: end\ndata: %b\n\n" % dump_json(document)


async def _send(x: Exchange, part: bytes) -> None:
    if not part:
        return
    try:
        async with asyncio.timeout(STREAM_STALL_SECONDS):
            await x.send({"type": "http.response.body", "body": part, "more_body": True})
    except TimeoutError:
        connection: Connection | None = x.scope.get(CONNECTION)
        if connection is not None:
            connection.abort()
            await asyncio.sleep(0)
        raise ClientGone from None


@asynccontextmanager
async def _listening(x: Exchange, after: FeedPosition | None, wanted: Wanted) -> AsyncIterator[Listener]:
    """Follow the feed until the client goes away or the server stops."""
    feeds = x.api.records.feeds
    listener = await feeds.listen(x.caller, x.app, after, wanted)
    connection: Connection | None = x.scope.get(CONNECTION)
    if connection is not None:
        connection.when_leaving(listener.close)
    watch = asyncio.create_task(_watch(x.receive, listener))
    try:
        yield listener
    finally:
        feeds.following.forget(listener)
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def _watch(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.close()


# -- parameters -----------------------------------------------------------------------------------------------------------


def page_size(text: str | None) -> int:
    """Read how many events a page shall have."""
    return _PAGE_DEFAULT if text is None else _number("limit", text, 1, EVENTS_PAGE)


def _wait_seconds(text: str | None) -> int:
    return 0 if text is None else _number("wait", text, 0, EVENTS_WAIT_SECONDS)


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        detail = say(f"{name} 是 {least} 到 {most}", f"{name} is from {least} to {most}")
        raise invalid(name, detail, maximum=most)
    return int(text)


def _wanted(members: Mapping[str, str]) -> Wanted:
    keys = frozenset(filter(None, members.get("entity", "").split(",")))
    if len(keys) > ENTITIES_PER_APP:
        raise invalid("entity", say(f"最多 {ENTITIES_PER_APP} 个实体", f"At most {ENTITIES_PER_APP} entities"))
    record = members.get("record")
    if record is None:
        return Wanted(keys)
    known = find_uuid(record)
    if known is None:
        raise invalid("record", say("record 是一条记录的 id", "record is the id of a record"))
    return Wanted(keys, known)
