"""``…/records/{entity}/import``: a sheet of records as a job; ``/api/{app}/imports/{id}/refused``: its rows that were not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import SHEET_BYTES, SHEET_ROWS
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from runtime.access.gate import require_actor
from runtime.api.csv_lines import CSV_START, csv_line
from runtime.api.events import page_size
from runtime.api.http import ROUTE, parse_query, request_language, send_reply
from runtime.api.writes import carry, read_dry_run
from runtime.imports.columns import WHY
from runtime.query.request import read_parameters
from runtime.records.caller import Reply

if TYPE_CHECKING:
    from runtime.api.records import Exchange
    from runtime.imports.parts import RefusedRow
    from runtime.imports.records import Begun

JSON = Any
Handler = Callable[["Exchange"], Awaitable[None]]


def find_import_route(x: Exchange, parts: list[str]) -> dict[str, Handler] | None:
    """Return the handlers by method, if the path is one of these."""
    match parts:
        case ["imports", job_id, "refused"]:
            x.record_id, x.scope[ROUTE] = job_id, "/api/{app}/imports/{id}/refused"
            return {"GET": list_refused}
    return None


async def begin(x: Exchange) -> None:
    """``POST …/records/{entity}/import?by=&columns=&dry_run=``: the body is the sheet."""
    tried, members = read_dry_run(x, "by", "columns")
    by = tuple(filter(None, members.get("by", "").split(",")))
    wishes = _read_columns(members.get("columns"))
    content = await x.content(SHEET_BYTES)

    def render(begun: Begun) -> Reply:
        place = f"/api/jobs/{begun.job_id}"
        headers = (("content-type", "application/json"), ("location", place))
        return Reply(202, headers, dump_json({"data": begun._asdict()}))

    imports = x.api.imports
    await carry(
        x,
        lambda caller: imports.begin(caller, x.app, x.entity, content, by=by, wishes=wishes, tried=tried),
        render,
        dry_run=False,
        door="sheet",
    )


def _read_columns(text: str | None) -> Mapping[str, str | None]:
    if text is None:
        return {}
    try:
        given = parse_json(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(value is None or isinstance(value, str) for value in given.values()):
        shape = '{"客户意见": "objection", "备注": null}'
        raise Problem("query.invalid", say(f"columns 应形如 {shape}", f"columns is like {shape}"))
    return given


async def list_refused(x: Exchange) -> None:
    """``GET /api/{app}/imports/{id}/refused?after=&limit=&format=``."""
    members = read_parameters(parse_query(x.scope), ("after", "limit", "format"))
    form, after = members.get("format", "json"), members.get("after", "0")
    if form not in ("json", "csv") or not (after.isascii() and after.isdigit() and len(after) < 10):
        raise Problem("query.invalid", say("format 是 json 或 csv,after 是行号", "format is json or csv, after a line"))
    await x.api.records.current(x.caller, x.app)  # who asks may still look
    actor = require_actor(x.caller.actor)
    job, told = await asyncio.to_thread(x.api.imports.find, x.record_id, x.app)
    if job.created_by != actor.user_id and not actor.oversees:
        raise Problem("job.not_found", say("没有这次导入", "There is no such import"))
    language = request_language(x.scope, x.api.language)
    limit = page_size(members.get("limit"))
    wanted = limit + 1 if form == "json" else SHEET_ROWS
    rows = await asyncio.to_thread(x.api.imports.refused, job.id, after=int(after), limit=wanted)
    if form == "csv":
        content = b"".join(await asyncio.to_thread(lambda: list(_csv(told["header"], rows, language))))
        name = f'attachment; filename="refused-{job.id}.csv"'.encode()
        headers = ((b"content-type", b"text/csv; charset=utf-8"), (b"content-disposition", name))
        await send_reply(x.send, 200, headers, content)
        return
    shown = [_row(told["header"], row, language) for row in rows[:limit]]
    following = shown[-1]["line"] if len(rows) > limit else None
    await x.answer(200, dump_json({"data": shown, "meta": {"after": following}}), (b"vary", b"Accept-Language"))


def _row(header: list[str], row: RefusedRow, language: Language) -> dict[str, JSON]:
    faults = [{"field": f.field, "code": f.code, "detail": f.text.pick(language)} for f in row.faults]
    return {"line": row.line, "cells": dict(zip(header, row.cells, strict=True)), "errors": faults}


def _csv(header: list[str], rows: Iterable[RefusedRow], language: Language) -> Iterable[bytes]:
    """The refused rows as they came, with the reason behind: to be mended there and brought in again."""
    yield CSV_START
    yield csv_line([*header, WHY.pick(language)])
    for row in rows:
        reasons = [f"{f.field}: {f.text.pick(language)}" if f.field else f.text.pick(language) for f in row.faults]
        yield csv_line([*row.cells, "; ".join(reasons)])
