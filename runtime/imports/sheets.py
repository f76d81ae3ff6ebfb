"""Reading a sheet that somebody made in Excel, WPS or a text editor: a header and rows of text, bounded before anything is unpacked.

Takes .xlsx, .xlsm, .xls and .ods (by content, not by name) and CSV in UTF-8 or GB 18030, separated by comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from python_calamine import CalamineError, PasswordError, ZipError, load_workbook

from builder.kernel.limits import PACKAGE_RATIO, SHEET_BYTES, SHEET_CELL_LENGTH, SHEET_COLUMNS, SHEET_ROWS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say

_ZIP = b"PK\x03\x04"
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls
_UNPACKED_BYTES = 200 * 1024 * 1024
_RATIO_FROM_BYTES = 1024 * 1024
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
_SEPARATORS = ",;\t"
_ENCODINGS = ("utf-8-sig", "gb18030")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


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
    if content.startswith((_ZIP, _COMPOUND)):
        lines = _workbook_lines(content)
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


def _workbook_lines(content: bytes) -> Iterator[list[str]]:
    if content.startswith(_ZIP):
        _refuse_bombs(content)
    try:
        workbook = load_workbook(io.BytesIO(content))
        rows = workbook.get_sheet_by_index(0).to_python(nrows=SHEET_ROWS + 2, skip_empty_area=False)
    except PasswordError:
        raise _unreadable(
            "文件有密码保护,请去掉密码后再上传", "The file is protected by a password; remove it first"
        ) from None
    except (CalamineError, ZipError, ValueError, OSError) as error:
        raise _unreadable(f"不是可读的表格文件:{error}", f"Not a readable spreadsheet: {error}") from None
    for row in rows:
        yield _narrow([_cell_text(cell) for cell in row])


def _refuse_bombs(content: bytes) -> None:
    """Look at what the archive says of itself; what it says less than it holds, the reader refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except _UNREADABLE as error:
        raise _unreadable(f"不是可读的表格文件:{error}", f"Not a readable spreadsheet: {error}") from None
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    if unpacked > _UNPACKED_BYTES or (unpacked > _RATIO_FROM_BYTES and unpacked / packed > PACKAGE_RATIO):
        raise _too_large("解压后过大", "Too large when unpacked")


def _cell_text(cell: Any) -> str:
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 1e15:  # a spreadsheet has no other numbers
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime() | date() | time():
            return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
        case timedelta():
            return _length_text(cell)
        case _:
            return _bounded(str(cell))


def _length_text(length: timedelta) -> str:
    """Hours first, as a spreadsheet shows it: ``49:30:00``."""
    seconds = round(length.total_seconds())
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else ''}{minutes // 60:02d}:{minutes % 60:02d}:{abs(seconds) % 60:02d}"


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
