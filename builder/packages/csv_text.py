"""CSV text -> rows with their places (RFC 4180), as spreadsheets write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from builder.kernel.limits import VIOLATIONS_SHOWN
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, say
from builder.packages.package import SAMPLE_FOLDER, invalid_package


class Row(NamedTuple):
    """One line of a table: the cells that are not empty, by column."""

    line: int
    cells: Mapping[str, str]


class Table(NamedTuple):
    """A sample file, read but not yet understood."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class Faults:
    """Collects what is wrong in sample files; ends the reading when there are more than anybody reads."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def add(self, code: str, message: Text, file: str, line: int | None = None, column: str | None = None) -> None:
        """Note a fault with its place: ``params`` hold file, line (the header is 1) and column."""
        place = {"file": file, "line": line, "column": column}
        params = {name: value for name, value in place.items() if value is not None}
        at = say(
            "".join(f"{text}:" for text in (file, line and f"第 {line} 行", column) if text),
            "".join(f"{text}: " for text in (file, line and f"line {line}", column) if text),
        )
        self._found.append(Violation(code, "", say(at.zh + message.zh, at.en + message.en), params))
        if len(self._found) >= VIOLATIONS_SHOWN:
            self.raise_found()

    def raise_found(self) -> None:
        """Raise what was collected, if anything.

        Raises:
            Problem: ``package.invalid``.
        """
        if self._found:
            raise self.problem()

    def problem(self) -> Problem:
        """Return what was collected as a problem."""
        return invalid_package(self._found)


def read_table(name: str, text: str, known: Sequence[str], faults: Faults) -> Table:
    """Read a sample file whose columns must be among those known."""
    file = f"{SAMPLE_FOLDER}/{name}.csv"
    lines = _read_lines(file, text, faults)
    _, header = next(lines, (1, []))
    columns = tuple(column.strip() for column in header)
    _check_columns(file, columns, known, faults)
    return Table(file, columns, tuple(_rows(file, columns, lines, faults)))


def _read_lines(file: str, text: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1  # a quoted cell may go over several lines; the place of a row is its first
    except csv.Error as error:
        faults.add("csv", say(f"不是有效的 CSV:{error}", f"Not valid CSV: {error}"), file, line)


def _check_columns(file: str, columns: Sequence[str], known: Sequence[str], faults: Faults) -> None:
    for column in dict.fromkeys(columns):
        if column not in known:
            hint = nearest_hint(column, known)
            faults.add(
                "unknown", say(f"没有这一列{hint.zh}", f"There is no such column{hint.en}"), file, 1, column or "?"
            )
        elif columns.count(column) > 1:
            faults.add("duplicate", say("这一列出现两次", "The column occurs twice"), file, 1, column)


def _rows(file: str, columns: Sequence[str], lines: Iterator[tuple[int, list[str]]], faults: Faults) -> Iterator[Row]:
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) != len(columns):
            message = say(
                f"有 {len(cells)} 格,表头有 {len(columns)} 列",
                f"{len(cells)} cells, but the header has {len(columns)} columns",
            )
            faults.add("cells", message, file, line)
            continue
        yield Row(line, {column: cell for column, cell in zip(columns, cells, strict=True) if cell.strip()})
