"""A finished export as an .xlsx. Text stays text, whatever it begins with: it is never looked at as a formula, a number or an address.

Rows go to a temporary file as they come (``constant_memory``), so a workbook costs the memory of one row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from builder.kernel.limits import SHEET_CELL_LENGTH
from runtime.exports.columns import ColumnForm, cell_value

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_NARROWEST, _WIDEST = 6, 60
_MARGIN = 2
_WIDE = ("W", "F")


class Workbook:
    """One sheet under way: ``add`` parts, then ``close``."""

    def __init__(
        self, path: Path, header: Sequence[str], forms: Sequence[ColumnForm], zone: ZoneInfo, made_at: datetime
    ) -> None:
        import xlsxwriter  # here: a start would pay for it, and few processes ever write one

        self._book = xlsxwriter.Workbook(str(path), {**_OPTIONS, "tmpdir": str(path.parent)})
        self._book.set_properties({"created": made_at})
        self._sheet = self._book.add_worksheet()
        self._forms, self._zone = forms, zone
        self._formats = [self._book.add_format({"num_format": form.shown}) if form.shown else None for form in forms]
        self._widths = [width_of(title) for title in header]
        self._row = 1
        bold = self._book.add_format({"bold": True})
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(header):
            self._sheet.write_string(0, column, title, bold)

    def add(self, lines: Sequence[Sequence[str]]) -> None:
        """Write rows; the first ones say how wide the columns are."""
        if self._row == 1:
            for column, texts in enumerate(zip(*lines, strict=True)):
                self._widths[column] = max(self._widths[column], *map(width_of, texts))
        for line in lines:
            for column, text in enumerate(line):
                if text:
                    self._write(column, text)
            self._row += 1

    def _write(self, column: int, text: str) -> None:
        value = cell_value(self._forms[column], text, self._zone)
        if value is None:
            self._sheet.write_string(self._row, column, text)
        elif isinstance(value, float):
            self._sheet.write_number(self._row, column, value, self._formats[column])
        else:
            self._sheet.write_datetime(self._row, column, value, self._formats[column])

    def close(self) -> None:
        """Finish the file."""
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, min(max(width + _MARGIN, _NARROWEST), _WIDEST))
        self._book.close()


def width_of(text: str) -> int:
    """Return how many narrow characters the longest line of a text is wide; Chinese ones count twice."""
    return max(
        sum(2 if unicodedata.east_asian_width(c) in _WIDE else 1 for c in line) for line in text[:500].split("\n")
    )


def fits(text: str) -> bool:
    """Whether a cell takes a text: spreadsheets count in UTF-16."""
    if len(text) * 2 <= SHEET_CELL_LENGTH:
        return True
    return len(text.encode("utf-16-le")) // 2 <= SHEET_CELL_LENGTH
