"""Versions: listing, reading, comparing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.kinds import BY_NAME, Definition
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import escape_pointer
from builder.registry.registry import get_package, no_app
from builder.store import tables

JSON = Any


class VersionLine(NamedTuple):
    """One line of an app's history."""

    version: int
    hash: str
    note: str | None
    published_at: datetime
    published_by: str | None


class Change(NamedTuple):
    """One difference between two versions; ``old`` or ``new`` is None where something came or went."""

    document: str
    pointer: str
    old: JSON
    new: JSON


def list_versions(connection: sa.Connection, app: str) -> list[VersionLine]:
    """Return all versions, latest first."""
    if connection.scalar(sa.select(tables.app.c.key).where(tables.app.c.key == app)) is None:
        raise no_app(app)
    row = tables.version
    columns = (row.c.version, row.c.package_hash, row.c.note, row.c.published_at, row.c.published_by)
    return [
        VersionLine(*line)
        for line in connection.execute(sa.select(*columns).where(row.c.app == app).order_by(row.c.version.desc()))
    ]


def get_version(connection: sa.Connection, app: str, version: int) -> Definition:
    """Return the definition of a version."""
    return parse_definition(parse_json(get_package(connection, app, version)))


def compare(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> list[Change]:
    """Compare two apps in their one-JSON form. Documents and fields are matched by key, not by place."""
    changes: list[Change] = []
    for kind in BY_NAME.values():
        if kind.single:
            changes += _compare(kind.name, "", old.get(kind.name), new.get(kind.name))
            continue
        before = {document["key"]: document for document in old.get(kind.name, ())}
        after = {document["key"]: document for document in new.get(kind.name, ())}
        for key in sorted(before.keys() | after.keys()):
            changes += _compare(f"{kind.name}/{key}", "", before.get(key), after.get(key))
    return changes


def _compare(document: str, pointer: str, old: JSON, new: JSON) -> Iterator[Change]:
    if old == new:
        return
    before, after = _members(old), _members(new)
    if before is None or after is None:
        yield Change(document, pointer, old, new)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        yield from _compare(document, f"{pointer}/{escape_pointer(name)}", before.get(name), after.get(name))
    if isinstance(old, list) and list(before) != list(after) and before.keys() == after.keys():
        yield Change(document, pointer, list(before), list(after))  # the order alone


def _members(value: JSON) -> dict[str, JSON] | None:
    """Return an object's members, or a list of keyed objects as members by key."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) and "key" in item for item in value):
        return {item["key"]: item for item in value}
    return None
