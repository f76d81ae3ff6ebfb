"""Fields of a batch line: types guessed from JSON values, and values written back as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from formulas.functions.declare import unify
from formulas.literals import HALVES, WrongValueError, format_instant, read_value
from formulas.numbers import number_text
from formulas.schema import FieldInfo
from formulas.types import (
    BLANK,
    BOOLEAN,
    DATE,
    DATETIME,
    DEPARTMENT,
    PERSON,
    TEXT,
    Type,
    decimal,
    integer,
    record,
    set_of,
)

DEPTH_LIMIT = 8
WRITTEN_DIGITS = 7_000
#: Values that the fields of one line may hold, those of related rows and of sets included.
VALUE_LIMIT = 10_000
_PLAIN = 10**15
_PLAIN_TYPE = integer(15)
#: `{"date": "2024-02-29"}`: an object that is one value.
_MARKED: Mapping[str, Type] = {"date": DATE, "datetime": DATETIME, "person": PERSON, "department": DEPARTMENT}
_MARKS = frozenset(_MARKED)


class BatchSchema:
    """The fields of one line; nested objects are entities named by their path."""

    root = "fields"

    def __init__(self) -> None:
        self.entities: dict[str, dict[str, FieldInfo]] = {self.root: {}}

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """By key."""
        return self.entities.get(entity, {}).get(key)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Keys are their own labels."""
        return [(key, key) for key in self.entities.get(entity, {})]


class TooManyError(Exception):
    """More values than a line may bring."""


def read_fields(fields: object) -> tuple[BatchSchema, dict[str, Any]]:
    """The schema and the canonical values of a JSON object. Raises `WrongValueError`, `TooManyError`."""
    if not isinstance(fields, dict):
        raise WrongValueError
    _count(fields)
    schema = BatchSchema()
    return schema, _read_entity(schema, schema.root, fields, 0)


def _read_entity(schema: BatchSchema, entity: str, fields: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth > DEPTH_LIMIT:
        raise WrongValueError
    known = schema.entities.setdefault(entity, {})
    values: dict[str, Any] = {}
    for key, value in fields.items():
        inner = f"{entity}.{key}"
        if _is_row(value):
            known[key] = FieldInfo(key, record(inner), inner)
            values[key] = _read_entity(schema, inner, value, depth + 1)
        elif isinstance(value, list) and value and all(_is_row(item) for item in value):
            known[key] = FieldInfo(key, set_of(record(inner)), inner, many=True)
            values[key] = [_read_entity(schema, inner, item, depth + 1) for item in value]
        else:
            type_, values[key] = read_field(value)
            known[key] = FieldInfo(key, _merged(known.get(key), type_))
    return values


def _count(fields: dict[str, Any]) -> None:
    """Refuse what would take long to read, before anything is read."""
    pending: list[Any] = [fields]
    left = VALUE_LIMIT
    while pending:
        found = pending.pop()
        inside = found.values() if isinstance(found, dict) else found
        left -= len(inside)
        if left < 0:
            raise TooManyError
        pending += [item for item in inside if isinstance(item, dict | list)]


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and _MARKS.isdisjoint(value)


def _merged(known: FieldInfo | None, type_: Type) -> Type:
    """The type over several rows."""
    found = type_ if known is None or known.type == type_ else unify((known.type, type_))
    if found is None:
        raise WrongValueError
    return found


def read_field(value: object) -> tuple[Type, Any]:
    """The type and the canonical form of one JSON value."""
    if value is None or value == "":
        return BLANK, None
    if isinstance(value, bool):
        return BOOLEAN, value
    if type(value) is int and abs(value) < _PLAIN:
        return _PLAIN_TYPE, value
    if isinstance(value, int | Decimal):
        number = read_value(value, decimal(0))
        type_ = number_type(number)
        return type_, int(number) if type_.kind == "integer" else number
    if isinstance(value, str):
        return TEXT, read_value(value, TEXT)
    if isinstance(value, list):
        parts = [read_field(item) for item in value]
        element = unify(list(dict.fromkeys(type_ for type_, _ in parts)))
        if element is None or element.kind == "set":
            raise WrongValueError
        return set_of(TEXT if element == BLANK else element), tuple(item for _, item in parts if item is not None)
    if isinstance(value, dict) and len(value) == 1:
        name, text = next(iter(value.items()))
        if name in _MARKED:
            return _MARKED[name], read_value(text, _MARKED[name])
    raise WrongValueError


def number_type(number: Decimal) -> Type:
    """The type that just holds a number."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    whole = max(number.adjusted() + 1, 1)
    return integer(max(whole, 15)) if exponent >= 0 else decimal(-exponent, max(whole - exponent, 15))


def write_json(value: Any) -> str:
    """JSON with the exact digits of decimals; dates and instants as `{"date": …}` and `{"datetime": …}`."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | Decimal):
        huge = isinstance(value, Decimal) and abs(value.adjusted()) > WRITTEN_DIGITS  # an id: no result is so long
        return str(value) if huge else number_text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {write_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_json, value)) + "]"
    if isinstance(value, date | time | timedelta):
        return json.dumps(_moment(value))
    # half a character of two, as an id may hold it, can only be written as it came
    return json.dumps(value, ensure_ascii=bool(HALVES.search(value)))


def _moment(value: date | time | timedelta) -> Any:
    if isinstance(value, datetime):
        return {"datetime": format_instant(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, time):
        return {"time": value.isoformat("seconds")}
    return {"seconds": int(value.total_seconds())}
