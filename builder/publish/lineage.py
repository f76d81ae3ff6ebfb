"""Lineage: the identity of entities and fields under their changing keys.

A thing gets an id when it first has a table or column (``customer@1``: the key it had, the version that made it) and keeps it through
renames, conversions and times aside. Each version remembers the ids of its entities and fields, what is kept aside remembers its own;
so going back to a version finds every table and column again, whatever they are called by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.kernel.canonical import dump_sorted, parse_json

JSON = Any


class EntityLine(NamedTuple):
    """An entity's id, and its fields' ids by key. Ids of fields are unique within their entity."""

    id: str
    fields: Mapping[str, str]


Lineage = Mapping[str, EntityLine]
"""Entity key -> line."""


def new_id(key: str, version: int) -> str:
    """Return the id of what a version makes."""
    return f"{key}@{version}"


def dump_lineage(lineage: Lineage) -> str:
    """Write a lineage as canonical JSON."""
    return dump_sorted({key: dump_line(line) for key, line in lineage.items()}).decode()


def read_lineage(text: str) -> Lineage:
    """Read what ``dump_lineage`` wrote."""
    return {key: read_line(line) for key, line in parse_json(text).items()}


def dump_line(line: EntityLine) -> JSON:
    """Write one line as a JSON value."""
    return {"id": line.id, "fields": dict(line.fields)}


def read_line(value: JSON) -> EntityLine:
    """Read what ``dump_line`` wrote."""
    return EntityLine(value["id"], value["fields"])
