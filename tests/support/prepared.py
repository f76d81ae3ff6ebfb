"""Databases with the shop app published and a token that may do everything, copied from a template that is made once per test process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.engine import make_url

from tests.support import shop
from tests.support.databases import SQLITE, MakeDatabase, _files, _Made
from tests.support.desk import publish_definition
from tests.support.postgres import Databases
from tests.support.service import Service

USERS = ("ann", "ben", "cho")
"""Members; ``admin`` is the actor of the token."""


class Prepared(NamedTuple):
    """A database with the app, and what is needed to use it."""

    url: str
    token: str
    users: dict[str, str]
    """username -> id"""
    departments: tuple[str, ...]
    """ids"""


class Keys(NamedTuple):
    """What a template holds besides tables."""

    token: str
    users: dict[str, str]
    departments: tuple[str, ...]


async def _fill(url: str) -> Keys:
    service = Service(url)
    async with service.app.running():
        service.add_user("admin", "admin")
        users = {name: service.add_user(name).id for name in USERS}
        departments = service.identity.departments
        sales = departments.create_department("sales", "销售部", None)
        east = departments.create_department("east", "华东", sales.id)
        publish_definition(service.app.services.registry, shop.definition())
        return Keys(service.token_of("admin", "records:read", "records:write"), users, (sales.id, east.id))


class Templates:
    """Databases filled once per dialect, to be copied: publishing an app and hashing passwords takes seconds, copying does not."""

    def __init__(self, fill: Callable[[Service], None], folder: Path, request: pytest.FixtureRequest) -> None:
        self._fill = fill
        self._folder = folder
        self._request = request
        self._made: dict[str, str] = {}

    def copy(self, dialect: str, folder: Path) -> str:
        """Return the address of a copy; its maker drops a PostgreSQL one."""
        if dialect not in self._made:
            self._made[dialect] = self._make(dialect)
        if dialect == SQLITE:
            return _files(folder / "copies", Path(self._made[dialect]))()
        return self._databases.create(self._made[dialect])

    def drop(self, url: str) -> None:
        """Let a copy go."""
        if not url.startswith(SQLITE):
            self._databases.drop(url)

    def close(self) -> None:
        """Drop what was filled on PostgreSQL."""
        for name in [made for dialect, made in self._made.items() if dialect != SQLITE]:
            self._databases.drop(str(make_url(self._request.getfixturevalue("postgres_url")).set(database=name)))

    @property
    def _databases(self) -> Databases:
        found: Databases = self._request.getfixturevalue("postgres_databases")
        return found

    def _make(self, dialect: str) -> str:
        if dialect == SQLITE:
            file = self._folder / "filled.db"
            file.write_bytes(self._request.getfixturevalue("migrated_file").read_bytes())
            asyncio.run(self._run(f"sqlite:///{file.as_posix()}"))
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return str(file)
        url = self._databases.create(self._request.getfixturevalue("migrated_template"))
        asyncio.run(self._run(url))
        return str(make_url(url).database)

    async def _run(self, url: str) -> None:
        service = Service(url)
        async with service.app.running():
            self._fill(service)


@pytest.fixture(scope="session")
def prepared_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keys]:
    """A prepared SQLite file to copy."""
    file = tmp_path_factory.mktemp("prepared") / "shop.db"
    file.write_bytes(migrated_file.read_bytes())
    keys = asyncio.run(_fill(f"sqlite:///{file.as_posix()}"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file, keys


@pytest.fixture(scope="session")
def prepared_template(postgres_databases: Databases, migrated_template: str) -> Iterator[tuple[str, Keys]]:
    """Name of a prepared PostgreSQL database to copy."""
    url = postgres_databases.create(migrated_template)
    keys = asyncio.run(_fill(url))
    yield str(make_url(url).database), keys
    postgres_databases.drop(url)


@pytest.fixture
def prepare(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Prepared]]:
    """A function that makes one more prepared database of the test's dialect."""
    if dialect == SQLITE:
        file, keys = request.getfixturevalue("prepared_file")
        make: MakeDatabase = _files(tmp_path / "databases", file)
        yield lambda: Prepared(make(), *keys)
        return
    databases: Databases = request.getfixturevalue("postgres_databases")
    template, keys = request.getfixturevalue("prepared_template")
    with closing(_Made(databases, template)) as made:
        yield lambda: Prepared(made(), *keys)


@pytest.fixture
def prepared(prepare: Callable[[], Prepared]) -> Prepared:
    """A prepared database."""
    return prepare()
