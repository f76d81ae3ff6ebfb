"""The database fixtures: each test gets a database of its own, on both products, and nothing stays behind."""

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.support import postgres
from tests.support.databases import MakeDatabase
from tests.support.postgres import Databases, find_server, start_embedded


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)


def _tables(url: str) -> list[str]:
    return sa.inspect(_engine(url)).get_table_names()


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_an_empty_database(database_url, dialect, turn):
    assert database_url.startswith(dialect)
    assert _tables(database_url) == []
    with _engine(database_url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE mark (turn INTEGER)"))
    assert _tables(database_url) == ["mark"]


def test_two_databases_of_one_test_are_separate(make_database: MakeDatabase):
    first, second = make_database(), make_database()
    with _engine(first).begin() as connection:
        connection.execute(sa.text("CREATE TABLE mark (turn INTEGER)"))
    assert _tables(second) == []


def test_migrated_databases_are_equal_copies(make_migrated_database: MakeDatabase):
    first, second = make_migrated_database(), make_migrated_database()
    assert first != second
    assert _tables(first) == _tables(second) != []


def test_a_database_is_gone_after_its_test_even_when_a_connection_leaks(postgres_url):
    databases = Databases(postgres_url)
    url = databases.create()
    with psycopg.connect(url) as leaked:
        databases.drop(url)
        databases.close()
        with pytest.raises(psycopg.OperationalError):
            leaked.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_what_a_killed_run_left_behind_is_dropped_and_what_a_running_one_uses_is_not(postgres_url):
    killed, running, next_run = (
        Databases(postgres_url, started_at=1.6e9),
        Databases(postgres_url),
        Databases(postgres_url),
    )
    leftover, in_use, fresh = killed.create(), running.create(), next_run.create()
    next_run.drop(fresh)
    next_run.close()
    with psycopg.connect(postgres_url) as connection:
        names = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
    assert make_url(in_use).database in names
    assert make_url(leftover).database not in names
    running.drop(in_use)
    running.close()
    killed.close()


def test_a_named_server_that_does_not_answer_is_an_error_not_a_skip(monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://postgres@127.0.0.1:1/postgres")
    with pytest.raises(RuntimeError, match=postgres.VARIABLE):
        find_server()


async def _answer(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT 42"))
    finally:
        await connection.close()


@pytest.mark.anyio
async def test_the_embedded_server_works_with_both_drivers():
    server = start_embedded()
    try:
        assert server.description.endswith("embedded")
        databases = Databases(server.url)
        url = databases.create()
        assert _tables(url) == []
        assert await _answer(url) == 42
        databases.drop(url)
        databases.close()
    finally:
        server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)
