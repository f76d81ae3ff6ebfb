"""Functions that SQLite lacks, registered on a connection that the caller has opened."""

from __future__ import annotations

import decimal
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from formulas.errors import CellError
from formulas.functions import find_function
from formulas.literals import format_instant, write_value
from formulas.numbers import EXACT, divide, number_text, round_to
from formulas.schema import Context


def unicode_lower(text: str | None) -> str | None:
    """Lower case by Unicode."""
    return None if text is None else text.lower()


def unicode_upper(text: str | None) -> str | None:
    """Upper case by Unicode."""
    return None if text is None else text.upper()


def formula_wide(value: int | None, scale: int) -> str | None:
    """A scaled integer as decimal text."""
    return None if value is None else format(Decimal(value).scaleb(-scale), "f")


def formula_plain(value: str | None) -> str | None:
    """Decimal text in the one form that equal numbers share."""
    return None if value is None else number_text(Decimal(value))


def formula_sort_key(value: str | None) -> str | None:
    """Decimal text as a text that sorts bytewise as the numbers do: sign, exponent, digits."""
    if value is None:
        return None
    number = Decimal(value).normalize(EXACT)
    if not number:
        return "1"
    digits = f"{number.adjusted() + 1000:04d}" + "".join(map(str, number.as_tuple().digits))
    if number > 0:
        return "2" + digits
    return "0" + digits.translate(_MIRRORED) + "~"


_MIRRORED = str.maketrans("0123456789", "9876543210")


def formula_compare(left: str | None, right: str | None) -> int | None:
    """-1, 0 or 1."""
    if left is None or right is None:
        return None
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)


def formula_narrow(value: str | None, scale: int) -> int | None:
    """Decimal text rounded half-up to a scaled integer, null where that does not fit 64 bits."""
    return None if value is None else _in_64_bits(int(EXACT.scaleb(round_to(Decimal(value), scale), scale)))


def _in_64_bits(value: int) -> int | None:
    return value if -(2**63) <= value < 2**63 else None


def _identity(value: Any) -> Any:
    return value


def _reader(form: str) -> Callable[[Any], Any]:
    """From the stored form to the value of the language."""
    if form[0] == "n":
        scale = -int(form[1:])
        return lambda value: EXACT.scaleb(Decimal(value), scale)
    if form[0] == "L":
        read = _reader(form[1:])
        return lambda text: tuple(read(item) for item in json.loads(text))
    return _READERS.get(form, _identity)


_READERS: dict[str, Callable[[Any], Any]] = {
    "w": Decimal,
    "b": bool,
    "d": date.fromisoformat,
    "m": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "c": time.fromisoformat,
    "s": lambda seconds: timedelta(seconds=seconds),
    "g": lambda text: tuple(Decimal(str(item)) for item in json.loads(text, parse_float=Decimal)),
}


def _writer(form: str) -> Callable[[Any], Any]:
    """From the value of the language to the stored form."""
    if form[0] == "n":
        scale = int(form[1:])
        return lambda value: _in_64_bits(int(EXACT.scaleb(Decimal(value), scale)))
    return _WRITERS.get(form[0], _identity)


def _set_text(values: Any) -> str:
    return json.dumps(write_value(values), ensure_ascii=False, default=str)


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "i": lambda value: _in_64_bits(int(value)),
    "w": lambda value: format(Decimal(value), "f"),
    "d": date.isoformat,
    "m": format_instant,
    "c": lambda value: value.isoformat("seconds"),
    "s": lambda value: int(value.total_seconds()),
    "L": _set_text,
    "g": _set_text,
}


@lru_cache(maxsize=4096)
def _prepared(code: str) -> Callable[..., Any]:
    """The function of a call code, reading and writing stored forms."""
    name, forms, zone = code.split("|")
    arguments, _, result = forms.partition(">")
    function = find_function(name)
    readers = [_reader(form) for form in arguments.split()]
    write = _writer(result)
    context = Context(datetime(1970, 1, 1, tzinfo=UTC), zone=zone_of(zone))
    first = (context,) if function.needs_context else ()

    def call(*values: Any) -> Any:
        args = [None if value is None else read(value) for read, value in zip(readers, values, strict=True)]
        with decimal.localcontext(EXACT):
            found = function.run(*first, *args)
        return None if found is None or found.__class__ is CellError else write(found)

    return call


def formula_call(code: str, *values: Any) -> Any:
    """A function of the language on stored values; an error is null."""
    return _prepared(code)(*values)


def zone_of(name: str) -> tzinfo:
    """The zone of a name, or of an offset in seconds."""
    return timezone(timedelta(seconds=int(name))) if name.lstrip("-").isdigit() else ZoneInfo(name)


class _Gathered:
    """An aggregate over decimal texts."""

    def __init__(self) -> None:
        self.values: list[Decimal] = []

    def step(self, value: str | None) -> None:
        """Take the value of one row."""
        if value is not None:
            self.values.append(Decimal(value))


class FormulaSum(_Gathered):
    """The exact sum, 0 of nothing."""

    def finalize(self) -> str:
        """After the last row."""
        with decimal.localcontext(EXACT):
            return format(sum(self.values, Decimal(0)), "f")


class FormulaMin(_Gathered):
    """The smallest."""

    def finalize(self) -> str | None:
        """After the last row."""
        return format(min(self.values), "f") if self.values else None


class FormulaMax(_Gathered):
    """The largest."""

    def finalize(self) -> str | None:
        """After the last row."""
        return format(max(self.values), "f") if self.values else None


class FormulaMean:
    """The mean rounded half-up to 10 places, of scaled integers, or of texts where the scale is -1."""

    def __init__(self) -> None:
        self.total: Any = 0
        self.count = 0
        self.scale, self.form = 0, "w"

    def step(self, value: Any, scale: int, form: str) -> None:
        """Take the value of one row."""
        self.scale, self.form = scale, form
        if value is not None:
            self.total = EXACT.add(self.total, Decimal(value))
            self.count += 1

    def finalize(self) -> Any:
        """After the last row."""
        if not self.count:
            return None
        total = self.total if self.scale < 0 else EXACT.scaleb(self.total, -self.scale)
        return _writer(self.form)(divide(total, self.count))


AGGREGATES: dict[str, tuple[int, Any]] = {
    "formula_sum": (1, FormulaSum),
    "formula_min": (1, FormulaMin),
    "formula_max": (1, FormulaMax),
    "formula_mean": (3, FormulaMean),
}
FUNCTIONS: dict[str, tuple[int, Callable[..., str | int | None]]] = {
    "unicode_lower": (1, unicode_lower),
    "unicode_upper": (1, unicode_upper),
    "formula_wide": (2, formula_wide),
    "formula_compare": (2, formula_compare),
    "formula_sort_key": (1, formula_sort_key),
    "formula_plain": (1, formula_plain),
    "formula_narrow": (2, formula_narrow),
    "formula_call": (-1, formula_call),
}


def install(connection: sqlite3.Connection) -> None:
    """Register every function that the SQL forms use, as deterministic."""
    for name, (arity, function) in FUNCTIONS.items():
        connection.create_function(name, arity, function, deterministic=True)
    for name, (arity, aggregate) in AGGREGATES.items():
        connection.create_aggregate(name, arity, aggregate)
