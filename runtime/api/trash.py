"""``…/trash`` and ``…/{id}/restore``: records that were deleted and are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import parse_query
from runtime.api.writes import carry, read_dry_run, written_reply
from runtime.query.request import read_parameters
from runtime.records.caller import Reply
from runtime.records.trash import PAGE

if TYPE_CHECKING:
    from runtime.api.records import Exchange


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
