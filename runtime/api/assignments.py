"""``…/assignments``, ``…/claim``, ``…/release`` of records, and ``/api/{app}/pools/{rule}``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import ROUTE, request_language
from runtime.api.writes import carry, read_dry_run
from runtime.records.caller import Caller, Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange, Handler

JSON = Any
_REASON_LENGTH = 500


def find_pool_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Return the handlers of a path below ``/api/{app}/pools``; None: it is another."""
    if len(parts) != 2 or parts[0] != "pools":
        return None
    x.part, x.scope[ROUTE] = parts[1], "/api/{app}/pools/{rule}"
    return {"GET": _list_pool}


async def explain(x: Exchange) -> None:
    """``GET …/records/{entity}/{id}/assignments``: who got it and why."""
    language = request_language(x.scope, "zh")
    found = await x.api.assignments.explain(x.caller, x.app, x.entity, x.record_id, language)
    await x.answer(200, dump_json({"data": found}), (b"vary", b"Accept-Language"))


async def claim(x: Exchange) -> None:
    """``POST …/records/{entity}/{id}/claim``."""
    await _carry(x, lambda caller: x.api.assignments.claim(caller, x.app, x.entity, x.record_id))


async def release(x: Exchange) -> None:
    """``POST …/records/{entity}/{id}/release`` with ``{"reason"}``."""
    body = await x.json()
    reason = body.get("reason") if isinstance(body, dict) and set(body) == {"reason"} else None
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= _REASON_LENGTH:
        raise Problem("request.malformed", say('应形如 {"reason": "…"}', 'Send {"reason": "…"}'))
    await _carry(x, lambda caller: x.api.assignments.release(caller, x.app, x.entity, x.record_id, reason.strip()))


async def _carry(x: Exchange, make: Callable[[Caller], Awaitable[None]]) -> None:
    dry_run, _ = read_dry_run(x)
    await carry(x, make, lambda _: Reply(204, (), b""), dry_run=dry_run)


async def _list_pool(x: Exchange) -> None:
    found = await x.api.assignments.list_pool(x.caller, x.app, x.part)
    await x.answer(200, dump_json({"data": found}))
