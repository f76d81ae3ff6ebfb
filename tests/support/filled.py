"""Databases that are filled once per test process and dialect, and copied for each test.

Publishing an app and making its people takes a good part of a second, a copy hardly anything. What a test needs beyond the copy (clients,
a running instance) it opens itself; see ``prepared`` and ``trading`` for fillings that many tests share.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import pytest
from sqlalchemy.engine import make_url

from builder.kernel.canonical import dump_sorted
from tests.support.databases import SQLITE, MakeDatabase, _files, _Made
from tests.support.postgres import Databases
from tests.support.service import Service

Kept = TypeVar("Kept")


class Filled(Protocol):
    """``filled(fill, *arguments)``: the address of a copy of what ``fill`` made, and what it returned (ids, secrets)."""

    def __call__(self, fill: Callable[..., Awaitable[Kept]], *arguments: Any) -> tuple[str, Kept]:
        """``fill`` gets a running service on a migrated database, and the arguments, which are told apart by their JSON."""


class _Template(NamedTuple):
    source: str | Path
    """What ``_Made`` or ``_files`` copy."""
    kept: Any


class _Templates:
    """What was filled so far."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self._folder = folder
        self._request = request
        self._made: dict[tuple[Any, ...], _Template] = {}

    def find(self, dialect: str, fill: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> _Template:
        key = (dialect, fill, dump_sorted(list(arguments)))
        if key not in self._made:
            make = self._make_file if dialect == SQLITE else self._make_database
            self._made[key] = make(fill, arguments)
        return self._made[key]

    def _make_file(self, fill: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> _Template:
        file = self._folder / f"{len(self._made)}.db"
        file.write_bytes(self._request.getfixturevalue("migrated_file").read_bytes())
        kept = _run(f"sqlite:///{file.as_posix()}", fill, arguments)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return _Template(file, kept)

    def _make_database(self, fill: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> _Template:
        databases: Databases = self._request.getfixturevalue("postgres_databases")
        url = databases.create(self._request.getfixturevalue("migrated_template"))
        databases.drop_last(url)
        return _Template(str(make_url(url).database), _run(url, fill, arguments))


def _run(url: str, fill: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> Any:
    async def run() -> Any:
        service = Service(url)
        async with service.app.running():
            return await fill(service, *arguments)

    # in a thread of its own: the test that asks first may itself be running in a loop
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def filled_templates(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> _Templates:
    """What was filled by this test process."""
    return _Templates(tmp_path_factory.mktemp("filled"), request)


@pytest.fixture
def filled(
    dialect: str, filled_templates: _Templates, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Filled]:
    """A function that copies what a filling made; the copies are gone after the test."""
    made: list[_Made] = []

    def maker(source: Any) -> MakeDatabase:
        if dialect == SQLITE:
            return _files(tmp_path / "databases", source)
        made.append(_Made(request.getfixturevalue("postgres_databases"), source))
        return made[-1]

    def copy(fill: Callable[..., Awaitable[Any]], *arguments: Any) -> tuple[str, Any]:
        template = filled_templates.find(dialect, fill, arguments)
        return maker(template.source)(), template.kept

    yield copy
    for databases in made:
        databases.close()
