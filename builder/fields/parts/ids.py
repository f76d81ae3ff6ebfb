"""Ids of records, users, departments and files."""

from __future__ import annotations

from collections.abc import Iterable

from builder.fields.base import JSON, wrong_type
from builder.kernel.ids import find_uuid
from builder.kernel.text import say


def coerce_id(value: JSON) -> str:
    """Return a canonical UUID from an id or from an object that has one."""
    if isinstance(value, dict):
        value = value.get("id")
    found = find_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_type(say("记录编号(UUID)", "a record id (UUID)"))
    return found


def coerce_ids(values: Iterable[JSON]) -> tuple[str, ...]:
    """Return canonical UUIDs, each once, in the order given."""
    return tuple(dict.fromkeys(coerce_id(value) for value in values))
