"""``/api/{app}/records/{entity}/{id}/timers``: what is to come for a record and why, and what people say to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from builder.definition.spans import read_span
from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from runtime.api.http import ROUTE
from runtime.api.writes import carry, read_dry_run
from runtime.records.caller import Caller, Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange
    from runtime.timers.service import Timers

JSON = Any


def find_timer_route(x: Exchange, parts: list[str]) -> dict[str, Callable[[Exchange], Awaitable[None]]] | None:
    """Return the handlers by method, if the path is one of these."""
    match parts:
        case [entity, record_id, "timers"]:
            x.entity, x.record_id, x.scope[ROUTE] = entity, record_id, "/api/{app}/records/{entity}/{id}/timers"
            return {"GET": list_timers}
        case [entity, record_id, "timers", reminder, "acknowledge" | "snooze" as deed]:
            x.entity, x.record_id, x.part = entity, record_id, reminder
            x.scope[ROUTE] = f"/api/{{app}}/records/{{entity}}/{{id}}/timers/{{reminder}}/{deed}"
            return {"POST": acknowledge if deed == "acknowledge" else snooze}
    return None


def _timers(x: Exchange) -> Timers:
    return x.api.timers


async def list_timers(x: Exchange) -> None:
    """``GET …/timers``."""
    found = await _timers(x).describe(x.caller, x.app, x.entity, x.record_id)
    await x.answer(200, dump_json({"data": found}))


async def acknowledge(x: Exchange) -> None:
    """``POST …/timers/{reminder}/acknowledge``."""
    await _carry(x, lambda caller: _timers(x).acknowledge(caller, x.app, x.entity, x.record_id, x.part))


async def snooze(x: Exchange) -> None:
    """``POST …/timers/{reminder}/snooze``: ``{"for": "2 h"}`` or ``{"until": "2026-11-24T09:00:00Z"}``."""
    until = _read_until(await x.json())
    await _carry(x, lambda caller: _timers(x).snooze(caller, x.app, x.entity, x.record_id, x.part, until))


async def _carry(x: Exchange, make: Callable[[Caller], Awaitable[JSON]]) -> None:
    def render(found: JSON) -> Reply:
        return Reply(200, (("content-type", "application/json"),), dump_json({"data": found}))

    dry_run, _ = read_dry_run(x)
    await carry(x, make, render, dry_run=dry_run)


def _read_until(body: JSON) -> datetime | timedelta:
    if not isinstance(body, dict) or len(body) != 1 or not body.keys() <= {"for", "until"}:
        detail = say('应形如 {"for": "2 h"} 或 {"until": "…Z"}', 'Send {"for": "2 h"} or {"until": "…Z"}')
        raise Problem("request.malformed", detail)
    [(name, value)] = body.items()
    if name == "for":
        try:
            span = read_span(value if isinstance(value, str) else "")
        except ValueError:
            raise _wrong("for", say("应是时长,如 2 h、1 d", "Expected a length of time such as 2 h or 1 d")) from None
        if span.working or not span.amount:
            raise _wrong(
                "for", say("应是大于零、按钟表计算的时长", "Expected a length of time by the clock, above zero")
            )
        return span.length
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _wrong("until", say("应是带时区的时间", "Expected an instant with a zone"))
    return at


def _wrong(name: str, message: Text) -> Problem:
    return Problem("request.malformed", message, violations=[Violation("type", f"/{name}", message)])
