"""``…/records/{entity}/export``: a list of records as a job; ``/api/{app}/exports/{id}``: its sheet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.csv_lines import CSV_START, csv_line
from runtime.api.http import ROUTE, client_address, parse_query, request_language
from runtime.api.writes import carry
from runtime.exports.records import Format, Ordered
from runtime.files.sniffing import XLSX
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
    form = given.get("format", "csv")
    if form not in get_args(Format):
        raise Problem("query.invalid", say("format 是 csv 或 xlsx", "format is csv or xlsx"))
    members = {name: value for name, value in given.items() if name != "format"}
    language = request_language(x.scope, x.api.language)
    address = client_address(x.scope)

    def render(ordered: Ordered) -> Reply:
        headers = (("content-type", "application/json"), ("location", f"/api/jobs/{ordered.job_id}"))
        return Reply(202, headers, dump_json({"data": ordered._asdict()}))

    exports = x.api.exports
    await carry(
        x,
        lambda caller: exports.begin(caller, x.app, x.entity, members, form=form, language=language, address=address),
        render,
        dry_run=False,
    )


async def download(x: Exchange) -> None:
    """``GET /api/{app}/exports/{id}``: the finished sheet, part after part."""
    job = await x.api.exports.find(x.caller, x.app, x.record_id)
    form: Format = job.result.get("format", "csv")
    media_type = "text/csv; charset=utf-8" if form == "csv" else XLSX
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-disposition", f'attachment; filename="export-{job.id}.{form}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    await x.send({"type": "http.response.start", "status": 200, "headers": headers})
    contents = _csv(x.api.exports.lines(job)) if form == "csv" else x.api.exports.pieces(job)
    while (content := await asyncio.to_thread(next, contents, None)) is not None:
        await x.send({"type": "http.response.body", "body": content, "more_body": True})
    await x.send({"type": "http.response.body", "body": b""})


def _csv(parts: Iterator[list[list[str]]]) -> Iterator[bytes]:
    yield CSV_START
    for lines in parts:
        yield b"".join([csv_line(line) for line in lines])
