"""Rows of an aggregate to JSON: parts put together exactly, buckets and numbers written. The same bytes for both databases."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from builder.fields.base import Field
from builder.kernel.canonical import plain_decimal
from builder.kernel.limits import EXACT_NUMBER_DIGITS
from builder.store.exact import LOW, ratio
from builder.store.statement import Row
from runtime.query.aggregate_shape import AggregateShape, MeasureShape
from runtime.query.aggregate_statement import parts_of
from runtime.query.buckets import bucket_text

JSON = Any
_GUARD = 3  # pin, epoch and the mark of a group come first


class AggregateReader:
    """Reads the rows of one statement."""

    def __init__(
        self, shape: AggregateShape, names: tuple[str, ...], fields: tuple[Field | None, ...], dialect: str
    ) -> None:
        self._shape = shape
        self._dialect = dialect
        count = len(shape.groups)
        self._group_names, self._measure_names = names[:count], names[count:]
        self._groups = [_reader_of(field, dialect) for field in fields[:count]]
        self._fields = fields[count:]

    def read(self, row: Row) -> dict[str, JSON]:
        """Return one group: its keys, then its measures."""
        columns = iter(row[_GUARD:])
        found: dict[str, JSON] = {}
        for name, group, read in zip(self._group_names, self._shape.groups, self._groups, strict=True):
            value = next(columns)
            if value is None:
                found[name] = None
            else:
                found[name] = read(value) if group.bucket is None else bucket_text(value, group.bucket)
        parts = [[next(columns) for _ in parts_of(m, self._dialect)] for m in self._shape.measures]
        totals = {place: [next(columns) for _ in parts[of]] for place, of in self._shape.shares}
        shares = dict(self._shape.shares)
        for place, (name, measure) in enumerate(zip(self._measure_names, self._shape.measures, strict=True)):
            if measure.function == "share":
                found[name] = self._share(parts[shares[place]], totals[place])
            else:
                found[name] = self._measure(measure, parts[place], self._fields[place])
        return found

    def _measure(self, measure: MeasureShape, parts: list[Any], field: Field | None) -> JSON:
        if field is None:
            return int(parts[0] or 0)
        match measure.function:
            case "sum":
                return _sum_json(self._whole(parts, _scale(field)), field)
            case "avg" | "median":
                count = parts[-1]
                if not count:
                    return None
                scale = _scale(field)
                return plain_decimal(ratio(self._whole(parts, scale), int(count), scale))
            case _:
                return None if parts[0] is None else _reader_of(field, self._dialect)(parts[0])

    def _share(self, of: list[Any], total: list[Any]) -> JSON:
        whole, part = self._units(total), self._units(of)
        return plain_decimal(ratio(part, whole, 0)) if whole else None

    def _units(self, parts: list[Any]) -> int:
        """A sum or count as a whole number of the smallest unit there may be."""
        if self._dialect == "sqlite":
            return self._whole(parts, 0) if len(parts) == 2 else int(parts[0] or 0)
        return int(Decimal(parts[0] or 0).scaleb(10))

    def _whole(self, parts: list[Any], scale: int) -> int:
        """A sum as the whole number ``sum * 10^scale``."""
        if self._dialect == "sqlite":
            return int(parts[0] or 0) * LOW + int(parts[1] or 0)
        return int(Decimal(parts[0] or 0).scaleb(scale))


def _scale(field: Field) -> int:
    return field.formula_type().scale


def _sum_json(whole: int, field: Field) -> JSON:
    """A sum has the digits of its field behind the point; as a string where a double could not carry it."""
    scale = _scale(field)
    digits = len(str(abs(whole)))
    if scale == 0 and digits <= EXACT_NUMBER_DIGITS and not getattr(field, "as_string", False):
        return whole
    text = f"{'-' if whole < 0 else ''}{abs(whole):0{scale + 1}d}"
    text = f"{text[:-scale]}.{text[-scale:]}" if scale else text
    if digits > EXACT_NUMBER_DIGITS or getattr(field, "as_string", False):
        return text
    return Decimal(text)


def _reader_of(field: Field | None, dialect: str) -> Callable[[Any], JSON]:
    """Return what turns a column's value into JSON."""
    assert field is not None
    stored = field.column_type()
    assert stored is not None
    read = stored.read_sqlite if dialect == "sqlite" else stored.read_postgresql
    return lambda value: field.to_json(read(value))
