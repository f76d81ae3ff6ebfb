"""Reading a sheet that somebody made in Excel, WPS or a text editor: a header and rows of text, bounded before anything is unpacked.

Takes .xlsx, .xlsm, .xls and .ods (by content, not by name) and CSV in UTF-8 or GB 18030, separated by comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from builder.kernel.limits import SHEET_BYTES, SHEET_CELL_LENGTH, SHEET_COLUMNS, SHEET_ROWS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from runtime.imports.workbooks import COMPOUND, ZIP, workbook_lines

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula; those of Chinese and Japanese systems read the wide signs too (OWASP: CSV injection)."""
_SEPARATORS = ",;\t"
_ENCODINGS = ("utf-8-sig", "gb18030")


class SheetRow(NamedTuple):
    """One row: its line in the sheet (the header is 1) and a text per column; empty text where there is nothing."""

    line: int
    cells: tuple[str, ...]


class Sheet(NamedTuple):
    """The first sheet of a file."""

    header: tuple[str, ...]
    rows: tuple[SheetRow, ...]


def read_sheet(content: bytes) -> Sheet:
    """Read the first sheet; rows without any text are passed over.

    Raises:
        Problem: ``import.unreadable``, ``import.too_large``.
    """
    if len(content) > SHEET_BYTES:
        raise _too_large(
            f"文件超过 {SHEET_BYTES // 1024**2} MB", f"The file is larger than {SHEET_BYTES // 1024**2} MB"
        )
    if content.startswith((ZIP, COMPOUND)):
        lines = workbook_lines(content)
    else:
        lines = _csv_lines(content)
    return _sheet(lines)


def wrong_cell(line: int, column: str, code: str, zh: str, en: str) -> Violation:
    """Say what is wrong with a cell, or with a whole column at its title (line 1)."""
    message = say(f"第 {line} 行“{column}”:{zh}", f'Line {line}, "{column}": {en}')
    return Violation(code, f"/{line}", message, {"line": line, "column": column})


def _sheet(lines: Iterator[Sequence[str]]) -> Sheet:
    header: tuple[str, ...] | None = None
    rows: list[SheetRow] = []
    for line, cells in enumerate(lines, start=1):
        texts = tuple(cell.strip() for cell in cells)
        if not any(texts):
            continue
        if header is None:
            header = _header(texts)
            continue
        if len(rows) >= SHEET_ROWS:
            raise _too_large(f"超过 {SHEET_ROWS} 行", f"More than {SHEET_ROWS} rows")
        rows.append(SheetRow(line, (texts + ("",) * len(header))[: len(header)]))
    if header is None:
        raise _unreadable("文件中没有内容", "The file has nothing in it")
    return Sheet(header, tuple(rows))


def _header(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts[: max(place for place, text in enumerate(texts) if text) + 1]


def _csv_lines(content: bytes) -> Iterator[list[str]]:
    text = _decoded(content)
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield _narrow([_bounded(_meant(cell)) for cell in row])
    except csv.Error as error:
        raise _unreadable(f"不是可读的 CSV:{error}", f"Not readable CSV: {error}") from None


def _meant(cell: str) -> str:
    """Return a cell without the quote by which it was kept from being a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _narrow(cells: list[str]) -> list[str]:
    if any(cells[SHEET_COLUMNS:]):
        raise _too_large(f"超过 {SHEET_COLUMNS} 列", f"More than {SHEET_COLUMNS} columns")
    return cells[:SHEET_COLUMNS]


def _decoded(content: bytes) -> str:
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise _unreadable(
        "不是 Excel 文件,也不是 UTF-8 或 GB 18030 文本", "Neither a spreadsheet nor text in UTF-8 or GB 18030"
    )


def _bounded(text: str) -> str:
    if len(text) > SHEET_CELL_LENGTH:
        raise _too_large(f"单元格超过 {SHEET_CELL_LENGTH} 字", f"A cell has more than {SHEET_CELL_LENGTH} characters")
    return text


def _too_large(zh: str, en: str) -> Problem:
    return Problem("import.too_large", say(zh, en))


def _unreadable(zh: str, en: str) -> Problem:
    return Problem("import.unreadable", say(zh, en))
