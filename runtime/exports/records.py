"""Records as a sheet: a job reads page after page as the person who ordered it. See docs/decisions/0030.

A part of the sheet and the job's checkpoint are one transaction: killed at any moment, the job goes on behind the last part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import Field
from builder.kernel.canonical import parse_json
from builder.kernel.faults import crash_point
from builder.kernel.limits import EXPORT_CELLS, EXPORT_ROWS, PAGE_RECORDS, SHEET_CELL_LENGTH
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from builder.store.statement import Unit
from runtime.access.sight import sight_of
from runtime.exports.binding import bind_workbook
from runtime.exports.cells import cells_of, exported_fields, find_titles, heading
from runtime.exports.columns import form_of
from runtime.exports.parts import Lines, count_parts, list_parts, list_pieces, put_part
from runtime.exports.workbook import fits
from runtime.identity.audit import Origin
from runtime.identity.audit_unit import note_unit
from runtime.imports.orderers import Orderers
from runtime.jobs.rows import Job, JobRows, report_within, start_job
from runtime.jobs.runner import Running
from runtime.query.request import ListRequest, read_members
from runtime.records.caller import Caller
from runtime.records.exporting import ask_exported, require_export
from runtime.records.pins import get_entity
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
KIND = "export"
Format = Literal["csv", "xlsx"]
_START: Mapping[str, JSON] = {"part": 0, "cursor": None, "header": None, "rows": 0, "pieces": 0, "roles": None}


class Ordered(NamedTuple):
    """An export that was ordered."""

    job_id: str
    row_count: int


class RecordExports:
    """Takes orders, and is the kind of job that carries them out."""

    name = KIND

    def __init__(self, database: Database, records: Records, orderers: Orderers, jobs: JobRows) -> None:
        self._database = database
        self._records = records
        self._orderers = orderers
        self._jobs = jobs

    # -- for people ----------------------------------------------------------------------------------------------------

    async def begin(
        self,
        caller: Caller,
        app: str,
        entity: str,
        members: Mapping[str, JSON],
        *,
        form: Format,
        language: Language,
        address: str,
    ) -> Ordered:
        """Put an order down.

        Args:
            members: of a query; those that page are not among them.

        Raises:
            Problem: ``access.denied``, ``export.too_large``, and whatever the query is refused for.
        """
        request = replace(_whole_fields(read_members(members)), limit=1, count="exact")
        published = await self._records.current(caller, app)
        require_export(caller, published, (get_entity(published, entity).key,))
        counted = await ask_exported(
            replace(caller, once=None),
            frozenset({entity}),
            lambda asking: self._records.list_page(asking, app, entity, request),
        )
        total = counted.counted.number if counted.counted is not None else 0
        _refuse_many(total)
        if form == "xlsx":
            let_out = await self._records.current(replace(caller, once=None, exporting=frozenset({entity})), app)
            _refuse_wide(total, exported_fields(get_entity(let_out, entity), request.fields))

        async def run(published: PublishedApp) -> Ordered:
            owner = get_entity(published, entity)
            require_export(caller, published, (owner.key,))
            w = self._records.writing(published, caller)
            order = {"entity": owner.key, "query": members, "language": language, "format": form}
            return await self._records.transact(w, lambda: _put_down(w, order, address, total))

        return await self._records.pinned(app, caller, run)

    async def find(self, caller: Caller, app: str, job_id: str) -> Job:
        """Return a finished export of the caller, who may still export.

        Raises:
            Problem: ``job.not_found``: it is somebody else's, or its file has been cleared away; ``export.not_ready``, ``access.denied``.
        """
        await self._records.current(caller, app)
        job, told = await asyncio.to_thread(self._jobs.get_with_arguments, job_id)
        if (job.kind, job.app) != (KIND, app) or caller.actor is None or job.created_by != caller.actor.user_id:
            raise Problem("job.not_found", say("没有这次导出", "There is no such export"))

        async def run(seen: PublishedApp) -> None:
            require_export(caller, seen, (get_entity(seen, told["entity"]).key,))
            if job.state != "done":
                raise Problem("export.not_ready")
            _require_roles(job.result.get("roles"), seen)

        await self._records.pinned(app, caller, run)
        if await asyncio.to_thread(count_parts, self._database, job.id) != job.result["parts"]:
            raise Problem(
                "job.not_found", say("文件已过期清除,请重新导出", "The file has been cleared away; export again")
            )
        return job

    def lines(self, job: Job) -> Iterator[list[list[str]]]:
        """Yield a sheet of text in parts: first the header."""
        yield [job.result["header"]]
        yield from list_parts(self._database, job.id, range(job.result["parts"]))

    def pieces(self, job: Job) -> Iterator[bytes]:
        """Yield the file of a workbook."""
        first = job.result["first"]
        return list_pieces(self._database, job.id, range(first, first + job.result["parts"]))

    # -- the job -------------------------------------------------------------------------------------------------------

    async def run(self, running: Running) -> JSON:
        """Read part after part."""
        place: dict[str, JSON] = {**_START, **(running.checkpoint or {})}
        while place["part"] == 0 or place["cursor"] is not None:
            place = await self._part(running, place)
            crash_point("export.part")
        told = {"row_count": place["rows"], "header": place["header"], "roles": place["roles"]}
        told["format"] = _format(running)
        if told["format"] == "csv":
            return {**told, "first": 0, "parts": place["part"]}
        if not place["pieces"]:
            bind = partial(self._bind, running, place=place)
            place = await self._carry(running, lambda caller: partial(bind, caller))
        return {**told, "first": place["part"], "parts": place["pieces"]}

    async def _carry(
        self, running: Running, work: Callable[[Caller], Callable[[PublishedApp], Awaitable[dict[str, JSON]]]]
    ) -> dict[str, JSON]:
        """Do a part as who ordered it, who sees what they may export."""
        exporting = frozenset({running.job.arguments["entity"]})
        return await self._orderers.carry(running.job, "rest", work, exporting=exporting)

    async def _part(self, running: Running, place: Mapping[str, JSON]) -> dict[str, JSON]:
        return await self._carry(running, lambda caller: partial(self._read, running, caller, place))

    async def _read(
        self, running: Running, caller: Caller, place: Mapping[str, JSON], published: PublishedApp
    ) -> dict[str, JSON]:
        told, language = running.job.arguments, running.job.arguments["language"]
        owner = _exported(published, told["entity"])
        roles = _roles_of(published) if place["part"] == 0 else place["roles"]
        _require_roles(roles, published)
        request = _whole_fields(read_members(told["query"]))
        fields = exported_fields(owner, request.fields)
        asked = replace(request, fields=tuple(f.key for f in fields), limit=PAGE_RECORDS, cursor=place["cursor"])
        header = _header(fields, language, place)
        page = await self._records.list_page(caller, published.app.key, owner.key, asked)
        rows = parse_json(b"[" + page.listed + b"]")
        _refuse_many(place["rows"] + len(rows))
        titles = await find_titles(self._database, self._records, caller, published, fields, rows)
        lines = [cells_of(fields, row, titles, language, published.app.zone) for row in rows]
        if _format(running) == "xlsx":
            _refuse_wide(place["rows"] + len(rows), fields)
            _refuse_long(header, lines, place["rows"])
        w = self._records.writing(published, caller)
        after = {
            **place,
            "part": place["part"] + 1,
            "cursor": page.next_cursor,
            "header": header,
            "rows": place["rows"] + len(rows),
            "roles": roles,
        }

        def unit() -> Unit[bool]:
            yield from put_part(w, running.job.id, place["part"], lines)
            return (yield from report_within(w, running.job, done=after["rows"], checkpoint=after))

        goes_on = await self._records.transact(w, unit)
        running.took(after["rows"], after, goes_on=goes_on)
        return after

    async def _bind(
        self, running: Running, caller: Caller, published: PublishedApp, *, place: Mapping[str, JSON]
    ) -> dict[str, JSON]:
        told = running.job.arguments
        owner = _exported(published, told["entity"])
        _require_roles(place["roles"], published)
        fields = exported_fields(owner, _whole_fields(read_members(told["query"])).fields)
        _header(fields, told["language"], place)
        forms = [form_of(field) for field in fields]
        writing = partial(self._records.writing, published, caller)
        return await bind_workbook(self._database, self._records, running, place, writing, forms, published.app.zone)


def _format(running: Running) -> Format:
    form: Format = running.job.arguments.get("format", "csv")
    return form


def _header(fields: Sequence[Field], language: Language, place: Mapping[str, JSON]) -> list[str]:
    """Return the titles of the columns, which stay what they were in the first part."""
    header = [heading(field, language) for field in fields]
    if place["header"] not in (None, header):
        raise Problem(
            "access.denied",
            say("导出期间可见的字段变了,请重新导出", "What is seen changed meanwhile; export again"),
        )
    return header


def _roles_of(published: PublishedApp) -> list[str] | None:
    """Return the roles through which an app is seen; None: as a whole."""
    sight = sight_of(published.app)
    return None if sight is None else sorted(sight.roles)


def _require_roles(before: list[str] | None, published: PublishedApp) -> None:
    """Let pass who has still every role with which the sheet was made: with fewer they might see less of it.

    Raises:
        Problem: ``access.denied``.
    """
    now = _roles_of(published)
    if now is not None and (before is None or not set(before) <= set(now)):
        detail = say("您的角色变了,请重新导出", "Your roles are others now; export again")
        raise Problem("access.denied", detail)


def _exported(published: PublishedApp, key: str) -> CompiledEntity:
    """Return an entity as it may be exported.

    Raises:
        Problem: ``access.denied``: the grant is gone since.
    """
    found = published.app.own.get(key)
    if found is None:
        raise Problem(
            "access.denied", say("您的角色不能再导出这些数据", "Your roles do not let you export this any more")
        )
    return found


def _whole_fields(request: ListRequest) -> ListRequest:
    if request.expand or request.rows or any("." in key for key in request.fields):
        raise Problem("query.invalid", say("导出只取实体自己的字段", "An export takes only the entity's own fields"))
    return request


def _refuse_many(rows: int) -> None:
    if rows > EXPORT_ROWS:
        raise Problem(
            "export.too_large",
            say(f"超过 {EXPORT_ROWS} 行,请缩小筛选范围", f"More than {EXPORT_ROWS} rows; narrow the filter"),
        )


def _refuse_wide(rows: int, fields: Sequence[Field]) -> None:
    if rows * len(fields) > EXPORT_CELLS:
        text = say(
            f"{rows} 行 × {len(fields)} 列超过 {EXPORT_CELLS} 个单元格,请减少列、缩小筛选范围或导出 CSV",
            f"{rows} rows of {len(fields)} columns are more than {EXPORT_CELLS} cells; take fewer columns, narrow the filter, or take CSV",
        )
        raise Problem("export.too_large", text)


def _refuse_long(header: Sequence[str], lines: Lines, before: int) -> None:
    """Nothing is cut silently: a spreadsheet would."""
    for line, cells in enumerate(lines, start=before + 2):
        for title, text in zip(header, cells, strict=True):
            if not fits(text):
                most = SHEET_CELL_LENGTH
                text_ = say(
                    f"第 {line} 行“{title}”超过 {most} 个字符,Excel 单元格放不下,请导出 CSV 或去掉这一列",
                    f'Line {line}, "{title}": more than {most} characters, which no cell of Excel takes; take CSV or leave the column out',
                )
                raise Problem("export.too_large", text_)


def _put_down(w: Writing, order: Mapping[str, JSON], address: str, total: int) -> Unit[Ordered]:
    """Put the order down with the security event that tells of it."""
    job_id = yield from start_job(w, KIND, dict(order), total=total)
    origin = Origin(w.caller.actor_id, address, w.caller.request_id)
    told = {"app": w.app.key, "entity": order["entity"], "query": dict(order["query"]), "count": total}
    yield from note_unit(w.statements.cache.dialect, w.now, "export", origin, job_id, told)
    return Ordered(job_id, total)
