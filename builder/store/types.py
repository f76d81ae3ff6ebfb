"""Column types: the one place that knows how a value is stored on each database.

=============  =======================  =======================  ==========================
type           Python value             SQLite                   PostgreSQL
=============  =======================  =======================  ==========================
Words          str                      TEXT                     VARCHAR COLLATE "C"
Whole          int                      INTEGER                  BIGINT
Scaled         Decimal                  INTEGER (value * 10^s)   NUMERIC(d, s)
YesNo          bool                     BOOLEAN (0 or 1)         BOOLEAN
Day            datetime.date            TEXT (2026-11-22)        DATE
Instant        aware datetime, UTC, ms  TEXT (...T12:44:00.000Z) TIMESTAMP WITH TIME ZONE
DayTime        datetime.time            TEXT (14:30:00)          TIME
Span           datetime.timedelta       INTEGER (seconds)        BIGINT (seconds)
Identifier     str (UUID)               TEXT                     UUID
Document       JSON value               TEXT (JSON)              JSONB
KeySet         tuple of str             TEXT (JSON array)        JSONB
Position       (latitude, longitude)    TEXT (JSON array)        JSONB
TransactionId  str                      INTEGER (always 0)       XID8
=============  =======================  =======================  ==========================

VARCHAR without a length is PostgreSQL's TEXT by another name (SQLAlchemy renders it so); collation "C" compares bytes, which for
UTF-8 is the order of code points, as SQLite has it. Instants are cut to milliseconds before they are bound, not by the column.
The binders here are used by SQLAlchemy and by the prepared statements of the hot path alike.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text

Binder = Callable[[Any], Any]


class StoredType(sa.types.TypeDecorator[Any]):
    """Base: binds with ``bind_sqlite`` or ``bind_postgresql``, nothing is hidden in between."""

    impl: type[sa.types.TypeEngine[Any]] = sa.Text
    cache_ok = True

    def signature(self) -> str:
        """Return a text equal for two types with the same storage; kept columns are taken up again by it."""
        return type(self).__name__.lower()

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """Return the SQLite column type."""
        return sa.Text()

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """Return the PostgreSQL column type (rendered as VARCHAR COLLATE "C")."""
        return pg.TEXT(collation="C")

    def bind_sqlite(self, value: Any) -> Any:
        """Turn a value (never None) into what sqlite3 takes."""
        return value

    def bind_postgresql(self, value: Any) -> Any:
        """Turn a value (never None) into what asyncpg and psycopg take."""
        return value

    def read_sqlite(self, value: Any) -> Any:
        """Turn a stored value (never None) back."""
        return value

    def read_postgresql(self, value: Any) -> Any:
        """Turn a stored value (never None) back."""
        return value

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of the database."""
        chosen = self.on_sqlite() if dialect.name == "sqlite" else self.on_postgresql()
        return dialect.type_descriptor(chosen)

    def bind_processor(self, dialect: sa.Dialect) -> Binder | None:
        """Return the binder of the database; the plain type's own binder is not used."""
        name = "sqlite" if dialect.name == "sqlite" else "postgresql"
        if getattr(type(self), f"bind_{name}") is getattr(StoredType, f"bind_{name}"):
            return None
        bind: Binder = getattr(self, f"bind_{name}")
        return lambda value: None if value is None else bind(value)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Binder | None:
        """Return the reader of the database; the plain type's own reader is not used."""
        name = "sqlite" if dialect.name == "sqlite" else "postgresql"
        if getattr(type(self), f"read_{name}") is getattr(StoredType, f"read_{name}"):
            return None
        read: Binder = getattr(self, f"read_{name}")
        return lambda value: None if value is None else read(value)

    def coerce_compared_value(self, op: Any, value: Any) -> sa.types.TypeEngine[Any]:
        """Bind the other side of a comparison with this type."""
        return self


class Words(StoredType):
    """Text, compared by code point on both databases."""

    cache_ok = True


class Whole(StoredType):
    """64-bit integer."""

    impl = sa.BigInteger
    cache_ok = True

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """INTEGER."""
        return sa.Integer()

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """BIGINT."""
        return sa.BigInteger()


