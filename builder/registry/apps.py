"""Apps as a whole: list, create, replace, export, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.definition.kinds import Definition, dump_definition
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.publish.impact import count_rows
from builder.publish.kept import list_kept
from builder.publish.publish import lock_app
from builder.publish.reindexing import drop_index
from builder.registry.busy import told_when_busy
from builder.registry.drafts import load_draft, lock_draft, replace_draft
from builder.registry.followers import find_followers
from builder.registry.preconditions import ANYTHING, Precondition
from builder.registry.registry import Registry, find_published, no_app
from builder.store import tables
from builder.store.searching.rows import list_rows

JSON = Any


class AppLine(NamedTuple):
    """One app of a list."""

    key: str
    published_version: int
    """0: never published."""
    draft_revision: int
    created_at: datetime


def list_apps(connection: sa.Connection) -> list[AppLine]:
    """Return all apps by key."""
    columns = [tables.app.c[name] for name in AppLine._fields]
    return [AppLine(*line) for line in connection.execute(sa.select(*columns).order_by(tables.app.c.key))]


def get_app(connection: sa.Connection, app: str) -> AppLine:
    """Return one app.

    Raises:
        Problem: ``app.not_found``.
    """
    columns = [tables.app.c[name] for name in AppLine._fields]
    line = connection.execute(sa.select(*columns).where(tables.app.c.key == app)).first()
    if line is None:
        raise no_app(app)
    return AppLine(*line)


def create_app(registry: Registry, definition: Definition, author: str | None) -> AppLine:
    """Create an app with a definition as its draft; nothing is published.

    Raises:
        Problem: ``app.exists``.
    """
    try:
        with registry.database.transaction() as connection:
            if find_app(connection, definition.key) is not None:
                raise _exists(definition.key)
            return _create(registry, connection, definition, author)
    except sa.exc.IntegrityError as error:  # somebody was faster
        raise _exists(definition.key) from error


def put_draft(
    registry: Registry, definition: Definition, author: str | None, *, expected: Precondition = ANYTHING
) -> AppLine:
    """Replace the whole draft of an existing app.

    Raises:
        Problem: ``app.not_found``, ``definition.changed`` and the like by the draft's revision.
    """
    with registry.database.transaction() as connection:
        expected.check(lock_draft(connection, definition.key))
        replace_draft(registry, connection, definition, author)
        return get_app(connection, definition.key)


def import_draft(registry: Registry, definition: Definition, author: str | None) -> tuple[AppLine, bool]:
    """Create an app, or replace the draft of the app of this key; return it, and whether it is new."""
    try:
        return create_app(registry, definition, author), True
    except Problem as problem:
        if problem.code != "app.exists":
            raise
        return put_draft(registry, definition, author), False


def find_app(connection: sa.Connection, app: str) -> AppLine | None:
    """Return one app, or None."""
    try:
        return get_app(connection, app)
    except Problem:
        return None


def _create(registry: Registry, connection: sa.Connection, definition: Definition, author: str | None) -> AppLine:
    row = {"key": definition.key, "published_version": 0, "pin": "", "draft_revision": 0}
    row |= {"created_at": registry.clock.now(), "created_by": author}
    connection.execute(sa.insert(tables.app).values(row))
    replace_draft(registry, connection, definition, author)
    return get_app(connection, definition.key)


def _exists(key: str) -> Problem:
    return Problem("app.exists", say(f"应用“{key}”已存在", f'The app "{key}" exists already'))


def export_app(registry: Registry, app: str, version: int | None = None) -> Definition:
    """Return the draft (version None) or a version of an app."""
    from builder.registry.versions import get_version

    with registry.database.snapshot() as connection:
        return load_draft(connection, app) if version is None else get_version(connection, app, version)


def describe_deletion(registry: Registry, app: str) -> dict[str, JSON]:
    """Say what deleting an app would destroy, and which automations of others would have nothing to follow any more."""
    with registry.database.snapshot() as connection:
        return _describe_deletion(registry, connection, app)


def _describe_deletion(registry: Registry, connection: sa.Connection, app: str) -> dict[str, JSON]:
    get_app(connection, app)
    published = find_published(registry, connection, app)
    entities = published.app.entities.values() if published else ()
    aside = [kept.table_name for kept in list_kept(connection, app) if not kept.column_name]
    return {
        "app": app,
        "records": {entity.key: count_rows(connection, entity.physical.name) for entity in entities},
        "kept_records": {table: count_rows(connection, table) for table in aside},
        "events": _count_own(connection, tables.event, app),
        "versions": _count_own(connection, tables.version, app),
        "followed_by": [f"{one.app}/{one.automation}" for one in find_followers(connection, app)],
    }


def _count_own(connection: sa.Connection, table: sa.Table, app: str) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.app == app)) or 0)


def delete_app(registry: Registry, app: str, *, confirm: str | None) -> dict[str, JSON]:
    """Destroy an app: tables, records, history, versions; return what was destroyed. ``confirm`` must repeat the app's key.

    Raises:
        Problem: ``app.confirmation`` with what would be destroyed, ``app.not_found``, ``publish.busy``.
    """
    if confirm != app:
        detail = say(
            f"删除会销毁全部数据;请用 confirm={app} 确认", f"This destroys all of its data; confirm with confirm={app}"
        )
        raise Problem("app.confirmation", detail, extra={"destroys": describe_deletion(registry, app)})
    with told_when_busy(), registry.database.exclusive_schema() as connection:
        lock_app(connection, app)
        destroyed = _describe_deletion(registry, connection, app)
        published = find_published(registry, connection, app)
        for index in list_rows(connection, app):
            drop_index(connection, index)
        for kept in list_kept(connection, app):
            if not kept.column_name:
                sa.Table(kept.table_name, sa.MetaData()).drop(connection)
        if published is not None:
            _drop_tables(connection, published.app)
        own = (tables.file_use, tables.file, tables.event, tables.kept, tables.counter, tables.version, tables.document)
        for table in own:
            connection.execute(sa.delete(table).where(table.c.app == app))
        connection.execute(sa.delete(tables.app).where(tables.app.c.key == app))
    return destroyed


def _drop_tables(connection: sa.Connection, app: CompiledApp) -> None:
    own = [entity.table for entity in app.entities.values()]
    if connection.dialect.name == "sqlite":
        for table in own:  # foreign keys are off here, so any order will do
            table.drop(connection)
    else:
        app.metadata.drop_all(connection, tables=own)


def summarise(definition: Definition) -> dict[str, JSON]:
    """Return an app's name and size for lists."""
    document = dump_definition(definition)["app"]
    return {
        "key": definition.key,
        "label": document["label"],
        "help": document.get("help"),
        "entity_count": len(definition.entities),
        "field_count": sum(len(entity.fields) for entity in definition.entities),
    }
