"""How values of the language are bound where no column says it: the storage forms of docs/decisions/0002."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from formulas.literals import format_instant, write_value
from formulas.numbers import number_text
from formulas.types import NARROW_DIGITS, Type


class Stored(TypeDecorator[Any]):
    """A value kept in another form: `write` and `read` convert what is not null."""

    impl: Any = sa.Text
    cache_ok = True

    def write(self, value: Any) -> Any:
        """The stored form."""
        return value

    def read(self, value: Any) -> Any:
        """The value of the language."""
        return value

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """As SQLAlchemy asks for it."""
        return None if value is None else self.write(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """As SQLAlchemy asks for it."""
        return None if value is None else self.read(value)


class Scaled(Stored):
    """A decimal as the integer value * 10**scale."""

    impl: Any = sa.BigInteger
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def write(self, value: Any) -> int:
        """Scale up."""
        return int(Decimal(value).scaleb(self.scale))

    def read(self, value: Any) -> Decimal:
        """Scale down."""
        return Decimal(value).scaleb(-self.scale)


def _kept(impl: TypeEngine[Any], write: Callable[[Any], Any], read: Callable[[Any], Any]) -> Stored:
    """A stored form from its two conversions."""
    members = {"impl": impl, "cache_ok": True, "write": staticmethod(write), "read": staticmethod(read)}
    kept = type("Kept", (Stored,), members)()
    assert isinstance(kept, Stored)
    return kept


def _json_text(value: Any) -> str:
    return json.dumps(write_value(value), ensure_ascii=False, default=str)


WIDE = _kept(sa.Text(), lambda value: format(Decimal(value), "f"), Decimal)
DATE_TEXT = _kept(sa.Text(), date.isoformat, date.fromisoformat)
INSTANT_TEXT = _kept(sa.Text(), format_instant, lambda text: datetime.fromisoformat(text).astimezone(UTC))
TIME_TEXT = _kept(sa.Text(), lambda value: value.isoformat("seconds"), time.fromisoformat)
SECONDS = _kept(sa.BigInteger(), lambda value: int(value.total_seconds()), lambda value: timedelta(seconds=int(value)))
SET_TEXT = _kept(sa.Text(), _json_text, lambda text: tuple(json.loads(text)))


class _SetJson(TypeDecorator[Any]):
    """A set as JSONB, bound as text: numbers keep their exact digits, which the driver's own encoder has no way to write."""

    impl = JSONB
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any]:
        """JSON text; the statement casts it."""
        return lambda value: None if value is None else exact_json(write_value(value))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The members in order."""
        return None if value is None else tuple(value)


def exact_json(value: Any) -> str:
    """JSON of plain values and lists of them."""
    if isinstance(value, list):
        return "[" + ", ".join(map(exact_json, value)) + "]"
    return number_text(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


SET_JSON = _SetJson()


#: A position, on both databases.
POSITION = _kept(
    sa.Text(), lambda value: exact_json(list(value)), lambda text: tuple(json.loads(text, parse_float=Decimal))
)


class ListText(TypeDecorator[Any]):
    """Values in the storage form of a column as one JSON array, for `IN (SELECT value FROM json_each(?))`."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """The array of what the column's own type would bind."""
        if value is None:
            return None
        convert = cast("Callable[[Any], Any] | None", self.item.dialect_impl(dialect).bind_processor(dialect))
        return json.dumps([convert(item) if convert else item for item in value], ensure_ascii=False)


_SQLITE: dict[str, TypeEngine[Any]] = {
    "integer": sa.BigInteger(),
    "boolean": sa.Boolean(),
    "date": DATE_TEXT,
    "datetime": INSTANT_TEXT,
    "time": TIME_TEXT,
    "duration": SECONDS,
    "set": SET_TEXT,
    "geo": POSITION,
}
_POSTGRESQL: dict[str, TypeEngine[Any]] = {
    "integer": sa.BigInteger(),
    "decimal": sa.Numeric(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "datetime": sa.TIMESTAMP(timezone=True),
    "time": sa.Time(),
    "duration": SECONDS,
    "set": SET_JSON,
    "geo": POSITION,
}


def is_wide(type_: Type) -> bool:
    """Whether SQLite must keep the number as text: its digits do not fit a 64-bit integer."""
    return type_.is_number and type_.digits > NARROW_DIGITS


def bind_type(type_: Type, dialect: str) -> TypeEngine[Any]:
    """The SQLAlchemy type of a value without a column."""
    if dialect == "postgresql":
        if type_.kind == "integer" and type_.digits > NARROW_DIGITS:
            return sa.Numeric()
        return _POSTGRESQL.get(type_.kind, sa.Text())
    if is_wide(type_):
        return WIDE
    if type_.kind == "decimal":
        return Scaled(type_.scale)
    return _SQLITE.get(type_.kind, sa.Text())


def list_type(item: TypeEngine[Any], dialect: str) -> TypeEngine[Any]:
    """The type of a list of values bound as one parameter."""
    return ARRAY(item) if dialect == "postgresql" else ListText(item)
