"""``…/trash``, ``…/{id}/restore``, ``…/{id}/merge``: records that were deleted or merged, and are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.limits import MERGED_RECORDS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import ROUTE, parse_query
from runtime.api.writes import carry, read_dry_run, written_reply
from runtime.query.request import read_parameters
from runtime.records.caller import Reply
from runtime.records.duplicates import duplicates_of
from runtime.records.merges import Merged
from runtime.records.merging import Wish
from runtime.records.trash import PAGE

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any
Handler = Callable[["Exchange"], Awaitable[None]]


def find_trash_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Find the handlers of a path below ``records`` that is about what is kept; None if it is not."""
    match parts:
        case [entity, "trash"]:
            x.entity, x.scope[ROUTE] = entity, "/api/{app}/records/{entity}/trash"
            return {"GET": list_trash}
        case [entity, "trash", record_id]:
            x.entity, x.record_id, x.scope[ROUTE] = entity, record_id, "/api/{app}/records/{entity}/trash/{id}"
            return {"DELETE": purge}
        case [entity, record_id, "merges", merge_id, "undo"]:
            x.entity, x.record_id, x.part = entity, record_id, merge_id
            x.scope[ROUTE] = "/api/{app}/records/{entity}/{id}/merges/{merge}/undo"
            return {"POST": undo_merge}
    return None


async def list_trash(x: Exchange) -> None:
    """``GET …/records/{entity}/trash``: what was deleted, the latest first; ``before`` goes on from there."""
    before = read_parameters(parse_query(x.scope), ("before",)).get("before")
    known = None if before is None else find_uuid(before)
    if before is not None and known is None:
        raise Problem("query.cursor", say("before 应是上一页的 meta.before", "before is the meta.before of a page"))
    rows = await x.api.trash.page(x.caller, x.app, x.entity, known)
    last = rows[-1]["id"] if len(rows) == PAGE else None
    await x.answer(200, dump_json({"data": rows, "meta": {"before": last}}))


async def restore(x: Exchange) -> None:
    """``POST …/{id}/restore``: bring a record back with all that went with it."""
    dry_run, _ = read_dry_run(x)
    await carry(
        x,
        lambda caller: x.api.trash.restore(caller, x.app, x.entity, x.record_id),
        lambda written: written_reply(x, 200, written),
        dry_run=dry_run,
        door="restore",
    )


async def purge(x: Exchange) -> None:
    """``DELETE …/trash/{id}``: destroy what is kept of a record, for good."""
    dry_run, _ = read_dry_run(x)
    await carry(
        x,
        lambda caller: x.api.trash.purge(caller, x.app, x.entity, x.record_id),
        lambda _: Reply(204, (), b""),
        dry_run=dry_run,
    )


# -- merges ---------------------------------------------------------------------------------------------------------------

_MEMBERS: Mapping[str, type] = {"others": list, "fields": dict, "fill_blanks": bool}


async def list_merges(x: Exchange) -> None:
    """``GET …/{id}/merges``: what was merged into a record, the latest first."""
    await x.answer(200, dump_json({"data": await x.api.merges.page(x.caller, x.app, x.entity, x.record_id)}))


async def list_duplicates(x: Exchange) -> None:
    """``GET …/{id}/duplicates``: what may be the same thing, the most alike first."""
    found = await x.api.records.read_beside(x.caller, x.app, x.entity, x.record_id, duplicates_of)
    await x.answer(200, dump_json({"data": found}))


async def merge(x: Exchange) -> None:
    """``POST …/{id}/merge {"others": […], "fields": {…}, "fill_blanks": true}``."""
    dry_run, _ = read_dry_run(x)
    wish = _wish(await x.json(), x.if_match())
    await carry(
        x,
        lambda caller: x.api.merges.merge(caller, x.app, x.entity, x.record_id, wish),
        _merged_reply,
        dry_run=dry_run,
        door="merge",
    )


async def undo_merge(x: Exchange) -> None:
    """``POST …/{id}/merges/{merge}/undo``."""
    dry_run, _ = read_dry_run(x)
    await carry(
        x,
        lambda caller: x.api.merges.undo(caller, x.app, x.entity, x.record_id, x.part),
        _merged_reply,
        dry_run=dry_run,
        door="restore",
    )


def _merged_reply(merged: Merged) -> Reply:
    headers = (("content-type", "application/json"), ("etag", f'"{merged.written.revision}"'))
    meta = dump_json({"merge": merged.merge_id})
    return Reply(200, headers, b'{"data":' + merged.written.body + b',"meta":' + meta + b"}")


def _wish(body: JSON, if_match: int | None) -> Wish:
    given = body if isinstance(body, dict) else {}
    others, fields = given.get("others"), given.get("fields", {})
    fine = all(key in _MEMBERS and isinstance(value, _MEMBERS[key]) for key, value in given.items())
    if not fine or not isinstance(others, list) or not others:
        shape = '{"others": [id], "fields": {field: id}, "fill_blanks": true}'
        raise Problem("request.malformed", say(f"合并请求应形如 {shape}", f"A merge is {shape}"))
    if not all(isinstance(one, str) for one in [*others, *fields.values()]):
        raise Problem("request.malformed", say("应是记录编号", "These are ids of records"))
    if len(others) > MERGED_RECORDS:
        detail = say(f"一次最多并入 {MERGED_RECORDS} 条记录", f"At most {MERGED_RECORDS} records are merged at once")
        raise Problem("limit.batch", detail, extra={"maximum": MERGED_RECORDS})
    return Wish(tuple(others), fields, given.get("fill_blanks", True), if_match)
