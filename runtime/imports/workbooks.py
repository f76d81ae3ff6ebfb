"""Workbooks (.xlsx, .xlsm, .xls, .ods) as rows of texts: read by a program of its own, so that one that bursts harms nobody else."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from builder.kernel.limits import PACKAGE_RATIO, SHEET_CELL_LENGTH, SHEET_COLUMNS, SHEET_ROWS
from builder.kernel.problems import Problem
from builder.kernel.text import say

ZIP = b"PK\x03\x04"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls
_UNPACKED_BYTES = 200 * 1024 * 1024
_RATIO_FROM_BYTES = 1024 * 1024
_CHARACTERS = 100 * 1024 * 1024
"""Of all cells: a text that is kept once may stand in very many."""
_MEMORY_BYTES = 1024**3
_SECONDS = 60
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_READER = Path(__file__).with_name("workbook_reading.py")


def workbook_lines(content: bytes) -> Iterator[list[str]]:
    """Yield the rows of the first sheet, each a text per column.

    Raises:
        Problem: ``import.unreadable``, ``import.too_large``.
    """
    if content.startswith(ZIP):
        _refuse_bombs(content)
    bounds = (SHEET_ROWS, SHEET_COLUMNS, SHEET_CELL_LENGTH, _CHARACTERS, _MEMORY_BYTES, _SECONDS)
    order = [sys.executable, "-I", str(_READER), *map(str, bounds)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and program; what was sent goes in by its standard input
            order, input=content, capture_output=True, timeout=2 * _SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _too_large("内容过多", "It holds too much") from None
    for line in done.stdout.splitlines():
        found = json.loads(line) if line.endswith((b"]", b"}", b"true")) else None
        if found is True:
            return
        if not isinstance(found, list):
            raise _refusal(found or {})
        yield found
    raise _refusal({})  # it was ended in the middle


def _refusal(found: dict[str, str]) -> Problem:
    match found.get("error", "memory"):
        case "rows":
            return _too_large(f"超过 {SHEET_ROWS} 行", f"More than {SHEET_ROWS} rows")
        case "columns":
            return _too_large(f"超过 {SHEET_COLUMNS} 列", f"More than {SHEET_COLUMNS} columns")
        case "cell":
            most = SHEET_CELL_LENGTH
            return _too_large(f"单元格超过 {most} 字", f"A cell has more than {most} characters")
        case "password":
            zh = "文件有密码保护,请去掉密码后再上传"
            return _unreadable(zh, "The file is protected by a password; remove it first")
        case "unreadable":
            detail = found["detail"]
            return _unreadable(f"不是可读的表格文件:{detail}", f"Not a readable spreadsheet: {detail}")
    return _too_large(
        "表格展开后过大:请删除远处的多余单元格,只保留数据",
        "The sheet is too large: remove cells far out that hold nothing of the data",
    )


def _refuse_bombs(content: bytes) -> None:
    """Look at what the archive says of itself; what it says less than it holds, the reader refuses."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
    except _UNREADABLE as error:
        raise _unreadable(f"不是可读的表格文件:{error}", f"Not a readable spreadsheet: {error}") from None
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    if unpacked > _UNPACKED_BYTES or (unpacked > _RATIO_FROM_BYTES and unpacked / packed > PACKAGE_RATIO):
        raise _too_large("解压后过大", "Too large when unpacked")


def _too_large(zh: str, en: str) -> Problem:
    return Problem("import.too_large", say(zh, en))


def _unreadable(zh: str, en: str) -> Problem:
    return Problem("import.unreadable", say(zh, en))
