"""Ids of records, users, departments and files."""

from __future__ import annotations

from collections.abc import Iterable

from builder.fields.base import JSON, wrong_type
from builder.kernel.ids import find_uuid
from builder.kernel.text import Text, say

A_RECORD = say("记录编号(UUID)", "a record id (UUID)")
A_USER = say(
    "人员编号(UUID),不是姓名;用 /api/people?search= 查",
    "a person's id (UUID), not a name; /api/people?search= finds it",
)
A_DEPARTMENT = say(
    "部门编号(UUID),不是名称;见 /api/departments", "a department's id (UUID), not its name; see /api/departments"
)


def coerce_id(value: JSON, what: Text = A_RECORD) -> str:
    """Return a canonical UUID from an id or from an object that has one; ``what`` is said of anything else."""
    if isinstance(value, dict):
        value = value.get("id")
    found = find_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_type(what)
    return found


def coerce_ids(values: Iterable[JSON], what: Text = A_RECORD) -> tuple[str, ...]:
    """Return canonical UUIDs, each once, in the order given."""
    return tuple(dict.fromkeys(coerce_id(value, what) for value in values))
