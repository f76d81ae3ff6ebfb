"""Cells of a sheet as the values of a record: read by the field itself; names of records, people and departments become ids.

Reads: dougong_user, dougong_department, and records as the caller sees them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.fields.base import Field, Invalid
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.instants import InstantField
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import parse_json
from builder.kernel.ids import find_uuid
from builder.kernel.limits import PAGE_RECORDS
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.database import Database
from runtime.imports.columns import ID
from runtime.query.request import ListRequest
from runtime.records.caller import Caller
from runtime.records.service import Records

JSON = Any
_AT_ONCE = 200
_BETWEEN = re.compile("[;；、|]")
_LOCAL = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?\Z", re.ASCII
)
"""A day with the hour of the clock on the wall; midnight if there is none."""
_NAMED_BY = ("text", "auto_number", "email", "phone", "barcode")
"""Types of fields whose values people write down to say which record they mean."""
PEOPLE = {"user": (tables.user, ("username", "name")), "department": (tables.department, ("key", "name"))}


@dataclass
class Names:
    """What names in a sheet mean: (kind or entity, name) -> ids; a name that several have means nobody."""

    ids: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def find(self, kind: str, name: str) -> str:
        """Return the id that is meant.

        Raises:
            Invalid: nobody is, or several are.
        """
        known = find_uuid(name)
        if known is not None:
            return known
        ids = self.ids.get((kind, name), set())
        if len(ids) == 1:
            return next(iter(ids))
        if ids:
            text = say(f"有 {len(ids)} 个“{name}”,请写编号", f'There are {len(ids)} of the name "{name}"; give the id')
            raise Invalid("ambiguous", text)
        raise Invalid("reference", say(f"没有“{name}”,或您看不到", f'There is no "{name}", or you cannot see it'))


def kind_of(owner: Field) -> str | None:
    """Return what names in a field's cells name: an entity, ``user``, ``department``; None: nothing."""
    if isinstance(owner, ReferenceField | MultiReferenceField):
        return owner.entity
    kind = owner.refers_to or owner.lists
    return kind if kind in PEOPLE else None


def _names_in(owner: Field, cell: str) -> list[str]:
    if isinstance(owner, MultiReferenceField) or owner.lists is not None:
        return [part.strip() for part in _BETWEEN.split(cell) if part.strip()]
    return [cell.strip()]


async def find_names(
    database: Database,
    records: Records,
    caller: Caller,
    published: PublishedApp,
    fields: Sequence[Field | None],
    rows: Iterable[Sequence[str]],
) -> Names:
    """Return what all names in some rows mean to the caller: records only as far as they are seen."""
    wanted: dict[str, set[str]] = {}
    for cells in rows:
        for owner, cell in zip(fields, cells, strict=True):
            kind = None if owner is None or not cell else kind_of(owner)
            if owner is not None and kind is not None:
                wanted.setdefault(kind, set()).update(n for n in _names_in(owner, cell) if find_uuid(n) is None)
    found = Names()
    for kind, names in sorted(wanted.items()):
        if kind not in PEOPLE:
            await _find_records(records, caller, published, kind, names, found)
        elif caller.actor is None or caller.actor.kind != "external":  # outsiders do not learn who works here
            await asyncio.to_thread(_find_people, database, kind, names, found)
    return found


def _find_people(database: Database, kind: str, names: set[str], found: Names) -> None:
    table, columns = PEOPLE[kind]
    for column in columns:
        left = sorted(name for name in names if (kind, name) not in found.ids)
        spelled = {name.casefold() if column == "username" else name: name for name in left}
        chosen = sa.select(table.c.id, table.c[column]).where(table.c[column].in_(spelled))
        with database.snapshot() as connection:
            for identifier, name in connection.execute(chosen):
                found.ids.setdefault((kind, spelled[name]), set()).add(str(identifier))


async def _find_records(
    records: Records, caller: Caller, published: PublishedApp, key: str, names: set[str], found: Names
) -> None:
    """Look records up by the fields that name them, one after the other: unique ones first, then the title."""
    target = published.app.entities.get(key)
    for named_by in () if target is None else _naming_fields(target):
        left = sorted(name for name in names if (key, name) not in found.ids)
        waiting = [left[start : start + _AT_ONCE] for start in range(0, len(left), _AT_ONCE)]
        while waiting:
            asked = waiting.pop()
            request = ListRequest(filter={named_by: {"_in": asked}}, fields=("id", named_by), limit=PAGE_RECORDS)
            page = await records.list_page(caller, published.app.key, key, request)
            if page.next_cursor is not None and len(asked) > 1:  # some have very many: each has to be seen whole
                waiting += [asked[: len(asked) // 2], asked[len(asked) // 2 :]]
                continue
            for row in parse_json(b"[" + page.listed + b"]"):
                found.ids.setdefault((key, row[named_by]), set()).add(row["id"])


def _naming_fields(target: CompiledEntity) -> list[str]:
    alone = [keys[0] for keys in target.uniques if len(keys) == 1]
    named = [key for key in alone if key in target.fields and target.fields[key].type in _NAMED_BY]
    return list(dict.fromkeys([*named, *([target.title_key] if target.title_key else [])]))


def body_of(
    keys: Sequence[str | None],
    fields: Sequence[Field | None],
    row: Sequence[str],
    names: Names,
    zone: ZoneInfo,
    pointer: str,
) -> tuple[dict[str, JSON], list[Violation]]:
    """Return the body that a row is, and what is wrong with its cells. Blank cells say nothing.

    Args:
        zone: of the company: a spreadsheet says hours, but not where.
    """
    body: dict[str, JSON] = {}
    violations: list[Violation] = []
    for key, owner, cell in zip(keys, fields, row, strict=True):
        if key is None or not cell:
            continue
        try:
            body[key] = cell if key == ID or owner is None else _value(owner, cell, names, zone)
        except Invalid as invalid:
            violations.append(Violation(invalid.code, f"{pointer}/{key}", invalid.message))
    if violations:  # nobody will write this row and judge the rest of it, and people shall hear everything at once
        violations += _wrong_values(keys, fields, body, pointer)
    return body, violations


def _wrong_values(
    keys: Sequence[str | None], fields: Sequence[Field | None], body: Mapping[str, JSON], pointer: str
) -> Iterator[Violation]:
    for key, owner in zip(keys, fields, strict=True):
        if key is None or owner is None or key not in body:
            continue
        try:
            owner.coerce(body[key])
        except Invalid as invalid:
            yield Violation(invalid.code, f"{pointer}/{key}", invalid.message)


def _value(owner: Field, cell: str, names: Names, zone: ZoneInfo) -> JSON:
    kind = kind_of(owner)
    if isinstance(owner, InstantField):
        return _instant(cell, zone)
    if kind is None:
        return owner.from_text(cell)
    found = [names.find(kind, name) for name in _names_in(owner, cell)]
    return found if isinstance(owner, MultiReferenceField) or owner.lists is not None else found[0]


def _instant(cell: str, zone: ZoneInfo) -> str:
    """Read ``2026/3/5 14:30`` as the hour of the company; what says its offset, or is no day at all, is the field's to judge."""
    found = _LOCAL.match(cell.strip())
    if found is None:
        return cell
    parts = [int(part or 0) for part in found.groups()[:6]]
    try:
        at = datetime(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], tzinfo=zone)
    except ValueError:
        return cell
    return at.replace(microsecond=int((found[7] or "0").ljust(6, "0"))).isoformat()
