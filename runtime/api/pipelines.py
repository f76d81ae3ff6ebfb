"""``…/{id}/transitions``, ``…/{id}/stages``, ``…/transitions/{transition}``: records on their way through stages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import MOVED_AT_ONCE
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Language, errors_found, say
from runtime.api.http import ROUTE, Header, request_language
from runtime.api.problems import in_language, problem_document
from runtime.api.writes import caller_of, carry, read_dry_run
from runtime.pipelines.moving import Moved, Order
from runtime.pipelines.service import Done
from runtime.records.caller import Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any
Handler = Callable[["Exchange"], Awaitable[None]]
_VARY: Header = (b"vary", b"Accept-Language")
_MEMBERS: Mapping[str, type] = {"fields": dict, "reason": str, "node": str, "override": bool}
_REASON_LENGTH = 2_000


def find_stage_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Find the handlers of a path below ``records`` that is about stages; None if it is not."""
    match parts:
        case [entity, record_id, "stages"]:
            x.entity, x.record_id, x.scope[ROUTE] = entity, record_id, "/api/{app}/records/{entity}/{id}/stages"
            return {"GET": list_stays}
        case [entity, record_id, "transitions"]:
            x.entity, x.record_id, x.scope[ROUTE] = entity, record_id, "/api/{app}/records/{entity}/{id}/transitions"
            return {"GET": list_transitions}
        case [entity, "transitions", transition]:
            x.entity, x.part, x.scope[ROUTE] = (
                entity,
                transition,
                "/api/{app}/records/{entity}/transitions/{transition}",
            )
            return {"POST": move_many}
        case [entity, record_id, "transitions", transition]:
            x.entity, x.record_id, x.part = entity, record_id, transition
            x.scope[ROUTE] = "/api/{app}/records/{entity}/{id}/transitions/{transition}"
            return {"POST": move}
    return None


async def list_transitions(x: Exchange) -> None:
    """``GET …/{id}/transitions``: where the record stands, what leads on, and what is missing for it."""
    found = await x.api.pipelines.possible(x.caller, x.app, x.entity, x.record_id)
    await x.answer(200, dump_json({"data": in_language(found, request_language(x.scope, x.api.language))}), _VARY)


async def list_stays(x: Exchange) -> None:
    """``GET …/{id}/stages``: where the record has been, the latest first."""
    found = await x.api.pipelines.history(x.caller, x.app, x.entity, x.record_id)
    await x.answer(200, dump_json({"data": found}))


async def move(x: Exchange) -> None:
    """``POST …/{id}/transitions/{transition}``."""
    dry_run, _ = read_dry_run(x)
    order = _order(x.part, await x.json(optional=True), x.if_match())

    def render(done: Done) -> Reply:
        meta = dump_json({"move": _moved(order, done.moved), "dry_run": dry_run})
        headers = (("content-type", "application/json"), ("etag", f'"{done.written.revision}"'))
        return Reply(200, headers, b'{"data":' + done.written.body + b',"meta":' + meta + b"}")

    move_one = x.api.pipelines.move
    await carry(x, lambda caller: move_one(caller, x.app, x.entity, x.record_id, order), render, dry_run=dry_run)


async def move_many(x: Exchange) -> None:
    """``POST …/transitions/{transition}``: several records, each wholly or not at all."""
    (dry_run, _), body = read_dry_run(x), await x.json()
    ids = body.pop("ids", None) if isinstance(body, dict) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(item, str) for item in ids):
        message = say("ids 应是记录编号的列表", "ids is a list of record ids")
        raise Problem("request.malformed", message, violations=[Violation("type", "/ids", message)])
    if len(ids) > MOVED_AT_ONCE:  # as they were sent: the description of the API counts the same
        detail = say(f"一次最多 {MOVED_AT_ONCE} 条记录", f"At most {MOVED_AT_ONCE} records at once")
        raise Problem("limit.batch", detail, extra={"maximum": MOVED_AT_ONCE})
    order = _order(x.part, body, None)
    ids = list(dict.fromkeys(ids))
    language = request_language(x.scope, x.api.language)

    def kept(done: Done) -> Reply:
        return Reply(200, (), dump_json(_row(x, order, str(done.written.record["id"]), done, language)))

    callers = [caller_of(x, kept, dry_run=dry_run, door="batch", part=item) for item in ids]
    found = await x.api.pipelines.move_many(callers, x.app, x.entity, ids, order)
    rows = [_row(x, order, item, result, language) for item, result in zip(ids, found, strict=True)]
    count = sum(not isinstance(result, Problem) for result in found)
    meta = {"moved_count": count, "refused_count": len(found) - count, "dry_run": dry_run}
    await x.answer(200, dump_json({"data": rows, "meta": meta}), _VARY)


def _row(
    x: Exchange, order: Order, record_id: str, result: Done | Problem | Reply, language: Language
) -> dict[str, JSON]:
    if isinstance(result, Reply):  # it was moved before, for this key
        answered: dict[str, JSON] = parse_json(result.body)
        return answered
    if isinstance(result, Problem):
        problem = problem_document(result, language, x.caller.request_id)
        return {"id": record_id, "status": "refused", "problem": problem}
    return {
        "id": record_id,
        "status": "moved",
        "revision": result.written.revision,
        "move": _moved(order, result.moved),
    }


def _moved(order: Order, moved: Moved) -> dict[str, JSON]:
    return {
        "pipeline": moved.pipeline,
        "transition": order.transition,
        "from": {"stage": moved.source.stage or None, "node": moved.source.node},
        "to": {"stage": moved.target.stage, "node": moved.target.node},
    }


def _order(transition: str, body: JSON, if_match: int | None) -> Order:
    """Read what a move is asked with.

    Raises:
        Problem: ``request.malformed`` with every member that is wrong.
    """
    if not isinstance(body, dict):
        raise Problem("request.malformed", say("请求应是 JSON 对象", "The body is a JSON object"))
    wrong: list[Violation] = []
    for name, value in body.items():
        kind = _MEMBERS.get(name)
        if kind is None:
            hint = "fields" if name not in _MEMBERS else name
            message = say(
                f"没有成员“{name[:100]}”;字段值写在 {hint} 里",
                f'There is no member "{name[:100]}"; values go into {hint}',
            )
            wrong.append(Violation("unknown", f"/{name[:100]}", message))
        elif value is not None and type(value) is not kind:
            wrong.append(Violation("type", f"/{name}", say("类型不对", "This has the wrong type")))
    reason = body.get("reason")
    if isinstance(reason, str) and len(reason) > _REASON_LENGTH:
        message = say(f"原因最多 {_REASON_LENGTH} 字", f"A reason has at most {_REASON_LENGTH} characters")
        wrong.append(Violation("max_length", "/reason", message, {"maximum": _REASON_LENGTH}))
    if wrong:
        count = len(wrong)
        raise Problem("request.malformed", errors_found(count), violations=wrong)
    return Order(
        transition,
        fields=body.get("fields") or {},
        reason=(reason or "").strip() or None,
        node=body.get("node"),
        if_match=if_match,
        override=bool(body.get("override")),
    )
