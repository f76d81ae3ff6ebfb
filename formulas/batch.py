"""Formulas by the line: JSON lines in, JSON lines out. The one module of the language that opens a connection.

`python -m formulas --backend asteval|compiled|sqlite|postgresql` reads `{"id": …, "expr": …, "fields": {…}?}` and
writes `{"id": …, "value": …}` or `{"id": …, "error": {"kind": …, "message": …, "at": [start, end]}}` for every line.
Fields may hold numbers, texts, booleans, null, arrays, `{"date": …}`, `{"datetime": …}`, `{"person": id}`, `{"department": id}`,
nested objects (a to-one relation) and arrays of objects (a to-many relation). What `USERDEPT`, `MANAGER` and `DEPTPATH` know stands in
`"directory"` beside them: `{"people": {id: {"department", "manager"}}, "departments": {id: {"name", "parent"}}}`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from formulas.batch_fields import VALUE_LIMIT, BatchSchema, TooManyError, read_fields, write_json
from formulas.batch_lines import LINE_LIMIT, Line, find_id, parse_line, read_lines
from formulas.batch_sql import Database
from formulas.checker import check
from formulas.directory import read_directory
from formulas.errors import CellError, FormulaError, FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.literals import WrongValueError
from formulas.locate import locate
from formulas.schema import Context

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
BACKENDS = ("asteval", "compiled", "sqlite", "postgresql")
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

    def line(self, line: Line) -> dict[str, Any]:
        """The answer to one line; a bad line is answered, never raised, with its id as far as that can be read."""
        if line.too_long:
            return {"id": find_id(line.text), **_wrong("LIMIT", f"the line has more than {LINE_LIMIT} bytes")}
        try:
            request = parse_line(line.text)
        except (ValueError, ArithmeticError, RecursionError):
            return {"id": find_id(line.text), **_wrong("PARSE", "the line is not JSON")}
        if not isinstance(request, dict) or not isinstance(request.get("expr"), str):
            return {"id": _id(request), **_wrong("PARSE", "an object with a text in expr is expected")}
        if not line.is_text:
            return {"id": _id(request), **_wrong("PARSE", "the line is not UTF-8")}
        fields = request.get("fields")
        try:
            answer = self.answer(request["expr"], {} if fields is None else fields, request.get("directory"))
        except (MemoryError, RecursionError):
            answer = _wrong("LIMIT", "the formula is too much to evaluate")
        except Exception as unforeseen:  # noqa: BLE001 - one line never ends the others
            answer = _wrong("VALUE", f"the formula could not be evaluated ({type(unforeseen).__name__})")
        return {"id": _id(request), **answer}

    def answer(self, expression: str, fields: object, directory: object = None) -> dict[str, Any]:
        """`{"value": …}` or `{"error": …}` of one formula."""
        try:
            schema, values = read_fields(fields)
            context = replace(self.context, directory=read_directory(directory)) if directory else self.context
        except TooManyError:
            return _wrong("LIMIT", f"the fields hold more than {VALUE_LIMIT} values")
        except (WrongValueError, RecursionError):
            return _wrong("TYPE", "a field holds something that is no value")
        try:
            value = self.evaluate(expression, schema, values, context)
        except FormulaErrors as errors:
            return {"error": _problem(errors.errors[0])}
        if isinstance(value, CellError):
            at = locate(expression, schema, schema.root, DictRow(values), context)
            return {"error": {"kind": value.kind, "message": value.message.en, "at": list(at)}}
        return {"value": value}

    def evaluate(self, expression: str, schema: BatchSchema, values: dict[str, Any], context: Context) -> Any:
        """The value of a formula on fields, or a `CellError`. Raises `FormulaErrors`."""
        tree = check(expression, schema, schema.root).tree
        row = DictRow(values)
        if self.database is None:
            backend = "asteval" if self.backend == "asteval" else "compiled"
            return program(tree).run(row, context, backend)  # type: ignore[arg-type]
        return self.database.evaluate(tree, row, schema, context)


def _id(request: object) -> Any:
    found = request.get("id") if isinstance(request, dict) else None
    try:
        write_json(found)
    except (TypeError, ValueError, RecursionError):
        return None
    return found


def _wrong(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": message, "at": [0, 0]}}


def _problem(error: FormulaError) -> dict[str, Any]:
    return {"kind": error.kind, "message": error.message.en, "at": list(error.at or (0, 0))}


def answers(batch: Batch, lines: Iterable[Line]) -> Iterator[str]:
    """One JSON text for each line."""
    return (write_json(batch.line(line)) for line in lines)


def main(arguments: list[str] | None = None, source: BinaryIO | None = None, target: BinaryIO | None = None) -> int:
    """The command. Both streams are UTF-8, whatever the locale says."""
    parser = argparse.ArgumentParser(prog="formulas", description="Evaluate formulas given as JSON lines.")
    parser.add_argument("--backend", choices=BACKENDS, default="asteval")
    parser.add_argument("--now", type=datetime.fromisoformat, default=MOMENT, help="the moment that NOW() means")
    parser.add_argument("--user", default=None, help="the person that CURRENTUSER() means")
    options = parser.parse_args(arguments)
    moment = options.now if options.now.tzinfo else options.now.replace(tzinfo=UTC)
    batch = Batch(options.backend, Context(moment, options.user), os.environ.get("DOUGONG_FORMULA_POSTGRES", POSTGRES))
    written = target or sys.stdout.buffer
    try:
        for answer in answers(batch, read_lines(source or sys.stdin.buffer)):
            written.write(answer.encode() + b"\n")
            written.flush()
    finally:
        batch.close()
    return 0
