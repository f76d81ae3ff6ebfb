"""Values of records as cells that people read and that an import reads back: options by label, records and people by name.

Reads: dougong_user, dougong_department, and records as the caller sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.fields.base import Field, Invalid, label_text
from builder.fields.parts.choices import ChoiceField
from builder.fields.parts.instants import InstantField
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import PAGE_RECORDS
from builder.kernel.text import Language
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from runtime.imports.cells import PEOPLE, kind_of
from runtime.query.request import ListRequest
from runtime.records.caller import Caller
from runtime.records.service import Records

JSON = Any
Titles = Mapping[tuple[str, str], str]
"""(kind or entity, id) -> name; what the caller does not see is not there."""


def heading(owner: Field, language: Language) -> str:
    """Return the title of a field's column."""
    return label_text(owner.label).pick(language) or owner.key


async def find_titles(
    database: Database,
    records: Records,
    caller: Caller,
    published: PublishedApp,
    fields: Sequence[Field],
    rows: Sequence[Mapping[str, JSON]],
) -> Titles:
    """Return the names of all that some records name, as far as the caller sees them."""
    wanted: dict[str, set[str]] = {}
    for owner in fields:
        kind = kind_of(owner)
        if kind is not None:
            wanted.setdefault(kind, set()).update(i for row in rows for i in _ids(row.get(owner.key)))
    found: dict[tuple[str, str], str] = {}
    for kind, ids in sorted(wanted.items()):
        if kind not in PEOPLE:
            await _title_records(records, caller, published, kind, sorted(ids), found)
        elif caller.actor is not None and caller.actor.kind != "external":  # outsiders do not learn who works here
            found |= await asyncio.to_thread(_name_people, database, kind, sorted(ids))
    return found


def _ids(value: JSON) -> list[str]:
    if isinstance(value, list):
        return [one for one in value if isinstance(one, str)]
    return [value] if isinstance(value, str) else []


def _name_people(database: Database, kind: str, ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """Names that several bear would mean nobody when the sheet comes back: their unique names stand there."""
    table, (unique, _) = PEOPLE[kind]
    same = table.alias()
    bearers = sa.select(sa.func.count()).where(same.c.name == table.c.name).scalar_subquery()
    found: dict[tuple[str, str], str] = {}
    for start in range(0, len(ids), PAGE_RECORDS):
        chosen = sa.select(table.c.id, table.c.name, table.c[unique], bearers)
        with database.snapshot() as connection:
            rows = connection.execute(chosen.where(table.c.id.in_(ids[start : start + PAGE_RECORDS]))).all()
        found |= {(kind, str(row[0])): row[1] if row[1] and row[3] == 1 else row[2] for row in rows}
    return found


async def _title_records(
    records: Records,
    caller: Caller,
    published: PublishedApp,
    key: str,
    ids: Sequence[str],
    found: dict[tuple[str, str], str],
) -> None:
    target = published.app.entities.get(key)
    if target is None or target.title_key is None or target.title_key not in target.fields:
        return
    for start in range(0, len(ids), PAGE_RECORDS):
        asked = {"id": {"_in": list(ids[start : start + PAGE_RECORDS])}}
        request = ListRequest(filter=asked, fields=("id", target.title_key), limit=PAGE_RECORDS)
        page = await records.list_page(caller, published.app.key, key, request)
        for row in parse_json(b"[" + page.listed + b"]"):
            title = row.get(target.title_key)
            if title is not None:
                found[key, row["id"]] = str(title)


def cells_of(
    fields: Sequence[Field], row: Mapping[str, JSON], titles: Titles, language: Language, zone: ZoneInfo
) -> list[str]:
    """Return the cells of a record."""
    return [_cell(owner, row.get(owner.key), titles, language, zone) for owner in fields]


def _cell(owner: Field, value: JSON, titles: Titles, language: Language, zone: ZoneInfo) -> str:
    if value is None or value == []:
        return ""
    kind = kind_of(owner)
    if kind is not None:
        return ";".join(titles.get((kind, one), one) for one in _ids(value))
    if isinstance(owner, ChoiceField):
        labels = {option.key: label_text(option.label).pick(language) for option in owner.options}
        return ";".join(labels.get(key, key) for key in _ids(value))
    if isinstance(value, bool):
        return ("是" if value else "否") if language == "zh" else ("yes" if value else "no")
    try:
        if isinstance(owner, InstantField):  # the hour of the company, with its offset: so it is read back
            at = owner.coerce(value)
            return "" if at is None else str(at.astimezone(zone))
        return owner.to_text(owner.coerce(value))
    except (Invalid, NotImplementedError, OverflowError):  # a mask is no value, some types have no text: as they are
        return value if isinstance(value, str) else dump_json(value).decode()


def exported_fields(entity: CompiledEntity, asked: Sequence[str]) -> list[Field]:
    """Return the fields of the columns: those asked for, or all that are seen and hold a value of their own."""
    if asked:
        return [owner for key in asked if (owner := entity.find_field(key)) is not None]
    return [owner for owner in entity.fields.values() if owner.type != "children"]
