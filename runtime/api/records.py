"""``/api/{app}/records/…`` and ``/api/{app}/events``: the generated API, as a plain ASGI application (the hot path knows no framework)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from runtime.api import assignments, exports, imports
from runtime.api.approvals import INBOX, find_approval_route, list_mine
from runtime.api.automations import buttons, find_automations_route, press, runs_of_record
from runtime.api.batches import batch, batch_of_entity, delete_where, update_where
from runtime.api.events import events_body, feed_page, page_size, stream
from runtime.api.http import (
    ACTOR_ID,
    JSON_TYPE,
    REQUEST_ID,
    ROUTE,
    SAFE_METHODS,
    VIEW_AS,
    Header,
    Receive,
    Scope,
    Send,
    find_header,
    parse_query,
    read_body,
    request_language,
    require_json,
    require_same_origin,
    send_reply,
)
from runtime.api.openapi import app_openapi
from runtime.api.pipelines import find_stage_route
from runtime.api.reports import aggregate, aggregate_string
from runtime.api.rights import OVERRIDE, explain, view_as, with_override
from runtime.api.timers import find_timer_route
from runtime.api.trash import find_trash_route, list_duplicates, list_merges, merge, restore
from runtime.api.views import change_view, create_view, delete_view, get_view, list_views
from runtime.api.writes import create, delete, update
from runtime.identity.actors import Actor, Credential, find_credential
from runtime.query.kept import TEXT_BYTES, Kept
from runtime.query.request import ListRequest, read_members, read_parameters, read_query_string
from runtime.records.caller import Caller, Door, StaleIdentity
from runtime.records.events import read_position
from runtime.services import Services

JSON = Any
_NOTHING_SPECIAL = ListRequest()
_ROOMS = frozenset(
    {"records", "batch", "events", "views", "approvals", "automations", "pools", "imports", "exports", "openapi.json"}
)
Handler = Callable[["Exchange"], Awaitable[None]]

_IF_MATCH = re.compile(r'(?:W/)?"(\d{1,15})"|(\d{1,15})', re.ASCII)  # proxies that compress make an ETag weak


class RecordsApi:
    """Finds the handler of a path and runs it for a recognised caller."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self.records = services.records
        self.batches = services.batches
        self.trash = services.trash
        self.merges = services.merges
        self.pipelines = services.pipelines
        self.approvals = services.approvals
        self.timers = services.timers
        self.automations = services.automations
        self.hooks = services.hooks
        self.assignments = services.assignments
        self.imports = services.imports
        self.exports = services.exports
        self.authenticator = services.authenticator
        self.origin = settings.public_url
        self.cors_origins = settings.cors_origins
        self.body_bytes = settings.body_bytes
        self.language: Language = settings.language
        self.requests: Kept[ListRequest] = Kept()

    @staticmethod
    def owns(path: str) -> bool:
        """Tell whether a path belongs to this application."""
        parts = path.split("/", 4)
        return path == INBOX or (len(parts) > 3 and parts[1] == "api" and parts[3] in _ROOMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(self, scope, receive, send)
        handlers = _find_route(exchange)
        handler = handlers.get(scope["method"])
        if handler is None:
            raise Problem("request.method", extra={"allow": sorted(handlers)})
        for _ in range(3):
            await exchange.recognise()
            try:
                await handler(exchange)
            except StaleIdentity:
                continue  # a right changed since: ask again who this is
            return
        raise Problem("service.unavailable", retry_after_seconds=1)


class Exchange:
    """One request: its parts, and ways to answer."""

    __slots__ = (
        "_body",
        "api",
        "app",
        "caller",
        "credential",
        "entity",
        "part",
        "receive",
        "recognised",
        "record_id",
        "scope",
        "send",
    )

    def __init__(self, api: RecordsApi, scope: Scope, receive: Receive, send: Send) -> None:
        self.api = api
        self.scope = scope
        self.receive = receive
        self.send = send
        self.app = self.entity = self.record_id = self.part = ""
        self.caller: Caller  # known before any handler runs
        self.credential: Credential | None = None
        self.recognised: Actor | None = None
        self._body: bytes | None = None

    async def recognise(self) -> None:
        """Learn who asks. A remembered actor is used at once; the statement that follows says whether it is still true."""
        authenticator = self.api.authenticator
        credential = find_credential(find_header(self.scope, b"authorization"), find_header(self.scope, b"cookie"))
        self.credential = credential
        if credential is None:
            raise Problem("auth.required", say("请先登录,或带上令牌", "Log in first, or send a token"))
        if credential.by_cookie and self.scope["method"] not in SAFE_METHODS:
            require_same_origin(self.scope, self.api.origin, self.api.cors_origins)
        known = authenticator.remembered(credential)
        if known is None or self.recognised is known.actor:
            await authenticator.identify(credential)
            known = authenticator.remembered(credential)
        if known is None:
            raise Problem(
                "auth.required",
                say("登录凭据无效、已过期或已撤销", "The credentials are not valid, expired or revoked"),
            )
        self.recognised = known.actor
        self.caller = Caller(known.actor, self.scope[REQUEST_ID], "rest", known.epoch)
        self.scope[ACTOR_ID] = known.actor.username
        if (reason := find_header(self.scope, OVERRIDE)) is not None:
            self.caller = with_override(self.caller, reason)
        if (other := find_header(self.scope, VIEW_AS)) is not None:
            self.caller = await view_as(self.api.authenticator, known.actor, self.app, self.scope, other)

    async def recognise_again(self) -> None:
        """Make sure that who asked is still known, later in a long exchange."""
        if self.credential is None or self.api.authenticator.remembered(self.credential) is None:
            await self.recognise()

    def through(self, door: Door) -> Caller:
        """Return the caller, coming through another door."""
        return replace(self.caller, door=door)

    @property
    def sent(self) -> bytes:
        """The body, as far as it was read."""
        return self._body or b""

    async def content(self, limit: int) -> bytes:
        """Return a body that is no JSON, read once."""
        if self._body is None:
            self._body = await read_body(self.receive, limit)
        return self._body

    async def json(self, *, optional: bool = False) -> JSON:
        """Return the body, read once; an optional one that is not there is an empty object."""
        if self._body is None:
            if not optional or find_header(self.scope, b"content-type") is not None:
                require_json(self.scope)
            self._body = await read_body(self.receive, self.api.body_bytes)
            if self._body and optional:
                require_json(self.scope)
        return {} if optional and not self._body else parse_json(self._body)

    def list_request(self) -> ListRequest:
        """Return what the query string asks for. Front ends ask for the same again and again, so it is read once."""
        text: bytes = self.scope["query_string"]
        if not text:
            return _NOTHING_SPECIAL
        kept = self.api.requests.find(text)
        if kept is not None:
            return kept
        request = read_query_string(parse_query(self.scope))
        if len(text) > TEXT_BYTES:
            return request
        return self.api.requests.keep(text, replace(request, text=text))

    def if_match(self) -> int | None:
        """Return the revision of ``If-Match``; None if the header is missing or ``*``.

        Raises:
            Problem: ``request.header``.
        """
        header = find_header(self.scope, b"if-match")
        if header is None or header.strip() == "*":
            return None
        found = _IF_MATCH.fullmatch(header.strip())
        if found is None:
            detail = say('If-Match 应是一个 ETag,如 "3"', 'If-Match takes one ETag such as "3"')
            raise Problem("request.header", detail)
        return int(found[1] or found[2])

    def wants_nothing_back(self) -> bool:
        """Tell whether the caller asked for ``Prefer: return=minimal``."""
        return "return=minimal" in (find_header(self.scope, b"prefer") or "")

    async def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """Send JSON."""
        await send_reply(self.send, status, (JSON_TYPE, *headers), body)


def _find_route(x: Exchange) -> dict[str, Handler]:
    path: str = x.scope["path"]
    raw: bytes = x.scope.get("raw_path") or b""
    if b"%" in raw:  # split before it is decoded: a slash that was written as %2F belongs to a name
        parts = [unquote(part) for part in raw.decode("ascii", "replace").split("/")[2:]]
    else:
        parts = path.split("/")[2:]
    if path == INBOX:
        x.scope[ROUTE] = INBOX
        return {"GET": list_mine}
    x.app = parts[0]
    if (
        len(parts) in (3, 4) and parts[1] == "records"
    ):  # what is asked for all day: no other room has so short a path there
        return _find_records_route(x, parts[2:])
    handlers = _find_room_route(x, parts[1:])
    if handlers is not None:
        return handlers
    match parts[1:]:
        case ["openapi.json" | "batch" | "events" | "views" as name]:
            x.scope[ROUTE] = f"/api/{{app}}/{name}"
            return _OF_APP[name]
        case ["events", "stream"]:
            x.scope[ROUTE] = "/api/{app}/events/stream"
            return {"GET": stream}
        case ["views", view_id]:
            x.record_id, x.scope[ROUTE] = view_id, "/api/{app}/views/{id}"
            return {"GET": get_view, "PATCH": change_view, "DELETE": delete_view}
        case ["records", *rest]:
            return _find_records_route(x, rest)
    raise Problem("route.not_found")


def _find_room_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    rooms = (
        find_approval_route,
        find_automations_route,
        assignments.find_pool_route,
        imports.find_import_route,
        exports.find_export_route,
    )
    return next((handlers for find in rooms if (handlers := find(x, parts)) is not None), None)


def _find_records_route(x: Exchange, parts: list[str]) -> dict[str, Handler]:
    match parts:
        case [entity]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}"
            return {"GET": _list, "POST": create, "PATCH": update_where, "DELETE": delete_where}
        case [entity, "query"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/query"
            return {"POST": _query}
        case [entity, "aggregate"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/aggregate"
            return {"GET": aggregate_string, "POST": aggregate}
        case [entity, "import"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/import"
            return {"POST": imports.begin}
        case [entity, "export"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/export"
            return {"POST": exports.begin}
        case [entity, "batch"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/batch"
            return {"POST": batch_of_entity}
        case [entity, record_id, *rest] if record_id != "trash" and (own := _find_record_route(rest)) is not None:
            x.entity, x.record_id, x.part = entity, record_id, rest[-1] if rest else ""
            x.scope[ROUTE] = "/api/{app}/records/{entity}/{id}" + own[0]
            return own[1]
    handlers = find_trash_route(x, parts) or find_stage_route(x, parts) or find_timer_route(x, parts)
    if handlers is None:
        raise Problem("route.not_found")
    return handlers


def _find_record_route(parts: list[str]) -> tuple[str, dict[str, Handler]] | None:
    if len(parts) == 2 and parts[0] == "actions":
        return "/actions/{automation}", {"POST": press}
    found = _OF_RECORD.get("/".join(parts))
    return None if found is None else (f"/{parts[0]}" if parts else "", found)


# -- reads ----------------------------------------------------------------------------------------------------------------


async def _get(x: Exchange) -> None:
    request = x.list_request()
    if request is not _NOTHING_SPECIAL and request != ListRequest(fields=request.fields, expand=request.expand):
        detail = say("读取一条记录只接受 fields 和 expand", "A single record takes only fields and expand")
        raise Problem("query.invalid", detail)
    found = await x.api.records.get(x.caller, x.app, x.entity, x.record_id, request.fields, request.expand)
    meta = b',"meta":' + dump_json({"pending": found.pending}) if found.pending else b""
    await x.answer(200, b'{"data":' + found.body + meta + b"}", _etag(found.revision))


async def _list(x: Exchange) -> None:
    await _answer_list(x, x.list_request())


async def _query(x: Exchange) -> None:
    await _answer_list(x, read_members(await x.json()))


async def _answer_list(x: Exchange, request: ListRequest) -> None:
    page = await x.api.records.list_page(x.caller, x.app, x.entity, request)
    meta: dict[str, JSON] = {"next_cursor": page.next_cursor}
    if request.page is not None:
        meta["page"] = request.page
    if page.counted is not None:
        meta |= {"count": page.counted.number, "count_is": page.counted.kind}
    if page.pending:
        meta["pending"] = page.pending
    await x.answer(200, b'{"data":[' + page.listed + b'],"meta":' + dump_json(meta) + b"}")


async def _openapi(x: Exchange) -> None:
    published = await x.api.records.current(x.caller, x.app)
    language = request_language(x.scope, published.app.definition.app.language)
    await x.answer(200, dump_json(app_openapi(published.app, language)), (b"vary", b"Accept-Language"))


async def _timeline(x: Exchange) -> None:
    members = read_parameters(parse_query(x.scope), ("before", "limit"))
    position = read_position(members.get("before"), "before")
    page = await x.api.records.timeline(
        x.caller, x.app, x.entity, x.record_id, position.id or None, page_size(members.get("limit"))
    )
    before = page.last.text() if page.last else None
    await x.answer(200, events_body(page.events, {"before": before}))


def _etag(revision: int) -> Header:
    return (b"etag", b'"%d"' % revision)


_OF_APP: Mapping[str, dict[str, Handler]] = {
    "openapi.json": {"GET": _openapi},
    "batch": {"POST": batch},
    "events": {"GET": feed_page},
    "views": {"GET": list_views, "POST": create_view},
}
_OF_RECORD: Mapping[str, dict[str, Handler]] = {
    "": {"GET": _get, "PATCH": update, "DELETE": delete},
    "restore": {"POST": restore},
    "duplicates": {"GET": list_duplicates},
    "merge": {"POST": merge},
    "merges": {"GET": list_merges},
    "explain": {"GET": explain},
    "timeline": {"GET": _timeline},
    "runs": {"GET": runs_of_record},
    "actions": {"GET": buttons},
    "assignments": {"GET": assignments.explain},
    "claim": {"POST": assignments.claim},
    "release": {"POST": assignments.release},
}
