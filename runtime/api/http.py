"""Small tools of HTTP that the FastAPI routes and the raw ASGI applications share. No framework in here.

An ASGI application answers with ``send_reply`` and lets problems rise: the edge turns whatever is raised into an answer.
Keys that the edge puts into ``scope``: ``REQUEST_ID``. Keys that an application may put there: ``ROUTE`` (the template of its route,
such as ``/api/{app}/records/{entity}``, for metrics and the log) and ``ACTOR_ID`` (who asked, for the log).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from builder.kernel.canonical import JSON, dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import Language, pick_language, say

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

REQUEST_ID = "dougong.request_id"
ROUTE = "dougong.route"
ACTOR_ID = "dougong.actor_id"
_HEADERS = "dougong.headers"

VIEW_AS = b"dougong-view-as"
"""The header by which an admin reads as another person: a user id."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
JSON_TYPE: Header = (b"content-type", b"application/json")
_QUERY_PAIRS = 1_000
_LANGUAGE_BYTES = 1_000


def is_upload(scope: Scope) -> bool:
    """Tell whether a request brings a file: it may be larger and take longer than others, within limits of its own."""
    if scope["method"] != "POST":
        return False
    match scope["path"].split("/"):
        case ["", "api", _, "files"] | ["", "api", _, "forms", _, "files"]:
            return True
    return False


class ClientGone(Exception):
    """The client closed the connection before its request was complete: there is nobody to answer."""


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the first value of each header; made once per request, since most lookups are for headers that are not there."""
    found: Mapping[bytes, bytes] | None = scope.get(_HEADERS)
    if found is None:
        found = scope[_HEADERS] = dict(reversed([*scope["headers"]]))
    return found


def find_header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a header (name in lower case) as text."""
    value = headers_of(scope).get(name)
    return None if value is None else str(value, "latin-1")


def list_header(scope: Scope, name: bytes) -> list[str]:
    """Return all values of a header (name in lower case)."""
    return [str(value, "latin-1") for key, value in scope["headers"] if key == name]


def request_language(scope: Scope, default: Language) -> Language:
    """Choose the language of the answer from ``Accept-Language``."""
    wanted = find_header(scope, b"accept-language")
    return default if not wanted else pick_language(wanted[:_LANGUAGE_BYTES], default)


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a whole body of at most ``limit`` bytes.

    Raises:
        Problem: ``limit.body``.
        ClientGone: the connection ended early.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > limit:
            raise body_too_large(limit)
        return whole
    parts = []
    length = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        length += len(part)
        if length > limit:
            raise body_too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def body_too_large(limit: int) -> Problem:
    """Make the problem of a body above the limit."""
    return Problem(
        "limit.body",
        say(f"请求内容超过 {limit} 字节", f"The body is larger than {limit} bytes"),
        extra={"limit_bytes": limit},
    )


async def send_reply(send: Send, status: int, headers: Iterable[Header], body: bytes = b"") -> None:
    """Answer with a whole body; its length is added to the headers."""
    counted = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": counted})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, value: JSON, headers: Iterable[Header] = ()) -> None:
    """Answer with a JSON value."""
    await send_reply(send, status, (JSON_TYPE, *headers), dump_json(value))


def require_json(scope: Scope) -> None:
    """Refuse a body that is not declared as JSON.

    Raises:
        Problem: ``request.media_type``.
    """
    declared = find_header(scope, b"content-type")
    if not is_json(declared):
        raise not_json(declared)


def is_json(content_type: str | None) -> bool:
    """Tell whether a ``Content-Type`` is JSON (``application/json`` or ``…+json``, in UTF-8)."""
    kind, _, parameters = (content_type or "").partition(";")
    kind = kind.strip().lower()
    charset = parameters.replace(" ", "").replace('"', "").lower()
    is_utf8 = "charset=" not in charset or "charset=utf-8" in charset or "charset=utf8" in charset
    return is_utf8 and (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")))


def not_json(content_type: str | None) -> Problem:
    """Make the problem of a body that is not declared as JSON."""
    return Problem(
        "request.media_type",
        say(
            f"请求内容须声明为 Content-Type: application/json,而不是 {(content_type or '空')[:100]}",
            f"Send the body as Content-Type: application/json, not {(content_type or 'nothing')[:100]}",
        ),
    )


def parse_query(scope: Scope) -> list[tuple[str, str]]:
    """Return the pairs of the query string in their order; a name may stand more than once.

    Raises:
        Problem: ``request.malformed`` for text that is not UTF-8, or more than a thousand pairs.
    """
    text: bytes = scope["query_string"]
    if not text:
        return []
    try:
        return parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_PAIRS, separator="&"
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise Problem(
            "request.malformed", say(f"查询字符串有误:{error}", f"The query string is malformed: {error}")
        ) from None


def client_address(scope: Scope) -> str:
    """Return the network address of the client; for IPv6 the /64 network, which is one household."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def from_loopback(scope: Scope) -> bool:
    """Tell whether the client runs on this machine and is no reverse proxy that speaks for others."""
    if any(key in (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip") for key, _ in scope["headers"]):
        return False
    host = (scope.get("client") or ("",))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_same_origin(scope: Scope, own: str | None, allowed: Iterable[str] = (), *, certain: bool = True) -> None:
    """Refuse a request that another site's page made a browser send (cross-site request forgery).

    Browsers say where a request comes from in ``Sec-Fetch-Site`` (over https) and in ``Origin``; neither can be forged by a page.

    Args:
        own: the origin at which people reach the service, if it is configured; an origin at the ``Host`` called is fine too.
        allowed: further origins that may send credentials (CORS).
        certain: refuse when neither header is there, as for a request that carries a cookie.

    Raises:
        Problem: ``access.origin``.
    """
    origin = find_header(scope, b"origin")
    site = find_header(scope, b"sec-fetch-site")
    if origin is not None and (origin == own or origin in allowed):
        return
    if site is not None:
        fine = site in ("same-origin", "none")
    elif origin is not None:
        fine = _is_at(origin, find_header(scope, b"host"))
    else:
        fine = not certain
    if not fine:
        raise Problem(
            "access.origin",
            say(
                "请求来自其他网站的页面,或浏览器未说明来源",
                "The request comes from another site's page, or does not say where from",
            ),
        )


def _is_at(origin: str, host: str | None) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == (host or "").lower()
    except ValueError:
        return False