class Scaled(StoredType):
    """Exact decimal with fixed digits after the point; at most 18 digits in all."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, digits: int, scale: int) -> None:
        super().__init__()
        self.digits = digits
        self.scale = scale
        self._power = Decimal(1).scaleb(scale)

    def signature(self) -> str:
        """Two decimals share storage when their digits and scale are equal."""
        return f"scaled({self.digits},{self.scale})"

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """INTEGER holding value * 10^scale."""
        return sa.Integer()

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """NUMERIC(digits, scale)."""
        return pg.NUMERIC(self.digits, self.scale)

    def bind_sqlite(self, value: Any) -> Any:
        """Scale up; the value was rounded to the scale by the field."""
        number = value if type(value) is Decimal else Decimal(value)
        return int((number * self._power).to_integral_value())

    def bind_postgresql(self, value: Any) -> Any:
        """Pass a Decimal."""
        return Decimal(value)

    def read_sqlite(self, value: Any) -> Any:
        """Scale down."""
        return Decimal(value).scaleb(-self.scale)


class YesNo(StoredType):
    """Boolean."""

    impl = sa.Boolean
    cache_ok = True

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """BOOLEAN, to SQLite a name for a number."""
        return sa.Boolean(create_constraint=False)

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """BOOLEAN."""
        return sa.Boolean()

    def bind_sqlite(self, value: Any) -> Any:
        """0 or 1."""
        return int(value)

    def read_sqlite(self, value: Any) -> Any:
        """True or False."""
        return bool(value)


class Day(StoredType):
    """A date without time."""

    impl = sa.Date
    cache_ok = True

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """DATE."""
        return sa.Date()

    def bind_sqlite(self, value: Any) -> Any:
        """YYYY-MM-DD."""
        return value.isoformat()

    def read_sqlite(self, value: Any) -> Any:
        """A date."""
        return date.fromisoformat(value)


class Instant(StoredType):
    """A moment in UTC with milliseconds."""

    impl = sa.DateTime
    cache_ok = True

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """TIMESTAMP WITH TIME ZONE."""
        return pg.TIMESTAMP(timezone=True)

    def bind_sqlite(self, value: Any) -> Any:
        """The API's own text form, which sorts by time."""
        return instant_text(value)

    def read_sqlite(self, value: Any) -> Any:
        """An aware datetime."""
        return datetime.fromisoformat(value)

    def read_postgresql(self, value: Any) -> Any:
        """An aware datetime in UTC."""
        return value.astimezone(UTC)


class DayTime(StoredType):
    """A time of day in whole seconds, without a zone."""

    impl = sa.Time
    cache_ok = True

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """TIME."""
        return sa.Time()

    def bind_sqlite(self, value: Any) -> Any:
        """HH:MM:SS, which sorts by time."""
        return value.isoformat("seconds")

    def read_sqlite(self, value: Any) -> Any:
        """A time."""
        return time.fromisoformat(value)


class Span(StoredType):
    """A length of time in whole seconds."""

    impl = sa.BigInteger
    cache_ok = True

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """INTEGER."""
        return sa.Integer()

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """BIGINT."""
        return sa.BigInteger()

    def bind_sqlite(self, value: Any) -> Any:
        """Seconds."""
        return value // timedelta(seconds=1)

    def bind_postgresql(self, value: Any) -> Any:
        """Seconds."""
        return value // timedelta(seconds=1)

    def read_sqlite(self, value: Any) -> Any:
        """A timedelta."""
        return timedelta(seconds=value)

    def read_postgresql(self, value: Any) -> Any:
        """A timedelta."""
        return timedelta(seconds=value)


class Identifier(StoredType):
    """A UUID as text."""

    impl = sa.Text
    cache_ok = True

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """UUID."""
        return pg.UUID(as_uuid=False)

    def read_postgresql(self, value: Any) -> Any:
        """Canonical text."""
        return str(value)


class Document(StoredType):
    """A JSON value: option sets, json fields."""

    impl = sa.Text
    cache_ok = True

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """JSONB."""
        return pg.JSONB()

    def bind_sqlite(self, value: Any) -> Any:
        """JSON text."""
        return dump_json(value).decode()

    def bind_postgresql(self, value: Any) -> Any:
        """JSON text, cast by the statement."""
        return dump_json(value).decode()

    def read_sqlite(self, value: Any) -> Any:
        """The JSON value."""
        return parse_json(value)


class KeySet(Document):
    """A tuple of option keys, as a JSON array."""

    cache_ok = True

    def read_sqlite(self, value: Any) -> Any:
        """The keys."""
        return tuple(super().read_sqlite(value))

    def read_postgresql(self, value: Any) -> Any:
        """The keys."""
        return tuple(super().read_postgresql(value))


class Position(Document):
    """A pair of exact degrees, latitude first, as a JSON array."""

    cache_ok = True

    def read_sqlite(self, value: Any) -> Any:
        """Latitude and longitude."""
        return _pair(super().read_sqlite(value))

    def read_postgresql(self, value: Any) -> Any:
        """Latitude and longitude."""
        return _pair(super().read_postgresql(value))


def _pair(value: Any) -> tuple[Decimal, Decimal]:
    latitude, longitude = value
    return Decimal(latitude), Decimal(longitude)


class TransactionId(StoredType):
    """PostgreSQL's 64-bit transaction id; stays 0 on SQLite, where commits are in id order anyway."""

    impl = sa.Text
    cache_ok = True

    def on_sqlite(self) -> sa.types.TypeEngine[Any]:
        """INTEGER."""
        return sa.Integer()

    def on_postgresql(self) -> sa.types.TypeEngine[Any]:
        """XID8."""
        return _Xid8()


class _Xid8(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"


def type_of_signature(signature: str) -> StoredType:
    """Return the type a ``signature()`` came from; used for columns that are kept aside."""
    name, _, arguments = signature.partition("(")
    kind = _BY_SIGNATURE[name]
    return kind(*(int(part) for part in arguments.rstrip(")").split(","))) if arguments else kind()


_BY_SIGNATURE: dict[str, type[StoredType]] = {
    kind.__name__.lower(): kind
    for kind in (Words, Whole, Scaled, YesNo, Day, Instant, DayTime, Span, Identifier, Document, KeySet, Position)
}
