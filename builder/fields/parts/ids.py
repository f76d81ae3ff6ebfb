"""Ids of records, users and departments."""

from __future__ import annotations

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
