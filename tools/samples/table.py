"""Writing a sample file: CSV with the columns in the order given, blanks as nothing, line feeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Record = Mapping[str, Any]


def write_table(records: Iterable[Record]) -> str:
    """Write records as CSV. The first record names the columns; columns that are blank in all records are left out."""
    rows = [{name: cell(value) for name, value in record.items()} for record in records]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def cell(value: Any) -> str:
    """Write one value as the fields read it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(timespec="seconds")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case float():
            raise TypeError("a float is never exact: use Decimal")
        case list() | tuple():
            return ";".join(value)
        case _:
            return str(value)


def money(value: float | int | Decimal, step: int = 1) -> Decimal:
    """Round an amount to a step of whole yuan, as people agree on them."""
    return Decimal(max(step, round(float(value) / step) * step))


def cents(value: Decimal) -> Decimal:
    """Round an amount half up to cents."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)
