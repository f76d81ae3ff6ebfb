"""Numbers as ``auto_number`` fields give them."""

from __future__ import annotations

from datetime import date


class Series:
    """Counts on per month: ``HT-202611-001``."""

    def __init__(self, prefix: str, digits: int) -> None:
        self._prefix = prefix
        self._digits = digits
        self._counted: dict[str, int] = {}

    def next(self, on: date) -> str:
        """Return the next number of the month of a day."""
        month = f"{on:%Y%m}"
        self._counted[month] = self._counted.get(month, 0) + 1
        return f"{self._prefix}-{month}-{self._counted[month]:0{self._digits}d}"
