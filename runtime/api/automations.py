"""``/api/{app}/automations`` and the buttons of records: what people do with automations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from builder.kernel.clock import instant_text
from builder.kernel.limits import HOOK_FORMER_MINUTES
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from runtime.api.http import REQUEST_ID, ROUTE, client_address, parse_query, request_language, send_reply
from runtime.api.writes import carry, read_dry_run
from runtime.automations.service import run_json
from runtime.identity.audit import Origin
from runtime.query.request import read_parameters
from runtime.records.caller import Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange, Handler

JSON = Any


def find_automations_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Return the handlers of a path below ``/api/{app}/automations``; None: it is another."""
    if parts[:1] != ["automations"]:
        return None
    handlers: dict[str, Handler]
    match parts[1:]:
        case []:
            pattern, handlers = "", {"GET": _list}
        case ["runs", run_id, "retry"]:
            x.part, pattern, handlers = run_id, "/runs/{id}/retry", {"POST": _retry}
        case [key, "runs"]:
            x.part, pattern, handlers = key, "/{automation}/runs", {"GET": _runs}
        case [key, ("test" | "enable" | "disable" | "secret") as deed]:
            x.part, pattern = key, f"/{{automation}}/{deed}"
            handlers = {"POST": {"test": _test, "enable": _enable, "disable": _disable, "secret": _secret}[deed]}
        case _:
            return None
    x.scope[ROUTE] = "/api/{app}/automations" + pattern
    return handlers


async def buttons(x: Exchange) -> None:
    """``GET …/records/{entity}/{id}/actions``: the buttons of a record."""
    found = await x.api.automations.buttons(x.caller, x.app, x.entity, x.record_id, _language(x))
    await _answer(x, found)


async def press(x: Exchange) -> None:
    """``POST …/records/{entity}/{id}/actions/{automation}``."""
    dry_run, _ = read_dry_run(x)
    await carry(
        x,
        lambda caller: x.api.automations.press(caller, x.app, x.entity, x.record_id, x.part),
        lambda run: _reply(run_json(run, _language(x))),
        dry_run=dry_run,
    )


def _reply(value: JSON) -> Reply:
    headers = (("content-type", "application/json"), ("vary", "Accept-Language"))
    return Reply(200, headers, dump_json({"data": value}))


async def runs_of_record(x: Exchange) -> None:
    """``GET …/records/{entity}/{id}/runs``."""
    before = read_parameters(parse_query(x.scope), ("before",)).get("before")
    service = x.api.automations
    record = (x.entity, x.record_id)
    await _answer(x, await service.list_runs(x.caller, x.app, _language(x), record=record, before=before))


async def _list(x: Exchange) -> None:
    await _answer(x, await x.api.automations.list_automations(x.caller, x.app, _language(x)))


async def _runs(x: Exchange) -> None:
    before = read_parameters(parse_query(x.scope), ("before",)).get("before")
    service = x.api.automations
    await _answer(x, await service.list_runs(x.caller, x.app, _language(x), automation=x.part, before=before))


async def _test(x: Exchange) -> None:
    body = await x.json()
    if not isinstance(body, dict) or set(body) != {"record_id"} or not isinstance(body["record_id"], str):
        raise Problem("request.malformed", say('应形如 {"record_id": "…"}', 'Send {"record_id": "…"}'))
    tried = await x.api.automations.test(x.caller, x.app, x.part, body["record_id"])
    run = None if tried.run is None else run_json(tried.run, _language(x))
    await _answer(x, {"run": run, "events": tried.events})


async def _enable(x: Exchange) -> None:
    await x.api.automations.set_enabled(x.caller, x.app, x.part, enabled=True)
    await send_reply(x.send, 204, ())


async def _disable(x: Exchange) -> None:
    await x.api.automations.set_enabled(x.caller, x.app, x.part, enabled=False)
    await send_reply(x.send, 204, ())


async def _retry(x: Exchange) -> None:
    run = await x.api.automations.retry(x.caller, x.app, x.part)
    await _answer(x, run_json(run, _language(x)))


async def _secret(x: Exchange) -> None:
    """Make the secret of a webhook, or a new one: shown in this answer and never again."""
    body = await x.json(optional=True)
    minutes = body.get("former_minutes", HOOK_FORMER_MINUTES) if isinstance(body, dict) else None
    if type(minutes) is not int or not 0 <= minutes <= HOOK_FORMER_MINUTES * 7 or set(body) - {"former_minutes"}:
        most = HOOK_FORMER_MINUTES * 7
        detail = say(
            f'可发送 {{"former_minutes": 0 至 {most}}}:旧密钥继续有效的分钟数',
            f'Send {{"former_minutes": 0 to {most}}} at most: how long the former secret is still taken',
        )
        raise Problem("request.malformed", detail)
    origin = Origin(x.caller.actor_id, client_address(x.scope), x.scope[REQUEST_ID])
    made = await x.api.hooks.change_secret(x.caller, origin, x.app, x.part, minutes)
    until = None if made.former_until is None else instant_text(made.former_until)
    await _answer(x, {"secret": made.secret, "former_until": until, "path": f"/api/{x.app}/hooks/{x.part}"})


def _language(x: Exchange) -> Language:
    return request_language(x.scope, "zh")


async def _answer(x: Exchange, value: JSON) -> None:
    await x.answer(200, dump_json({"data": value}), (b"vary", b"Accept-Language"))
