"""Reads the first sheet of a workbook from standard input: a program of its own, for it is started with nothing but bounds around it.

A workbook of a few bytes may name a cell at the far end of the sheet, and its reader takes memory for all cells before that one until
the system ends it. So it is not read where requests are served. Arguments: rows, columns, characters of a cell, characters of all
cells, bytes of memory, seconds. Writes one JSON array of texts for each row, then ``true``; or an object with ``error`` and ``detail``.
"""

import io
import json
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineError, PasswordError, ZipError, load_workbook


def bound(memory_bytes: int, seconds: int) -> None:
    """Let the system end this program beyond some memory and time of the processor, where it can."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


class TooLarge(Exception):
    """The sheet goes beyond a bound, which is named."""


def rows_of(content: bytes, most_rows: int, most_columns: int) -> Iterator[list[str]]:
    """Yield the rows of the first sheet from its first line on, each from its first column on.

    Raises:
        TooLarge: ``rows`` (the header is one more) or ``columns``.
    """
    sheet = load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
    if sheet.start is None or sheet.end is None:
        return
    last_row, last_column = sheet.end  # counted from 0
    if last_row > most_rows:
        raise TooLarge("rows")
    if last_column >= most_columns:
        raise TooLarge("columns")
    before = [""] * sheet.start[1]
    for row in sheet.iter_rows():
        yield before + [text_of(cell) for cell in row]


def text_of(cell: Any) -> str:
    """Write a cell as people read it."""
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
            return length_text(cell)
        case _:
            return str(cell)


def length_text(length: timedelta) -> str:
    """Hours first, as a spreadsheet shows it: ``49:30:00``."""
    seconds = round(length.total_seconds())
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else ''}{minutes // 60:02d}:{minutes % 60:02d}:{abs(seconds) % 60:02d}"


def main() -> None:
    """Read, and write what was found."""
    most_rows, columns, cell_length, characters, memory_bytes, seconds = map(int, sys.argv[1:])
    bound(memory_bytes, seconds)
    written = 0
    try:
        for row in rows_of(sys.stdin.buffer.read(), most_rows, columns):
            written += sum(map(len, row))
            if written > characters:
                return say("memory")
            if any(len(cell) > cell_length for cell in row):
                return say("cell")
            sys.stdout.write(json.dumps(row) + "\n")
    except TooLarge as bound_:
        return say(str(bound_))
    except PasswordError:
        return say("password")
    except MemoryError:
        return say("memory")
    except (CalamineError, ZipError, ValueError, OSError) as error:
        return say("unreadable", str(error)[:200])
    sys.stdout.write("true\n")
    return None


def say(error: str, detail: str = "") -> None:
    """Write why there is no more."""
    sys.stdout.write(json.dumps({"error": error, "detail": detail}) + "\n")


if __name__ == "__main__":
    main()
