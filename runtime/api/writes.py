"""Writes of one record, and what all writing routes share: ``dry_run``, ``Idempotency-Key`` and ``Prefer``."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import IDEMPOTENCY_KEY_LENGTH
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import find_header, parse_query, send_reply
from runtime.query.request import read_parameters
from runtime.records.caller import Caller, Door, Once, Reply
from runtime.records.once import AnsweredBefore, Rehearsed

if TYPE_CHECKING:
    from runtime.api.records import Exchange
    from runtime.records.written import Written

JSON = Any
T = TypeVar("T")

_KEY = re.compile(rf"[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_LENGTH}}}", re.ASCII)
_EFFECT_IDS = 10
MINIMAL = ("preference-applied", "return=minimal")
REPLAYED = ("idempotency-replayed", "true")


async def carry(
    x: Exchange,
    make: Callable[[Caller], Awaitable[T]],
    render: Callable[[T], Reply],
    *,
    dry_run: bool,
    door: Door = "rest",
) -> None:
    """Carry a write out and answer it: once for its key, or only tried."""
    caller = caller_of(x, render, dry_run=dry_run, door=door)
    try:
        reply = render(await make(caller))
    except AnsweredBefore as before:
        reply = before.reply._replace(headers=(*before.reply.headers, REPLAYED))
    except Rehearsed as rehearsed:
        reply = _rehearsed(render(rehearsed.result), rehearsed)
    await send_reply(x.send, reply.status, [(n.encode(), v.encode()) for n, v in reply.headers], reply.body)


def caller_of(
    x: Exchange, render: Callable[[Any], Reply], *, dry_run: bool, door: Door = "rest", part: str = ""
) -> Caller:
    """Return the caller of a write, with what is asked of it besides.

    Args:
        part: names one of several writes of a request that are carried out each by itself; each has a key of its own then.
    """
    once = _once(x, render)
    if once is not None and part:
        once.key = hashlib.sha256(f"{once.key} {part}".encode()).hexdigest()
    return replace(x.caller, door=door, dry_run=dry_run, once=None if dry_run else once)


def _once(x: Exchange, render: Callable[[Any], Reply]) -> Once | None:
    key = find_header(x.scope, b"idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        detail = say(
            f"Idempotency-Key 应是 1 到 {IDEMPOTENCY_KEY_LENGTH} 个可见的 ASCII 字符",
            f"Idempotency-Key takes 1 to {IDEMPOTENCY_KEY_LENGTH} visible ASCII characters",
        )
        raise Problem("request.header", detail)
    headers = "\n".join(find_header(x.scope, name) or "" for name in (b"if-match", b"prefer"))
    place = f"{x.scope['method']} {x.scope['path']}"
    parts = (place.encode(), x.scope["query_string"], headers.encode(), x.sent)
    return Once(key, hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest(), render)


def _rehearsed(reply: Reply, rehearsed: Rehearsed) -> Reply:
    """Return the answer of a write that was only tried: what it would be, and what else would happen."""
    effects: dict[tuple[str, str], list[str]] = {}
    for event in rehearsed.events:
        effects.setdefault((event["entity"], event["kind"]), []).append(event["record_id"])
    started = Counter((run["automation"], run["state"]) for run in rehearsed.started)
    meta = {
        "dry_run": True,
        "status": reply.status,
        "effects": [
            {"entity": entity, "kind": kind, "count": len(ids), "ids": ids[:_EFFECT_IDS]}
            for (entity, kind), ids in effects.items()
        ],
        "automations": [{"automation": key, "state": state, "count": count} for (key, state), count in started.items()],
    }
    headers = tuple(header for header in reply.headers if header[0] not in ("location", "etag", "content-type"))
    document: dict[str, JSON] = parse_json(reply.body) if reply.body else {}
    document["meta"] = {**document.get("meta", {}), **meta}
    return Reply(200, (("content-type", "application/json"), *headers), dump_json(document))


def read_dry_run(x: Exchange, *others: str) -> tuple[bool, Mapping[str, str]]:
    """Return whether ``dry_run=true`` is asked for, and the values of other parameters; unknown ones are refused."""
    if not x.scope["query_string"]:
        return False, {}
    members = read_parameters(parse_query(x.scope), ("dry_run", *others))
    given = members.get("dry_run", "false")
    if given not in ("true", "false"):
        raise Problem("query.invalid", say("dry_run 只能是 true 或 false", "dry_run is true or false"))
    return given == "true", members


async def create(x: Exchange) -> None:
    """``POST …/records/{entity}``."""
    dry_run, _ = read_dry_run(x)
    body = await x.json()

    def render(written: Written) -> Reply:
        place = f"/api/{x.app}/records/{x.entity}/{written.record['id']}"
        reply = written_reply(x, 201, written, ("location", place))
        if not written.duplicates or not reply.body:
            return reply
        warning = dump_json({"duplicates": written.duplicates})
        return reply._replace(body=reply.body[:-1] + b',"meta":' + warning + b"}")

    await carry(x, lambda caller: x.api.records.create(caller, x.app, x.entity, body), render, dry_run=dry_run)


async def update(x: Exchange) -> None:
    """``PATCH …/records/{entity}/{id}``."""
    dry_run, _ = read_dry_run(x)
    if_match, body = x.if_match(), await x.json()
    await carry(
        x,
        lambda caller: x.api.records.update(caller, x.app, x.entity, x.record_id, body, if_match),
        lambda written: written_reply(x, 200, written),
        dry_run=dry_run,
    )


async def delete(x: Exchange) -> None:
    """``DELETE …/records/{entity}/{id}``."""
    dry_run, _ = read_dry_run(x)
    if_match = x.if_match()
    await carry(
        x,
        lambda caller: x.api.records.delete(caller, x.app, x.entity, x.record_id, if_match),
        lambda _: Reply(204, (), b""),
        dry_run=dry_run,
    )


def written_reply(x: Exchange, status: int, written: Written, *headers: tuple[str, str]) -> Reply:
    """Return the answer that shows a record that was written, or only says so."""
    etag = ("etag", f'"{written.revision}"')
    if x.wants_nothing_back():
        return Reply(204 if status == 200 else status, (etag, *headers, MINIMAL), b"")
    return Reply(status, (("content-type", "application/json"), etag, *headers), b'{"data":' + written.body + b"}")
