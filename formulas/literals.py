"""JSON values to canonical values and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from formulas.types import Type

T = TypeVar("T")
TEXT_LIMIT = 32_767
LIST_LIMIT = 1_000
#: Halves of characters beyond the first 65,536, alone: no text, though JSON can spell them.
HALVES = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(\d{1,100})(\.\d{1,50})?\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?\Z", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class WrongValueError(ValueError):
    """The value does not fit the type."""


def read_value(value: object, type_: Type, zone: tzinfo = UTC) -> Any:
    """The canonical form of a JSON value, None for a blank one.

    Numbers, booleans and dates are taken from texts too, since a query string has nothing else. A datetime without an
    offset is meant in `zone`. Raises `WrongValueError`.
    """
    if value is None or value == "":
        return None
    return _READERS[type_.kind](value, type_, zone)


def _read_text(value: object, _type: Type, _zone: tzinfo) -> str:
    if not isinstance(value, str) or len(value) > TEXT_LIMIT or "\x00" in value:
        raise WrongValueError
    if not value.isascii() and HALVES.search(value):  # neither database can hold it
        raise WrongValueError
    return value


def _read_option(value: object, type_: Type, zone: tzinfo) -> str:
    text = _read_text(value, type_, zone)
    if type_.options and text not in type_.options:
        raise WrongValueError
    return text


def _read_number(value: object, _type: Type, _zone: tzinfo) -> Decimal:
    if isinstance(value, bool):
        raise WrongValueError
    if isinstance(value, int | Decimal | float):
        text = format(Decimal(str(value)), "f") if _is_moderate(value) else ""
    else:
        text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.match(text):
        raise WrongValueError
    return Decimal(text)


def _is_moderate(value: int | Decimal | float) -> bool:
    """Whether writing the digits out is cheap and finite."""
    if isinstance(value, int):
        return value.bit_length() <= 330
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return False
    return number.is_finite() and abs(number.adjusted()) <= 100


def _read_integer(value: object, type_: Type, zone: tzinfo) -> int:
    number = _read_number(value, type_, zone)
    if number != number.to_integral_value() or abs(number) >= 10**18:
        raise WrongValueError
    return int(number)


def _read_boolean(value: object, _type: Type, _zone: tzinfo) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise WrongValueError


def _read_date(value: object, _type: Type, _zone: tzinfo) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.match(value):
        raise WrongValueError
    return _parsed(date.fromisoformat, value)


def _read_datetime(value: object, _type: Type, zone: tzinfo) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str) and len(value) <= 40:
        moment = _parsed(datetime.fromisoformat, value)
    else:
        raise WrongValueError
    return to_instant(moment, zone)


def to_instant(moment: datetime, zone: tzinfo) -> datetime:
    """UTC with milliseconds, the precision that is stored. Raises `WrongValueError` outside the years 1 to 9999."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        utc = aware.astimezone(UTC)
    except OverflowError as error:
        raise WrongValueError from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _read_time(value: object, _type: Type, _zone: tzinfo) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not _TIME.match(value):
        raise WrongValueError
    return _parsed(time.fromisoformat, value)


def _read_duration(value: object, type_: Type, zone: tzinfo) -> timedelta:
    seconds = _read_integer(value, type_, zone)
    if abs(seconds) > 10**11:
        raise WrongValueError
    return timedelta(seconds=seconds)


def _read_set(value: object, type_: Type, zone: tzinfo) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) > LIST_LIMIT or type_.element is None:
        raise WrongValueError
    element = type_.element
    return tuple(dict.fromkeys(_READERS[element.kind](item, element, zone) for item in value))


def _refuse(_value: object, _type: Type, _zone: tzinfo) -> Any:
    raise WrongValueError


def _read_geo(value: object, type_: Type, zone: tzinfo) -> tuple[Decimal, Decimal]:
    """A pair of latitude and longitude in degrees."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise WrongValueError
    latitude, longitude = (_read_number(item, type_, zone) for item in value)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise WrongValueError
    return latitude, longitude


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise WrongValueError from error


_READERS: dict[str, Callable[[object, Type, tzinfo], Any]] = {
    "text": _read_text,
    "option": _read_option,
    "integer": _read_integer,
    "decimal": _read_number,
    "boolean": _read_boolean,
    "date": _read_date,
    "datetime": _read_datetime,
    "time": _read_time,
    "duration": _read_duration,
    "set": _read_set,
    "person": _read_text,
    "department": _read_text,
    "record": _read_text,
    "file": _read_text,
    "geo": _read_geo,
    "json": _refuse,
    "blank": _refuse,
}


def write_value(value: Any) -> Any:
    """A canonical value as JSON: decimals stay Decimal, for an encoder that writes their exact digits."""
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, time):
        return value.isoformat("seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, tuple | list):
        return [write_value(item) for item in value]
    return value


def format_instant(moment: datetime) -> str:
    """`2026-11-22T12:44:00.000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
