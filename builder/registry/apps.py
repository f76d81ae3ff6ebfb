"""Apps as a whole: list, create, delete, purge what is kept aside."""

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
from builder.registry.drafts import load_draft, replace_draft
from builder.registry.registry import Registry, find_published, no_app
from builder.store import tables

JSON = Any


class AppLine(NamedTuple):
    """One app of a list."""

    key: str
    published_version: int
    draft_revision: int
    created_at: datetime


def list_apps(connection: sa.Connection) -> list[AppLine]:
    """Return all apps by key."""
    row = tables.app
    columns = (row.c.key, row.c.published_version, row.c.draft_revision, row.c.created_at)
    return [AppLine(*line) for line in connection.execute(sa.select(*columns).order_by(row.c.key))]


def get_app(connection: sa.Connection, app: str) -> AppLine:
    """Return one app.

    Raises:
        Problem: ``app.not_found``.
    """
    found = next((line for line in list_apps(connection) if line.key == app), None)
    if found is None:
        raise no_app(app)
    return found


def create_app(registry: Registry, definition: Definition, author: str | None) -> AppLine:
    """Create an app with a definition as its draft; nothing is published.

    Raises:
        Problem: ``app.exists``.
    """
    with registry.database.transaction() as connection:
        key = definition.key
        if connection.scalar(sa.select(tables.app.c.key).where(tables.app.c.key == key)) is not None:
            raise Problem("app.exists", say(f"应用“{key}”已存在", f'The app "{key}" exists already'))
        now = registry.clock.now()
        connection.execute(
            sa.insert(tables.app).values(
                key=key, published_version=0, pin="", draft_revision=0, created_at=now, created_by=author
            )
        )
        replace_draft(registry, connection, definition, author)
        return get_app(connection, key)


def put_draft(registry: Registry, definition: Definition, author: str | None) -> None:
    """Replace the whole draft of an existing app."""
    with registry.database.transaction() as connection:
        get_app(connection, definition.key)
        replace_draft(registry, connection, definition, author)


def export_app(registry: Registry, app: str, version: int | None = None) -> Definition:
    """Return the draft (version None) or a version of an app."""
    from builder.registry.versions import get_version

    with registry.database.snapshot() as connection:
        return load_draft(connection, app) if version is None else get_version(connection, app, version)


def describe_deletion(registry: Registry, app: str) -> dict[str, JSON]:
    """Say what deleting an app would destroy."""
    with registry.database.snapshot() as connection:
        get_app(connection, app)
        published = find_published(registry, connection, app)
        entities = published.app.entities.values() if published else ()
        counts = {entity.key: count_rows(connection, entity.physical.name) for entity in entities}
        aside = {
            k.table_name: count_rows(connection, k.table_name) for k in list_kept(connection, app) if not k.column_name
        }
        events = connection.scalar(
            sa.select(sa.func.count()).select_from(tables.event).where(tables.event.c.app == app)
        )
        versions = connection.scalar(
            sa.select(sa.func.count()).select_from(tables.version).where(tables.version.c.app == app)
        )
    return {"app": app, "records": counts, "kept_records": aside, "events": events, "versions": versions}


def delete_app(registry: Registry, app: str, *, confirm: str | None) -> dict[str, JSON]:
    """Destroy an app: tables, records, history, versions. ``confirm`` must repeat the app's key.

    Raises:
        Problem: ``app.confirmation`` with what would be destroyed.
    """
    destroyed = describe_deletion(registry, app)
    if confirm != app:
        detail = say(
            f"删除会销毁全部数据;请用 confirm={app} 确认", f"This destroys all of its data; confirm with confirm={app}"
        )
        raise Problem("app.confirmation", detail, extra={"destroys": destroyed})
    with registry.database.exclusive_schema() as connection:
        published = find_published(registry, connection, app)
        for kept in list_kept(connection, app):
            if not kept.column_name:
                sa.Table(kept.table_name, sa.MetaData()).drop(connection)
        if published is not None:
            _drop_tables(connection, published.app)
        connection.execute(sa.delete(tables.event).where(tables.event.c.app == app))
        for table in (tables.kept, tables.counter, tables.version, tables.document):
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
