"""The search index on PostgreSQL: for each searched column a GIN index over the pairs of its characters.

No extension is needed, words of two characters are found by it, and what a database holds for letters (``pg_trgm`` asks its locale) plays no
part. The planner thinks of the function as dear, so it verifies texts first where it reads records anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from builder.store.names import cut_name
from builder.store.searching.grams import COMMON
from builder.store.searching.rows import IndexRow

Element = sa.ColumnElement[bool]
_FUNCTION = "dougong_grams"
PREFIX = "find_"
"""What the names of these indexes begin with."""
_BUILDERS = 6861238  # the lock of who builds

CREATE_FUNCTION = f"""
CREATE FUNCTION {_FUNCTION}(words text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000 AS $$
DECLARE
    signs text[] := string_to_array(words, NULL);
    grams text[] := '{{}}';
    filled int := 0;
BEGIN
    FOR place IN 2 .. coalesce(cardinality(signs), 0) LOOP
        IF signs[place] <> ' ' AND signs[place - 1] <> ' ' THEN
            filled := filled + 1;
            grams[filled] := signs[place - 1] || signs[place];
        END IF;
    END LOOP;
    RETURN grams;
END $$
"""


def index_name(table: str, column: str) -> str:
    """Return the name of a column's index."""
    return cut_name(f"{PREFIX}{table}__{column}")


def build(connection: sa.Connection, row: IndexRow) -> None:
    """Build what is missing while others read and write. The connection commits each statement by itself; it takes as long as it takes."""
    for column in row.columns:
        name = index_name(row.table, column)
        valid = _validity(connection, name)
        if valid is False:  # who built it died
            connection.exec_driver_sql(f'DROP INDEX CONCURRENTLY "{name}"')
        if not valid:
            pairs = f'{_FUNCTION}(lower("{column}" COLLATE "und-x-icu") COLLATE "C")'
            connection.exec_driver_sql(f'CREATE INDEX CONCURRENTLY "{name}" ON "{row.table}" USING gin ({pairs})')
    connection.exec_driver_sql(f'ANALYZE "{row.table}"')


def try_to_lead(connection: sa.Connection) -> bool:
    """Become the one process that builds; it ends with the connection's session or ``stop_leading``."""
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_BUILDERS})").scalar())


def stop_leading(connection: sa.Connection) -> None:
    """Let others build."""
    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_BUILDERS})")


def _validity(connection: sa.Connection, name: str) -> bool | None:
    statement = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name))")
    found = connection.scalar(statement, {"name": name})
    return None if found is None else bool(found)


def missing(connection: sa.Connection, row: IndexRow) -> list[str]:
    """Return the columns without a valid index."""
    return [column for column in row.columns if not _validity(connection, index_name(row.table, column))]


def drop(connection: sa.Connection, row: IndexRow, columns: Sequence[str] | None = None) -> None:
    """Remove the indexes, or those of some columns."""
    for column in row.columns if columns is None else columns:
        connection.exec_driver_sql(f'DROP INDEX IF EXISTS "{index_name(row.table, column)}"')


def count_common(connection: sa.Connection, row: IndexRow) -> dict[str, float]:
    """Return pairs that many records have, as the planner's statistics know them."""
    statement = sa.text(
        "SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats "
        "WHERE schemaname = current_schema() AND tablename = :name"
    )
    common: dict[str, float] = {}
    for column in row.columns:
        for grams, shares in connection.execute(statement, {"name": index_name(row.table, column)}):
            for gram, share in zip(grams or (), shares or (), strict=False):  # behind the shares stand their bounds
                if share >= COMMON:
                    common[gram] = round(max(common.get(gram, 0.0), float(share)), 3)
    return common


# -- asking -----------------------------------------------------------------------------------------------------------------


def narrow(table: sa.Table, columns: Sequence[str], parameters: Sequence[str]) -> Element:
    """Return the condition that only records fulfil of which, for each word, some column has all pairs."""
    cut = [
        getattr(sa.func, _FUNCTION)(
            sa.collate(sa.func.lower(sa.collate(sa.type_coerce(table.c[column], sa.Text()), "und-x-icu")), "C"),
            type_=postgresql.ARRAY(sa.Text()),
        )
        for column in columns
    ]
    words = [sa.bindparam(name, type_=postgresql.ARRAY(sa.Text())) for name in parameters]
    return sa.and_(*(sa.or_(*(pairs.contains(word) for pairs in cut)) for word in words))
