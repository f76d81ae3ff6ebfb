"""``…/records/{entity}/export``: a list of records as a job; ``/api/{app}/exports/{id}``: its sheet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.csv_lines import CSV_START, csv_line
from runtime.api.http import ROUTE, client_address, parse_query, request_language
from runtime.api.writes import carry
from runtime.exports.records import Ordered
from runtime.query.problems import unknown_member
from runtime.query.request import read_parameters
from runtime.records.caller import Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any
MEMBERS = ("filter", "sort", "fields", "search", "view", "format")
Handler = Callable[["Exchange"], Awaitable[None]]


def find_export_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Return the handlers by method, if the path is one of these."""
    match parts:
        case ["exports", job_id]:
            x.record_id, x.scope[ROUTE] = job_id, "/api/{app}/exports/{id}"
            return {"GET": download}
    return None


async def begin(x: Exchange) -> None:
    """``POST …/records/{entity}/export``: the members of a query that choose records, and ``format``."""
    read_parameters(parse_query(x.scope), ())
    given = await x.json()
    if not isinstance(given, dict):
        raise Problem("query.invalid", say("查询应是 JSON 对象", "A query is a JSON object"))
    for name in given:
        if name not in MEMBERS:
            raise unknown_member(name, MEMBERS)
    if given.get("format", "csv") != "csv":
        raise Problem("query.invalid", say("format 是 csv", "format is csv"))
    members = {name: value for name, value in given.items() if name != "format"}
    language = request_language(x.scope, x.api.language)
    address = client_address(x.scope)

    def render(ordered: Ordered) -> Reply:
        headers = (("content-type", "application/json"), ("location", f"/api/jobs/{ordered.job_id}"))
        return Reply(202, headers, dump_json({"data": ordered._asdict()}))

    exports = x.api.exports
    await carry(
        x,
        lambda caller: exports.begin(caller, x.app, x.entity, members, language, address),
        render,
        dry_run=False,
    )


async def download(x: Exchange) -> None:
    """``GET /api/{app}/exports/{id}``: the finished sheet, part after part."""
    job = await x.api.exports.find(x.caller, x.app, x.record_id)
    name = f'attachment; filename="export-{job.id}.csv"'.encode()
    headers = [
        (b"content-type", b"text/csv; charset=utf-8"),
        (b"content-disposition", name),
        (b"cache-control", b"no-store"),
    ]
    await x.send({"type": "http.response.start", "status": 200, "headers": headers})
    await x.send({"type": "http.response.body", "body": CSV_START, "more_body": True})
    parts = x.api.exports.lines(job)
    while (lines := await asyncio.to_thread(next, parts, None)) is not None:
        content = b"".join([csv_line(line) for line in lines])
        await x.send({"type": "http.response.body", "body": content, "more_body": True})
    await x.send({"type": "http.response.body", "body": b""})
