"""Records from a sheet: put down with a job, written part by part as by the person who brought them. See docs/decisions/0028.

A part, what was refused of it, and the job's checkpoint are one transaction: killed at any moment, the job goes on behind the last part.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import Field
from builder.kernel.faults import crash_point
from builder.kernel.limits import IMPORT_ROWS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from builder.store.statement import Unit
from runtime.access.gate import FieldMap, gate
from runtime.access.sight import sight_of
from runtime.imports.cells import body_of, find_names
from runtime.imports.columns import Wishes, match_columns
from runtime.imports.orderers import Orderers
from runtime.imports.parts import RefusedRow, end_part, list_refused, put_parts, read_part, refused_row
from runtime.imports.sheets import Sheet, SheetRow, read_sheet
from runtime.jobs.rows import Job, JobRows, report_within, start_job
from runtime.jobs.runner import Running
from runtime.records.batching import Batch, carry_out_partly
from runtime.records.caller import Caller
from runtime.records.orders import Order, Verb, unique_set
from runtime.records.rights import body_entity
from runtime.records.service import Records
from runtime.records.targets import target_entity, uses_of
from runtime.records.writer import Writing

JSON = Any
KIND = "import"
DEEDS = ("created", "updated", "unchanged", "refused")


class Begun(NamedTuple):
    """An import that was put down."""

    job_id: str
    row_count: int
    columns: Mapping[str, str | None]
    """Title -> field."""


class _OnlyTried(Exception):
    """A part was written, to be undone: this is what would have become of it."""

    def __init__(self, counts: Counter[str], refused: list[RefusedRow]) -> None:
        self.counts = counts
        self.refused = refused


class RecordImports:
    """Takes sheets, and is the kind of job that writes them."""

    name = KIND

    def __init__(self, database: Database, records: Records, orderers: Orderers, jobs: JobRows) -> None:
        self._database = database
        self._records = records
        self._orderers = orderers
        self._jobs = jobs

    # -- for people ----------------------------------------------------------------------------------------------------

    async def begin(
        self, caller: Caller, app: str, entity: str, content: bytes, *, by: tuple[str, ...], wishes: Wishes, tried: bool
    ) -> Begun:
        """Read a sheet and put its rows down with a job.

        Args:
            by: a unique set of fields: rows change the records that have the same values in them; none: every row is a new record.
            tried: only find out what would be refused.

        Raises:
            Problem: ``import.unreadable``, ``import.too_large``, ``import.invalid``, ``query.invalid``, ``access.denied``.
        """
        sheet = await asyncio.to_thread(read_sheet, content)

        async def run(published: PublishedApp) -> Begun:
            owner = target_entity(published, entity)
            keys = unique_set(published, owner, by) if by else ()
            gate(caller.actor, app, _uses(owner, keys), sight_of(published.app))
            w = self._records.writing(published, caller)
            columns = match_columns(body_entity(w, owner), sheet.header, wishes)
            _refuse_missing(keys, columns)
            return await self._records.transact(w, lambda: _put_down(w, owner, sheet, columns, keys, tried=tried))

        return await self._records.pinned(app, caller, run)

    def find(self, job_id: str, app: str) -> tuple[Job, Mapping[str, JSON]]:
        """Return an import and what it was told.

        Raises:
            Problem: ``job.not_found``.
        """
        job, arguments = self._jobs.get_with_arguments(job_id)
        if (job.kind, job.app) != (KIND, app):
            raise Problem("job.not_found", say("没有这次导入", "There is no such import"))
        return job, arguments

    def refused(self, job_id: str, *, after: int, limit: int) -> list[RefusedRow]:
        """Return rows that were refused, behind a line of the sheet."""
        found: list[RefusedRow] = []
        for row in list_refused(self._database, job_id, after=after):
            if len(found) == limit:
                break
            found.append(row)
        return found

    # -- the job -------------------------------------------------------------------------------------------------------

    async def run(self, running: Running) -> JSON:
        """Write part after part."""
        arguments = running.job.arguments
        place = dict(running.checkpoint or {"part": 0, "counts": {}})
        while place["part"] < arguments["parts"]:
            place = await self._part(running, place)
            crash_point("import.part")
        counts = place["counts"]
        return {**{f"{deed}_count": counts.get(deed, 0) for deed in DEEDS}, "dry_run": arguments["tried"]}

    async def _part(self, running: Running, place: Mapping[str, JSON]) -> dict[str, JSON]:
        job, part = running.job, place["part"]
        assert job.app is not None
        rows = await asyncio.to_thread(read_part, self._database, job.id, part)
        work = partial(self._writing, running, place=place, rows=rows)
        return await self._orderers.carry(job, "sheet", work, override=job.arguments["override"])

    def _writing(
        self, running: Running, caller: Caller, place: Mapping[str, JSON], rows: Sequence[SheetRow]
    ) -> Callable[[PublishedApp], Any]:
        arguments, job = running.job.arguments, running.job

        async def run(published: PublishedApp) -> dict[str, JSON]:
            owner = target_entity(published, arguments["entity"])
            by = tuple(arguments["by"])
            gate(caller.actor, published.app.key, _uses(owner, by), sight_of(published.app))
            w = self._records.writing(published, caller)
            keys: list[str | None] = arguments["columns"]
            fields = _fields(body_entity(w, owner), keys)
            cells, zone = [row.cells for row in rows], published.app.zone
            names = await find_names(self._database, self._records, caller, published, fields, cells)
            bodies = [body_of(keys, fields, row.cells, names, zone, f"/{row.line}") for row in rows]
            wrong = [
                refused_row(row, f"/{row.line}", found[1]) for row, found in zip(rows, bodies, strict=True) if found[1]
            ]
            good = [(row, body) for row, (body, violations) in zip(rows, bodies, strict=True) if not violations]
            verb: Verb = "upsert" if by else "create"
            orders = [Order(verb, owner, f"/{row.line}", body, by=by) for row, body in good]

            def unit() -> Unit[tuple[dict[str, JSON], bool]]:
                counts, refused = yield from _write(w, orders, [row for row, _ in good])
                if arguments["tried"]:
                    raise _OnlyTried(counts, refused)
                return (yield from _note(w, running, place, len(rows), counts, [*wrong, *refused]))

            try:
                told, goes_on = await self._records.transact(w, unit)
            except _OnlyTried as only:
                counts, refused = only.counts, [*wrong, *only.refused]
                fresh = self._records.writing(published, caller)
                told, goes_on = await self._records.transact(
                    fresh, lambda: _note(fresh, running, place, len(rows), counts, refused)
                )
            running.took(running.done + len(rows), told, goes_on=goes_on)
            return told

        assert job.app is not None
        return run


def _uses(owner: CompiledEntity, by: Sequence[str]) -> FieldMap:
    field_map = uses_of(owner, "create")
    field_map.add(owner.key, "", "import")
    if by:
        field_map.uses |= uses_of(owner, "write").uses
    return field_map


def _refuse_missing(by: Sequence[str], columns: Sequence[str | None]) -> None:
    missing = [key for key in by if key not in columns]
    if missing:
        names = ", ".join(missing)
        raise Problem(
            "import.invalid",
            say(f"缺少用来识别记录的列:{names}", f"Columns that tell records apart are missing: {names}"),
        )


def _put_down(
    w: Writing, owner: CompiledEntity, sheet: Sheet, columns: Sequence[str | None], by: Sequence[str], *, tried: bool
) -> Unit[Begun]:
    """Put the rows and their job down in one transaction."""
    arguments: dict[str, JSON] = {
        "entity": owner.key,
        "header": sheet.header,
        "columns": columns,
        "by": by,
        "tried": tried,
        "override": w.caller.override,
        "parts": -(-len(sheet.rows) // IMPORT_ROWS),
    }
    job_id = yield from start_job(w, KIND, arguments, total=len(sheet.rows))
    yield from put_parts(w, job_id, sheet.rows)
    return Begun(job_id, len(sheet.rows), dict(zip(sheet.header, columns, strict=True)))


def _fields(entity: CompiledEntity, keys: Sequence[str | None]) -> list[Field | None]:
    """Return the fields of the columns; what a publish has taken away since is refused with the rows."""
    return [None if key is None else entity.fields.get(key) for key in keys]


def _write(
    w: Writing, orders: Sequence[Order], rows: Sequence[SheetRow]
) -> Unit[tuple[Counter[str], list[RefusedRow]]]:
    """Write what can be written; return how many of what, and the rows that were refused."""
    batch = Batch(orders)
    yield from carry_out_partly(w, batch)
    counts: Counter[str] = Counter()
    refused: list[RefusedRow] = []
    for place, row in enumerate(rows):
        outcome = batch.outcomes[place]
        if isinstance(outcome, Problem):
            refused.append(refused_row(row, orders[place].pointer, outcome))
        else:
            counts[outcome.deed] += 1
    return counts, refused


def _note(
    w: Writing,
    running: Running,
    place: Mapping[str, JSON],
    rows: int,
    counts: Counter[str],
    refused: Sequence[RefusedRow],
) -> Unit[tuple[dict[str, JSON], bool]]:
    """Note in the transaction of a part what became of it; return where to go on from, and whether."""
    yield from end_part(w, running.job.id, place["part"], sorted(refused))
    total = Counter(place["counts"]) + counts + Counter({"refused": len(refused)})
    told = {"part": place["part"] + 1, "counts": dict(total)}
    goes_on = yield from report_within(w, running.job, done=running.done + rows, checkpoint=told)
    return told, goes_on
