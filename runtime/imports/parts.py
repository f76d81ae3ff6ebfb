"""Rows of a sheet on their way in, in parts, each with what was refused of it. Reads and writes: dougong_import_part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import IMPORT_ROWS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text
from builder.store.database import Database
from builder.store.delivery_tables import import_part as table
from builder.store.statement import Query, Unit
from runtime.imports.sheets import SheetRow
from runtime.records.writer import Writing

JSON = Any


class Fault(NamedTuple):
    """What is wrong with a row; ``field`` is empty for the row as a whole."""

    field: str
    code: str
    text: Text


class RefusedRow(NamedTuple):
    """A row that was not written."""

    line: int
    cells: tuple[str, ...]
    faults: tuple[Fault, ...]


def put_parts(w: Writing, job_id: str, rows: Sequence[SheetRow]) -> Unit[int]:
    """Put rows down with the job that is to write them; return how many parts there are."""
    parts = [rows[start : start + IMPORT_ROWS] for start in range(0, len(rows), IMPORT_ROWS)]
    statement = w.statements.kept(
        ("put import parts",),
        lambda _: sa.insert(table).values(
            {name: sa.bindparam(name, type_=table.c[name].type) for name in ("job_id", "part", "rows")}
        ),
    )
    for place, part in enumerate(parts):
        listed = dump_json([[row.line, *row.cells] for row in part]).decode()
        yield Query(statement, {"job_id": job_id, "part": place, "rows": listed})
    return len(parts)


def read_part(database: Database, job_id: str, part: int) -> list[SheetRow]:
    """Return the rows of a part that are still to be written."""
    with database.snapshot() as connection:
        listed = connection.scalar(sa.select(table.c.rows).where(table.c.job_id == job_id, table.c.part == part))
    return [SheetRow(line, tuple(cells)) for line, *cells in parse_json(listed or "[]")]


def end_part(w: Writing, job_id: str, part: int, refused: Sequence[RefusedRow]) -> Unit[None]:
    """Note inside the write of a part that it is written, and what was refused of it."""
    c = table.c
    statement = w.statements.kept(
        ("end import part",),
        lambda _: (
            sa.update(table)
            .where(
                c.job_id == sa.bindparam("own_id", type_=c.job_id.type),
                c.part == sa.bindparam("own_part", type_=c.part.type),
            )
            .values(rows=sa.null(), refused=sa.bindparam("v_refused", type_=c.refused.type))
        ),
    )
    listed = dump_json([_as_json(row) for row in refused]).decode() if refused else None
    yield Query(statement, {"own_id": job_id, "own_part": part, "v_refused": listed})


def list_refused(database: Database, job_id: str, *, after: int = 0) -> Iterator[RefusedRow]:
    """Yield the rows of a job that were refused, behind a line."""
    part = -1
    while True:
        chosen = sa.select(table.c.part, table.c.refused).where(
            table.c.job_id == job_id, table.c.part > part, table.c.refused.is_not(None)
        )
        with database.snapshot() as connection:
            row = connection.execute(chosen.order_by(table.c.part).limit(1)).one_or_none()
        if row is None:
            return
        part = row.part
        for one in parse_json(row.refused):
            if one["line"] > after:
                faults = (Fault(f["field"], f["code"], Text(f["zh"], f["en"])) for f in one["faults"])
                yield RefusedRow(one["line"], tuple(one["cells"]), tuple(faults))


def _as_json(row: RefusedRow) -> JSON:
    faults = [{"field": f.field, "code": f.code, "zh": f.text.zh, "en": f.text.en} for f in row.faults]
    return {"line": row.line, "cells": row.cells, "faults": faults}


def refused_row(row: SheetRow, pointer: str, problem: Problem | Sequence[Violation]) -> RefusedRow:
    """Say why a row was not written."""
    violations = problem.violations if isinstance(problem, Problem) else problem
    faults = [
        Fault(v.pointer.removeprefix(pointer).strip("/").partition("/")[0], v.code, v.message) for v in violations
    ]
    if isinstance(problem, Problem) and not faults:
        faults = [Fault("", problem.code, problem.detail)]
    return RefusedRow(row.line, row.cells, tuple(faults))
