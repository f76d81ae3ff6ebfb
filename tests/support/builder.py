"""Driving the registry in tests: a registry on a database, published apps, rows written and read without the records API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.definition.parse import parse_definition
from builder.kernel.clock import MovableClock
from builder.kernel.ids import CountingIds, SystemIds
from builder.registry.apps import create_app, put_draft
from builder.registry.doctor import examine
from builder.registry.publishing import Publication, publish_draft
from builder.registry.registry import Registry, load_published
from builder.store.database import open_database

JSON = Any
START = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


@contextmanager
def open_registry(url: str, *, counting: bool = True) -> Iterator[Registry]:
    """A registry on a migrated database, with a clock that stands still and ids that count, so ids sort as they were made.

    Args:
        counting: False for one more registry on the same database, whose ids must not be the same.
    """
    database = open_database(url)
    clock = MovableClock(START)
    try:
        yield Registry(database, clock, CountingIds(clock) if counting else SystemIds(clock))
    finally:
        database.close()


def field(key: str, kind: str = "text", **options: JSON) -> JSON:
    """A field's document."""
    return {"key": key, "type": kind, "label": key, **options}


def entity(key: str, *fields: JSON, **members: JSON) -> JSON:
    """An entity's document."""
    return {"key": key, "label": key, "fields": list(fields), **members}


def package(*entities: JSON, key: str = "shop", **members: JSON) -> JSON:
    """An app in its one-JSON form."""
    return {"app": {"key": key, "label": key, **members}, "entities": list(entities)}


def create(registry: Registry, *entities: JSON, key: str = "shop") -> Publication:
    """Create an app and publish it."""
    create_app(registry, parse_definition(package(*entities, key=key)), None)
    return publish_draft(registry, key, base_version=0, plan_hash=None)


def redraft(registry: Registry, *entities: JSON, key: str = "shop") -> None:
    """Replace the draft."""
    put_draft(registry, parse_definition(package(*entities, key=key)), None)


def publish(registry: Registry, *entities: JSON, key: str = "shop", lossy: bool = True) -> Publication:
    """Replace the draft (unless no entity is given) and publish it."""
    if entities:
        redraft(registry, *entities, key=key)
    return publish_draft(registry, key, base_version=None, plan_hash=None, accept_lossy=lossy)


def published(registry: Registry, key: str = "shop") -> CompiledApp:
    """The published app."""
    found = load_published(registry, key)
    assert found is not None
    return found.app


def insert(registry: Registry, entity_key: str, values: Mapping[str, JSON], *, app: str = "shop") -> str:
    """Write one row as the write path would, coerced but otherwise unchecked; return its id."""
    compiled = published(registry, app).entities[entity_key]
    record_id, now = registry.ids.record_id(), registry.clock.now()
    row = {"id": record_id, "revision": 1, "created_at": now, "updated_at": now}
    for key, value in values.items():
        row[key] = None if value is None else compiled.fields[key].coerce(value)
    with registry.database.transaction() as connection:
        connection.execute(sa.insert(compiled.table).values(row))
    return record_id


def rows(registry: Registry, entity_key: str, *, app: str = "shop") -> dict[str, dict[str, Any]]:
    """All rows of an entity by id: the stored fields with their canonical values."""
    compiled = published(registry, app).entities[entity_key]
    columns = [compiled.table.c[f.key] for f in compiled.stored]
    with registry.database.snapshot() as connection:
        found = connection.execute(sa.select(compiled.table.c.id, *columns))
        return {row[0]: dict(zip([f.key for f in compiled.stored], row[1:], strict=True)) for row in found}


def column(registry: Registry, entity_key: str, key: str, *, app: str = "shop") -> list[Any]:
    """The values of one field in the order in which the rows were written."""
    return [row[key] for _, row in sorted(rows(registry, entity_key, app=app).items())]


def findings(registry: Registry, app: str | None = None) -> list[str]:
    """What the doctor finds, in words; empty is healthy."""
    return [f"{finding.code}: {finding.message.en}" for finding in examine(registry, app)]
