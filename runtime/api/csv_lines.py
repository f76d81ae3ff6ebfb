"""CSV that spreadsheets open as it is meant."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

from runtime.imports.sheets import FORMULA_STARTS

CSV_START = "\ufeff".encode()
"""What a file begins with, or Excel takes Chinese for something else."""
_NUMBER = re.compile(r"[+-][0-9][0-9.,]*%?")


def csv_line(cells: Iterable[Any]) -> bytes:
    """Return a line of cells, none of which a spreadsheet takes for a formula (CVE-2022-22121)."""
    written = io.StringIO()
    csv.writer(written).writerow([_plain(cell) for cell in cells])
    return written.getvalue().encode()


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text
