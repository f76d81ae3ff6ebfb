"""Formulas by the line: JSON lines in, JSON lines out. The one module of the language that opens a connection.

`python -m formulas --backend asteval|compiled|sqlite|postgresql` reads `{"id": …, "expr": …, "fields": {…}?}` and
writes `{"id": …, "value": …}` or `{"id": …, "error": {"kind": …, "message": …, "at": [start, end]}}` for every line.
Fields may hold numbers, texts, booleans, null, arrays, `{"date": …}`, `{"datetime": …}`, nested objects (a to-one
relation) and arrays of objects (a to-many relation).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from formulas.batch_fields import BatchSchema, read_fields, write_json
from formulas.batch_sql import Database
from formulas.checker import check
from formulas.errors import CellError, FormulaError, FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.literals import WrongValueError
from formulas.locate import locate
from formulas.schema import Context

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
BACKENDS = ("asteval", "compiled", "sqlite", "postgresql")
LINE_LIMIT = 1_000_000
#: A batch has no clock: NOW and TODAY are the moment given by `--now`, by default the beginning of 2024.
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


class Batch:
    """Evaluates lines on one back end."""

    def __init__(self, backend: str, context: Context, postgres: str = POSTGRES) -> None:
        self.backend = backend
        self.context = context
        self.database = Database(backend, postgres) if backend in ("sqlite", "postgresql") else None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.database is not None:
            self.database.close()

    def line(self, text: str) -> dict[str, Any]:
        """The answer to one line; a bad line is answered, never raised."""
        if len(text) > LINE_LIMIT:
            return {"id": None, "error": {"kind": "LIMIT", "message": "the line is too long", "at": [0, 0]}}
        try:
            request = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return {"id": None, "error": {"kind": "PARSE", "message": "the line is not JSON", "at": [0, 0]}}
        if not isinstance(request, dict) or not isinstance(request.get("expr"), str):
            return {
                "id": _id(request),
                "error": {"kind": "PARSE", "message": "an object with a text in expr is expected", "at": [0, 0]},
            }
        return {"id": _id(request), **self.answer(request["expr"], request.get("fields") or {})}

    def answer(self, expression: str, fields: object) -> dict[str, Any]:
        """`{"value": …}` or `{"error": …}` of one formula."""
        try:
            schema, values = read_fields(fields)
        except (WrongValueError, RecursionError):
            return {"error": {"kind": "TYPE", "message": "a field holds something that is no value", "at": [0, 0]}}
        try:
            value = self.evaluate(expression, schema, values)
        except FormulaErrors as errors:
            return {"error": _problem(errors.errors[0])}
        if isinstance(value, CellError):
            at = locate(expression, schema, schema.root, DictRow(values), self.context)
            return {"error": {"kind": value.kind, "message": value.message.en, "at": list(at)}}
        return {"value": value}

    def evaluate(self, expression: str, schema: BatchSchema, values: dict[str, Any]) -> Any:
        """The value of a formula on fields, or a `CellError`. Raises `FormulaErrors`."""
        tree = check(expression, schema, schema.root).tree
        row = DictRow(values)
        if self.database is None:
            backend = "asteval" if self.backend == "asteval" else "compiled"
            return program(tree).run(row, self.context, backend)  # type: ignore[arg-type]
        return self.database.evaluate(tree, row, schema, self.context)


def _refuse(_name: str) -> Any:
    raise ValueError


def _id(request: object) -> Any:
    return request.get("id") if isinstance(request, dict) else None


def _problem(error: FormulaError) -> dict[str, Any]:
    return {"kind": error.kind, "message": error.message.en, "at": list(error.at or (0, 0))}


def answers(batch: Batch, lines: Iterable[str]) -> Iterator[str]:
    """One JSON text for each line that is not empty."""
    return (write_json(batch.line(line)) for line in lines if line.strip())


def main(arguments: list[str] | None = None, source: TextIO | None = None, target: TextIO | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="formulas", description="Evaluate formulas given as JSON lines.")
    parser.add_argument("--backend", choices=BACKENDS, default="asteval")
    parser.add_argument("--now", type=datetime.fromisoformat, default=MOMENT, help="the moment that NOW() means")
    parser.add_argument("--user", default=None, help="the person that CURRENTUSER() means")
    options = parser.parse_args(arguments)
    moment = options.now if options.now.tzinfo else options.now.replace(tzinfo=UTC)
    batch = Batch(options.backend, Context(moment, options.user), os.environ.get("DOUGONG_FORMULA_POSTGRES", POSTGRES))
    try:
        for answer in answers(batch, source or sys.stdin):
            (target or sys.stdout).write(answer + "\n")
            (target or sys.stdout).flush()
    finally:
        batch.close()
    return 0
