"""Fills the databases of both targets with the same records."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import make_url

from benchmarks.data import Row, Sizes, customers, payments
from benchmarks.definition import APP, PACKAGE
from builder.definition.parse import parse_definition
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import publish_draft
from builder.registry.registry import load_published
from builder.store.migrate import migrate_database
from runtime.app import make_services
from runtime.settings import Settings

_CHUNK = 10_000


def new_postgres_database(server: str, name: str) -> str:
    """Make an empty database on a server, in place of one of the same name; return its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
        )
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_postgres_database(server: str, name: str) -> None:
    """Remove a database made here."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def new_sqlite_file(file: Path) -> str:
    """Return the address of a file that is not there yet."""
    for path in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        path.unlink(missing_ok=True)
    return f"sqlite:///{file.as_posix()}"


def seed_ours(url: str, sizes: Sizes) -> str:
    """Publish the app, load the records, make a token; return its secret."""
    services = make_services(Settings(database_url=url, log_level="error"))
    try:
        migrate_database(services.database)
        create_app(services.registry, parse_definition(PACKAGE), None)
        publish_draft(services.registry, APP, base_version=0, plan_hash=None)
        published = load_published(services.registry, APP)
        assert published is not None
        tables = {key: entity.table for key, entity in published.app.entities.items()}
        fill(services.database.engine, tables["customer"], customers(sizes))
        fill(services.database.engine, tables["payment"], payments(sizes))
        settle(services.database.engine)
        user = services.identity.users.create_user({"username": "bench", "name": "Bench"})
        secret, _ = services.identity.tokens.create_token(user, "bench", ["records:read", "records:write"])
        return secret
    finally:
        services.database.close()


def declare_index(url: str, entity: str, keys: list[str]) -> None:
    """Publish our app once more with an index, as its maker may when a report is asked for often."""
    services = make_services(Settings(database_url=url, log_level="error"))
    try:
        entities = [
            {**each, "indexes": [*each["indexes"], keys]} if each["key"] == entity else each
            for each in PACKAGE["entities"]
        ]
        put_draft(services.registry, parse_definition({**PACKAGE, "entities": entities}), None)
        publish_draft(services.registry, APP, base_version=1, plan_hash=None)
        settle(services.database.engine)
    finally:
        services.database.close()


def seed_yardstick(url: str, sizes: Sizes) -> str:
    """Make the yardstick's tables, load the records, make a token; return its secret."""
    from benchmarks import yardstick

    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        yardstick.Base.metadata.create_all(engine)
        tables = yardstick.Base.metadata.tables
        fill(engine, tables["customer"], map(_with_uuids, customers(sizes)))
        fill(engine, tables["payment"], map(_with_uuids, payments(sizes)))
        settle(engine)
        secret = secrets.token_urlsafe(32)
        with engine.begin() as connection:
            hashed = hashlib.sha256(secret.encode()).hexdigest()
            connection.execute(sa.insert(tables["token"]).values(secret_hash=hashed, user_id=uuid.uuid4()))
        return secret
    finally:
        engine.dispose()


def _with_uuids(row: Row) -> Row:
    made = {**row, "id": uuid.UUID(row["id"])}
    if "customer" in made:
        made["customer_id"] = uuid.UUID(made.pop("customer"))
    return made


def fill(engine: sa.Engine, table: sa.Table, rows: Iterable[Row]) -> None:
    """Write rows, past the write path."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for chunk in _chunks(rows):
                connection.execute(sa.insert(table), chunk)
            return
        raw: Any = connection.connection.dbapi_connection
        names = [column.name for column in table.columns]
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
        with raw.cursor() as cursor, cursor.copy(copy) as stream:
            for row in rows:
                stream.write_row([row[name] for name in names])


def insert_series(engine: sa.Engine, table: sa.Table, count: int, values: Mapping[str, str]) -> None:
    """Write ``count`` records that the database makes itself; values are SQL over their number ``n``, ids end in it."""
    if engine.dialect.name == "postgresql":
        series = "generate_series(1, :count) AS t(n)"
        key, moment = "('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid", "now()"
    else:
        numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count) SELECT n FROM s"
        series = f"({numbers}) AS t"
        key, moment = "'00000000-0000-7000-8000-' || printf('%012d', n)", "0"
    all_values = {"id": key, "revision": "1", "created_at": moment, "updated_at": moment, **values}
    chosen = f"SELECT {', '.join(all_values.values())} FROM {series}"  # noqa: S608 - ours
    with engine.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO {table.name} ({', '.join(all_values)}) {chosen}"), {"count": count})


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def settle(engine: sa.Engine) -> None:
    """Leave the database as it would be after a quiet hour."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.exec_driver_sql("VACUUM ANALYZE")
