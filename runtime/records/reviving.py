"""Bringing kept records back, as they were, through the one write path: under the definition of today and its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.fields.base import Invalid
from builder.fields.parts.many import SOURCE, TARGET
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store import writing_tables
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Row, Unit
from builder.store.types import Identifier, Words
from runtime.records.changes import update_record
from runtime.records.deleting import Key
from runtime.records.diagnosis import diagnose, suspects_of
from runtime.records.holding import hold_records
from runtime.records.link_telling import Before, links_by_entity, links_of, tell_sources
from runtime.records.parts import try_part
from runtime.records.rules import judge_own
from runtime.records.values import NewRecord, Values, with_defaults
from runtime.records.writer import Writing, insert_records

JSON = Any
COLUMNS = ("id", "entity", "record_id", "deed", "place", "body", "blanked")


class Kept(NamedTuple):
    """A record that is kept."""

    id: str
    entity: str
    record_id: str
    deed: str
    place: int
    shown: dict[str, JSON]
    blanked: list[list[str]]


def kept_of(row: Row) -> Kept:
    """Read a row of ``COLUMNS``."""
    return Kept(str(row[0]), row[1], str(row[2]), str(row[3]), row[4], parse_json(row[5]), parse_json(row[6]))


def find_deed(w: Writing, deed: str) -> Unit[list[Kept]]:
    """Return what went together, in the order in which it was found."""
    rows = yield Query(w.statements.kept(("kept of deed",), _of_deed), {"deed": deed, "app": w.app.key})
    return [kept_of(row) for row in rows]


def revive(w: Writing, kept: Sequence[Kept]) -> Unit[list[NewRecord]]:
    """Write kept records again with their ids, times and makers, point to them again what still points nowhere, and forget them.

    Raises:
        Problem: ``trash.conflict`` with all that is in the way.
    """
    violations: list[Violation] = []
    alive = yield from without_dead_links(w, kept)
    flat = [_record(w, one, violations) for one in alive]
    if violations:
        raise _conflict(violations)
    before = yield from _links_before(w, flat)
    records = with_own_links(flat)

    def part() -> Unit[None]:
        yield from insert_records(w, records)

    refused = yield from try_part(w, part)
    if isinstance(refused, ConstraintRefused):
        raise _conflict((yield from diagnose(w, suspects_of(records), {one.record_id for one in kept})))
    if isinstance(refused, Problem):
        raise refused
    for key, links in before.items():
        yield from tell_sources(w, w.app.entities[key], links)
    for one in kept:
        yield from _point_again(w, one)
        yield Query(w.statements.kept(("forget kept",), _forget), {"id": one.id})
    return records


def without_dead_links(w: Writing, kept: Sequence[Kept]) -> Unit[list[Kept]]:
    """Return what is kept without links that have lost an end, or were made again meanwhile: they come back as far as they can."""
    coming = {one.record_id for one in kept}
    dead: set[str] = set()
    for entity in {one.entity: w.app.entities.get(one.entity) for one in kept}.values():
        if entity is None or entity.link is None:
            continue
        links = [one for one in kept if one.entity == entity.key]
        for end in (SOURCE, TARGET):
            field = entity.fields[end]
            assert isinstance(field, ReferenceField)
            wanted = sorted({str(one.shown[end]) for one in links} - coming)
            table = w.app.entities[field.entity].physical.name
            rows = yield Query(w.statements.existing(table), {"ids": dump_json(wanted).decode()})
            there = coming | {str(row[0]) for row in rows}
            dead |= {one.id for one in links if str(one.shown[end]) not in there}
        sources = {str(one.shown[SOURCE]) for one in links} - coming
        now = yield from links_of(w, entity, sources)
        pairs = {(source, shown[TARGET]) for source, rows_of in now.items() for shown in rows_of}
        dead |= {one.id for one in links if (one.shown[SOURCE], one.shown[TARGET]) in pairs}
    return [one for one in kept if one.id not in dead]


def with_own_links(records: list[NewRecord]) -> list[NewRecord]:
    """Return records with the links that come back with them as their own, so that their events tell of them."""
    by_key = {(record.entity.key, record.id): record for record in records}
    roots: list[NewRecord] = []
    for record in records:
        link = record.entity.link
        ends = [(record.entity.fields[end], str(record.values[end])) for end in (SOURCE, TARGET)] if link else []
        found = [by_key.get((getattr(field, "entity", ""), one)) for field, one in ends]
        holder = next((one for one in found if one is not None), None)  # whatever it needs is written first
        (roots if holder is None else holder.children).append(record)
    return roots


def _links_before(w: Writing, records: Sequence[NewRecord]) -> Unit[dict[str, Before]]:
    coming = {record.id for record in records}
    sources: dict[str, set[str]] = {}
    for record in records:
        if record.entity.link is not None and record.values[SOURCE] not in coming:
            sources.setdefault(record.entity.key, set()).add(str(record.values[SOURCE]))
    return (yield from links_by_entity(w, sources))


def _record(w: Writing, one: Kept, violations: list[Violation]) -> NewRecord:
    """Read a kept record by the definition of today: fields that are gone are passed over, new ones get their default."""
    entity = w.app.entities.get(one.entity)
    if entity is None:
        message = say(f"实体“{one.entity}”已不存在", f'The entity "{one.entity}" is gone')
        raise Problem("trash.conflict", message)
    values: Values = {}
    for field in entity.plain:
        given = one.shown.get(field.key)
        if given is None:
            continue
        try:
            values[field.key] = field.coerce(given)
        except Invalid as invalid:
            violations.append(invalid.violation(f"/{field.key}"))
    full = with_defaults(entity, values)
    full |= {key: None for key in full if key in one.shown and key not in values}  # a blank stays one
    judge_own(w, entity, full, None, "", violations)
    system: Values = {
        key: field.coerce(one.shown[key])
        for key, field in entity.system.items()
        if key != "id" and one.shown.get(key) is not None
    }
    system["revision"] = int(one.shown["revision"]) + 2  # it went with the one between
    return NewRecord(entity, one.record_id, full, "", system, kind="restored")


def _point_again(w: Writing, one: Kept) -> Unit[None]:
    wanted: dict[Key, dict[str, str]] = {}
    for entity_key, record_id, field, target in one.blanked:
        wanted.setdefault((entity_key, record_id), {})[field] = target
    for (entity_key, record_id), values in wanted.items():
        entity = w.app.entities.get(entity_key)
        if entity is None:
            continue
        for held in (yield from hold_records(w, entity, [record_id])):
            body = {key: to for key, to in values.items() if key in entity.fields and held.held.shown[key] is None}
            if body:
                yield from update_record(w, entity, record_id, body, None)


def _conflict(violations: list[Violation]) -> Problem:
    if not violations:
        return Problem("service.unavailable", retry_after_seconds=1)
    detail = say(
        f"有 {len(violations)} 处妨碍恢复,请先处理", f"{len(violations)} things are in the way; see to them first"
    )
    return Problem("trash.conflict", detail, violations=violations)


def _of_deed(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.trash
    here = (t.c.deed == sa.bindparam("deed", type_=Identifier())) & (t.c.app == sa.bindparam("app", type_=Words()))
    return sa.select(*(t.c[name] for name in COLUMNS)).where(here).order_by(t.c.place)


def _forget(_dialect: str) -> sa.Delete:
    return sa.delete(writing_tables.trash).where(writing_tables.trash.c.id == sa.bindparam("id", type_=Identifier()))
