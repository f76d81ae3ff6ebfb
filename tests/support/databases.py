"""Database fixtures: every test that stores something runs on SQLite and on PostgreSQL, each time on a database of its own.

- ``database_url``: an empty database. Asking for it runs the test twice, once per dialect.
- ``migrated_database_url``: the same with the platform tables (copied from a template that was migrated once).
- ``make_database`` / ``make_migrated_database``: functions that make one more database of the test's dialect.
- ``dialect``: ``"sqlite"`` or ``"postgresql"``; override it with ``@pytest.mark.parametrize("dialect", ["postgresql"])``
  in a test that makes sense on one of them only.
- ``postgres_url``: the server (a database on it for administration).
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.support.postgres import Databases, Server, find_server

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
DIALECTS = (SQLITE, POSTGRESQL)

MakeDatabase = Callable[[], str]

_SERVER = pytest.StashKey[Server]()
_WORKER_INPUT = "postgres_url"


# --- the server: found or started once per test run ---------------------------------------------------------------


def server_of(config: pytest.Config) -> Server:
    """The server of this test run; the process that started an embedded one stops it at its end."""
    inherited = getattr(config, "workerinput", {}).get(_WORKER_INPUT)
    if inherited:
        return Server(inherited, "found by the main process")
    if _SERVER not in config.stash:
        server = find_server()
        config.stash[_SERVER] = server
        config.add_cleanup(server.stop)
    return config.stash[_SERVER]


def share_server(config: pytest.Config, worker_input: dict[str, object]) -> None:
    """Give a test process (pytest-xdist) the server of the main process, so that one process owns it."""
    worker_input[_WORKER_INPUT] = server_of(config).url


def server_line(config: pytest.Config) -> str | None:
    """What to say about the server in the summary; None when no test asked for one."""
    server = config.stash.get(_SERVER, None)
    return f"PostgreSQL {server.description}" if server else None


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> str:
    """Address of a database for administration on the PostgreSQL server of this test run."""
    return server_of(pytestconfig).url


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str) -> Iterator[Databases]:
    """Makes and drops databases on the server; one per test process."""
    databases = Databases(postgres_url)
    yield databases
    databases.close()


# --- a database of one's own --------------------------------------------------------------------------------------


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """The database product the test runs on."""
    return str(request.param)


@pytest.fixture
def make_database(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """A function that makes an empty database and returns its address; all are gone after the test."""
    if dialect == SQLITE:
        yield _files(tmp_path / "databases", None)
        return
    # the server is asked for only here, so that a test on SQLite alone needs none
    databases: Databases = request.getfixturevalue("postgres_databases")
    with closing(_Made(databases, "template0")) as made:
        yield made


@pytest.fixture
def make_migrated_database(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """A function that makes a database with the newest platform tables and returns its address."""
    if dialect == SQLITE:
        yield _files(tmp_path / "databases", request.getfixturevalue("migrated_file"))
        return
    databases: Databases = request.getfixturevalue("postgres_databases")
    template: str = request.getfixturevalue("migrated_template")
    with closing(_Made(databases, template)) as made:
        yield made


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """Address of an empty database: ``sqlite:///...`` or ``postgresql://...``."""
    return make_database()


@pytest.fixture
def migrated_database_url(make_migrated_database: MakeDatabase) -> str:
    """Address of a database with the newest platform tables and no app."""
    return make_migrated_database()


# --- templates: migrated once per test process --------------------------------------------------------------------


def _migrate(url: str) -> None:
    from builder.store.migrate import migrate

    migrate(url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy; complete in itself (nothing waits in a write-ahead log)."""
    file = tmp_path_factory.mktemp("template") / "migrated.db"
    _migrate(f"sqlite:///{file.as_posix()}")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture(scope="session")
def migrated_template(postgres_databases: Databases) -> Iterator[str]:
    """Name of a migrated PostgreSQL database to copy; nobody stays connected to it."""
    url = postgres_databases.create()
    _migrate(url)
    yield str(make_url(url).database)
    postgres_databases.drop(url)


def _files(folder: Path, template: Path | None) -> MakeDatabase:
    """Make SQLite files in a folder; pytest removes it."""

    def make() -> str:
        folder.mkdir(exist_ok=True)
        file = folder / f"{len(list(folder.glob('*.db')))}.db"
        if template is None:
            file.touch()  # to SQLite an empty file is an empty database
        else:
            shutil.copyfile(template, file)
        return f"sqlite:///{file.as_posix()}"

    return make


class _Made:
    """Makes PostgreSQL databases and remembers them until closed."""

    def __init__(self, databases: Databases, template: str) -> None:
        self._databases = databases
        self._template = template
        self._urls: list[str] = []

    def __call__(self) -> str:
        url = self._databases.create(self._template)
        self._urls.append(url)
        return url

    def close(self) -> None:
        for url in self._urls:
            self._databases.drop(url)
