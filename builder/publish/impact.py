"""Looking at records before a publish: how many, which, and which would break a rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.conditional import Where, where_text
from builder.fields.parts.files import StoredFile
from builder.kernel.limits import SAMPLE_RECORDS_SHOWN
from builder.publish.step import lightweight
from builder.store import tables
from builder.store.types import Identifier, StoredType

_UNDEFINED_COLUMN = "42703"  # PostgreSQL's word for it
_CHUNK = 5_000


def count_rows(connection: sa.Connection, table: str) -> int:
    """Count all records of a table."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0)


def count_where(
    connection: sa.Connection, table: str, column: str, kind: StoredType, *, blank: bool
) -> tuple[int, tuple[str, ...]]:
    """Count records whose column is blank (or is not), with some ids."""
    shape = lightweight(table, ("id", Identifier()), (column, kind))
    value = shape.c[column]
    condition = value.is_(None) if blank else value.is_not(None)
    count = int(connection.scalar(sa.select(sa.func.count()).select_from(shape).where(condition)) or 0)
    ids = (
        connection.scalars(sa.select(shape.c.id).where(condition).order_by(shape.c.id).limit(SAMPLE_RECORDS_SHOWN))
        if count
        else ()
    )
    return count, tuple(ids)


def sample_ids(connection: sa.Connection, table: str) -> tuple[str, ...]:
    """Return some ids of a table."""
    shape = lightweight(table, ("id", Identifier()))
    return tuple(connection.scalars(sa.select(shape.c.id).order_by(shape.c.id).limit(SAMPLE_RECORDS_SHOWN)))


def count_refused(
    connection: sa.Connection, table: str, column: str, kind: StoredType, refuses: Callable[[Any], bool]
) -> tuple[int, tuple[tuple[str, Any], ...]]:
    """Run a rule over every value that is not blank; return how many break it, and some ids with their values.

    Cost: about 2 us a record, in chunks, nothing is held.
    """
    shape = lightweight(table, ("id", Identifier()), (column, kind))
    statement = (
        sa.select(shape.c.id, shape.c[column]).where(shape.c[column].is_not(None)).execution_options(yield_per=_CHUNK)
    )
    count = 0
    shown: list[tuple[str, Any]] = []
    for record_id, value in connection.execute(statement):
        if refuses(value):
            count += 1
            if len(shown) < SAMPLE_RECORDS_SHOWN:
                shown.append((record_id, value))
    return count, tuple(shown)


def unfit_files(connection: sa.Connection, refuses: Callable[[StoredFile], bool]) -> frozenset[str]:
    """Return the files that records hold and a field would not take. Cost: a row each; only those are held."""
    file, use = tables.file, tables.file_use
    held = sa.select(use.c.file_id).where(use.c.file_id == file.c.id).exists()
    wanted = sa.select(file.c.id, file.c.media_type, file.c.bytes).where(held).execution_options(yield_per=_CHUNK)
    return frozenset(str(row[0]) for row in connection.execute(wanted) if refuses(StoredFile(row[1], row[2])))


class IndexValue(NamedTuple):
    """Where a value of a unique set comes from."""

    column: str
    """As it is called before the publish."""
    type: StoredType
    convert: Callable[[Any, Any], Any] | None = None
    """Set where the publish itself changes the values: present and former value -> new value, None = blank."""
    former: tuple[str, StoredType] | None = None
    """The kept column of former values."""


def count_duplicates(
    connection: sa.Connection, table: str, values: Sequence[IndexValue], where: Where = ()
) -> tuple[int, tuple[str, ...]]:
    """Count records that share all of these values with another; blanks do not count. Without values all records are equal.

    Args:
        where: only records for which this holds; a condition over columns that the publish itself makes or changes says nothing yet.
    """
    if where:
        return _count_among(connection, table, values, where)
    if not values:
        total = count_rows(connection, table)
        return (total, sample_ids(connection, table)) if total > 1 else (0, ())
    if any(value.convert for value in values):
        return _count_converted(connection, table, values)
    shape = lightweight(table, ("id", Identifier()), *((value.column, value.type) for value in values))
    columns = [shape.c[value.column] for value in values]
    present = sa.and_(*(column.is_not(None) for column in columns))
    groups = sa.select(*columns).where(present).group_by(*columns).having(sa.func.count() > 1).subquery()
    joined = shape.join(groups, sa.and_(*(column == groups.c[column.key] for column in columns)))
    count = int(connection.scalar(sa.select(sa.func.count()).select_from(joined)) or 0)
    if not count:
        return 0, ()
    some = sa.select(shape.c.id).select_from(joined).order_by(*columns, shape.c.id).limit(SAMPLE_RECORDS_SHOWN)
    return count, tuple(connection.scalars(some))


def _count_among(
    connection: sa.Connection, table: str, values: Sequence[IndexValue], where: Where
) -> tuple[int, tuple[str, ...]]:
    """Do the same among some records. What cannot be looked at before the publish, the index itself refuses."""
    if not values or any(value.convert for value in values):
        return 0, ()
    whole = lightweight(table, ("id", Identifier()), *((value.column, value.type) for value in values))
    some = sa.select(*whole.c).where(where_text(where, connection.dialect.name)).subquery("some")
    columns = [some.c[value.column] for value in values]
    groups = sa.select(*columns).where(*(c.is_not(None) for c in columns)).group_by(*columns)
    shared = groups.having(sa.func.count() > 1).subquery("shared")
    joined = some.join(shared, sa.and_(*(column == shared.c[column.key] for column in columns)))
    try:
        with connection.begin_nested():
            found = connection.execute(sa.select(some.c.id).select_from(joined).order_by(*columns, some.c.id)).all()
    except sa.exc.DBAPIError as error:
        if not _lacks_column(error):
            raise
        return 0, ()  # it reads a column that the publish makes
    ids = tuple(str(row[0]) for row in found)
    return len(ids), ids[:SAMPLE_RECORDS_SHOWN]


def _lacks_column(error: sa.exc.DBAPIError) -> bool:
    """Whether a statement named a column that is not there; anything else has to be heard of."""
    return getattr(error.orig, "sqlstate", None) == _UNDEFINED_COLUMN or "no such column" in str(error.orig)


def _count_converted(
    connection: sa.Connection, table: str, values: Sequence[IndexValue]
) -> tuple[int, tuple[str, ...]]:
    """Do the same for values that exist only after the publish. Cost: holds a digest of every record."""
    pairs = [((value.column, value.type), value.former or (value.column, value.type)) for value in values]
    shape = lightweight(table, ("id", Identifier()), *(column for pair in pairs for column in pair))
    wanted = [shape.c[name] for pair in pairs for name, _ in pair]
    seen: dict[bytes, tuple[int, str]] = {}
    shown: list[str] = []
    for record_id, *stored in connection.execute(sa.select(shape.c.id, *wanted).execution_options(yield_per=_CHUNK)):
        found = [_converted(value, *stored[2 * place : 2 * place + 2]) for place, value in enumerate(values)]
        if None in found:
            continue
        digest = hashlib.blake2b(repr(found).encode(), digest_size=16).digest()
        count, first = seen.get(digest, (0, record_id))
        seen[digest] = (count + 1, first)
        if count and len(shown) < SAMPLE_RECORDS_SHOWN:
            shown += [record_id] if first in shown else [first, record_id]
    total = sum(count for count, _ in seen.values() if count > 1)
    return total, tuple(shown[:SAMPLE_RECORDS_SHOWN])


def _converted(value: IndexValue, present: Any, former: Any) -> Any:
    if value.convert is None:
        return present
    return value.convert(present, former if value.former else None)
