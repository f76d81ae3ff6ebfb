"""What the registry's functions share: the database, clock, ids, and the compiled apps they have seen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.calendars.working import WorkingCalendar
from builder.compiled.app import CompiledApp, compile_app
from builder.compiled.calendars import default_key, load_calendars
from builder.definition.kinds import Definition
from builder.definition.parse import read_definition
from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.kernel.limits import SAFE_INTEGER
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.publish.lineage import Lineage, read_lineage
from builder.store import tables
from builder.store.database import Database
from builder.store.searching.rows import SearchIndex, ready_indexes

_COMPILED_KEPT = 200


class PublishedApp(NamedTuple):
    """A compiled app with the pin it was published under; the pin changes with every publish, every change of a calendar and of a search index."""

    app: CompiledApp
    pin: str
    calendars: Mapping[str, WorkingCalendar]
    """Its working calendars as they are; a change of their days changes the pin too."""
    key: str
    """The pin, and for a narrowed app what it was narrowed by: statements are kept by it."""
    search_indexes: Mapping[str, SearchIndex]
    """Indexes that searches may ask, by entity; one that is ready or goes changes the pin too."""

    @property
    def whole(self) -> PublishedApp:
        """The app that this was narrowed from; itself if it was not."""
        return self if self.app.whole is self.app else self._replace(app=self.app.whole, key=self.pin)

    @property
    def calendar(self) -> WorkingCalendar:
        """The calendar the app counts in."""
        return self.calendars[default_key(self.app.definition.app)]


class CompiledCache:
    """Compiled apps by (app, version, hash). Immutable values, so any thread may share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apps: OrderedDict[tuple[str, int, str], CompiledApp] = OrderedDict()

    def find(self, key: tuple[str, int, str]) -> CompiledApp | None:
        """Return a compiled app and mark it as lately used."""
        with self._lock:
            found = self._apps.get(key)
            if found is not None:
                self._apps.move_to_end(key)
            return found

    def take_over(self, other: CompiledCache) -> None:
        """Know what another knows: compiled apps are values, whatever database they came from."""
        with other._lock:
            known = dict(other._apps)
        with self._lock:
            self._apps.update(known)

    def keep(self, key: tuple[str, int, str], app: CompiledApp) -> None:
        """Keep a compiled app, letting the longest unused go."""
        with self._lock:
            self._apps[key] = app
            if len(self._apps) > _COMPILED_KEPT:
                self._apps.popitem(last=False)


@dataclass(frozen=True)
class Registry:
    """The registry of one database."""

    database: Database
    clock: Clock
    ids: Ids
    cache: CompiledCache = field(default_factory=CompiledCache)
    rehearse: Callable[[Definition], list[Violation]] | None = None
    """Plays an app's scenarios and returns what is not as they say; None: nobody here can."""


def no_app(app: str) -> Problem:
    """The app does not exist (or is hidden)."""
    return Problem("app.not_found", say(f"没有应用“{app}”", f'There is no app "{app}"'))


def no_version(app: str, version: int) -> Problem:
    """The app has no such version."""
    return Problem(
        "version.not_found", say(f"应用“{app}”没有版本 {version}", f'The app "{app}" has no version {version}')
    )


def find_published(registry: Registry, connection: sa.Connection, app: str) -> PublishedApp | None:
    """Return the published app, or None if there is no such app or no version of it."""
    joined = tables.app.join(
        tables.version,
        (tables.version.c.app == tables.app.c.key) & (tables.version.c.version == tables.app.c.published_version),
    )
    columns = (tables.app.c.pin, tables.version.c.version, tables.version.c.package_hash)
    row = connection.execute(sa.select(*columns).select_from(joined).where(tables.app.c.key == app)).first()
    if row is None:
        return None
    compiled = _compiled(registry, connection, app, row.version, row.package_hash)
    calendars = load_calendars(connection, compiled.definition)
    return PublishedApp(compiled, row.pin, calendars, row.pin, ready_indexes(connection, app))


def _compiled(registry: Registry, connection: sa.Connection, app: str, version: int, package_hash: str) -> CompiledApp:
    key = (app, version, package_hash)
    found = registry.cache.find(key)
    if found is None:
        found = compile_app(read_definition(parse_json(get_package(connection, app, version))), version)
        registry.cache.keep(key, found)
    return found


def get_package(connection: sa.Connection, app: str, version: int) -> str:
    """Return the canonical JSON of a version.

    Raises:
        Problem: ``version.not_found``.
    """
    return str(_read_version(connection, tables.version.c.package, app, version))


def get_lineage(connection: sa.Connection, app: str, version: int) -> Lineage:
    """Return the ids of a version's entities and fields.

    Raises:
        Problem: ``version.not_found``.
    """
    return read_lineage(str(_read_version(connection, tables.version.c.lineage, app, version)))


def _read_version(connection: sa.Connection, column: sa.Column[Any], app: str, version: int) -> Any:
    row = tables.version
    here = (row.c.app == app) & (row.c.version == version)
    # a number that no column holds is no version either
    found = connection.scalar(sa.select(column).where(here)) if 0 < version <= SAFE_INTEGER else None
    if found is None:
        raise no_version(app, version)
    return found


def load_published(registry: Registry, app: str) -> PublishedApp | None:
    """Return the published app with a connection of its own."""
    with registry.database.snapshot() as connection:
        return find_published(registry, connection, app)
