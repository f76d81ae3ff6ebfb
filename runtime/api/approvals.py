"""``/api/approvals``, ``/api/{app}/approvals…``, ``…/{id}/approvals``: what waits for people, and their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.limits import PAGE_RECORDS, PAGE_RECORDS_DEFAULT
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from runtime.api.http import ROUTE, Header, parse_query, request_language
from runtime.api.problems import in_language
from runtime.api.writes import carry, read_dry_run
from runtime.approvals.listing import FOLDERS, Folder
from runtime.approvals.service import ACTS
from runtime.query.problems import invalid
from runtime.query.request import read_parameters
from runtime.records.caller import Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any
Handler = Callable[["Exchange"], Awaitable[None]]
INBOX = "/api/approvals"
_VARY: Header = (b"vary", b"Accept-Language")
_COMMENT_LENGTH = 2_000


def find_approval_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Find the handlers of a path below an app that is about approvals; None if it is not."""
    match parts:
        case ["approvals"]:
            x.scope[ROUTE] = "/api/{app}/approvals"
            return {"GET": list_mine}
        case ["approvals", approval_id]:
            x.part, x.scope[ROUTE] = approval_id, "/api/{app}/approvals/{id}"
            return {"GET": get_approval}
        case ["approvals", approval_id, act] if act in ACTS:
            x.part, x.record_id, x.scope[ROUTE] = approval_id, act, "/api/{app}/approvals/{id}/{act}"
            return {"POST": answer}
        case ["records", entity, record_id, "approvals"]:
            x.entity, x.record_id, x.scope[ROUTE] = entity, record_id, "/api/{app}/records/{entity}/{id}/approvals"
            return {"GET": list_of_record, "POST": ask}
    return None


async def list_mine(x: Exchange) -> None:
    """``GET /api/approvals`` and ``GET …/approvals``: ``state=open`` (what waits for me), ``done``, ``asked``."""
    members = read_parameters(parse_query(x.scope), ("state", "before", "limit"))
    folder = _folder(members.get("state", "open"))
    before = members.get("before")
    if before is not None and find_uuid(before) is None:
        raise invalid("before", say("before 应是上次答案给出的值", "before is what the last answer gave"))
    limit = _limit(members.get("limit"))
    found = await x.api.approvals.mine(x.caller, folder, x.app or None, before, limit)
    last = (found[-1]["id"] if folder == "asked" else found[-1]["task_id"]) if len(found) == limit else None
    await _answer(x, 200, found, meta={"before": last})


async def list_of_record(x: Exchange) -> None:
    """``GET …/{id}/approvals``."""
    await _answer(x, 200, await x.api.approvals.of_record(x.caller, x.app, x.entity, x.record_id))


async def get_approval(x: Exchange) -> None:
    """``GET …/approvals/{id}``."""
    await _answer(x, 200, await x.api.approvals.get(x.caller, x.app, x.part))


async def ask(x: Exchange) -> None:
    """``POST …/{id}/approvals``: ``{"approval": "contract", "comment": …}``."""
    (dry_run, _), body = read_dry_run(x), _read(await x.json(), ("approval", "comment"), needed="approval")
    key, comment = body["approval"], body.get("comment")
    await carry(
        x,
        lambda caller: x.api.approvals.start(caller, x.app, x.entity, x.record_id, key, comment),
        lambda made: _reply(x, 201, made, ("location", f"/api/{x.app}/approvals/{made['id']}")),
        dry_run=dry_run,
    )


async def answer(x: Exchange) -> None:
    """``POST …/approvals/{id}/{act}``: ``{"comment", "user_id", "task_id"}``."""
    dry_run, _ = read_dry_run(x)
    body = _read(await x.json(optional=True), ("comment", "user_id", "task_id"))
    said = body.get("comment"), body.get("user_id"), body.get("task_id")
    await carry(
        x,
        lambda caller: x.api.approvals.act(caller, x.app, x.part, x.record_id, *said),
        lambda found: _reply(x, 200, found),
        dry_run=dry_run,
    )


def _reply(x: Exchange, status: int, found: JSON, *headers: tuple[str, str]) -> Reply:
    shown = {"data": in_language(found, request_language(x.scope, x.api.language))}
    always = (("content-type", "application/json"), ("vary", "Accept-Language"))
    return Reply(status, (*always, *headers), dump_json(shown))


async def _answer(x: Exchange, status: int, found: JSON, *headers: Header, meta: JSON = None) -> None:
    shown = {"data": in_language(found, request_language(x.scope, x.api.language))}
    await x.answer(status, dump_json(shown if meta is None else {**shown, "meta": meta}), _VARY, *headers)


def _folder(text: str) -> Folder:
    for folder in FOLDERS:
        if text == folder:
            return folder
    listed = ", ".join(FOLDERS)
    raise invalid("state", say(f"state 应是 {listed} 之一", f"state is one of {listed}"))


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_RECORDS_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= PAGE_RECORDS):
        raise invalid("limit", say(f"limit 是 1 到 {PAGE_RECORDS}", f"limit is from 1 to {PAGE_RECORDS}"))
    return int(text)


def _read(body: JSON, known: tuple[str, ...], *, needed: str | None = None) -> dict[str, str]:
    """Read a body of texts.

    Raises:
        Problem: ``request.malformed`` with every member that is wrong.
    """
    if not isinstance(body, dict):
        raise Problem("request.malformed", say("请求应是 JSON 对象", "The body is a JSON object"))
    wrong: list[Violation] = []
    for name, value in body.items():
        if name not in known:
            listed = ", ".join(known)
            message = say(f"可用成员:{listed}", f"The members are {listed}")
            wrong.append(Violation("unknown", f"/{name[:100]}", message))
        elif value is not None and not (isinstance(value, str) and len(value) <= _COMMENT_LENGTH):
            message = say(f"应是最多 {_COMMENT_LENGTH} 字的文本", f"A text of at most {_COMMENT_LENGTH} characters")
            wrong.append(Violation("type", f"/{name}", message))
    if needed is not None and not body.get(needed):
        wrong.append(Violation("required", f"/{needed}", say(f"缺少“{needed}”", f'"{needed}" is missing')))
    if wrong:
        count = len(wrong)
        raise Problem("request.malformed", errors_found(count), violations=wrong)
    return {name: value for name, value in body.items() if value is not None}
