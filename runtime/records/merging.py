"""Merging records into one, and undoing it: as units of the one write path.

References move to the record that stays; the others are deleted and kept. What was done is one row, by which it can be undone:
every field that was touched is compared with what the merge left there, and each that differs is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.fields.parts.many import SOURCE
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text
from builder.kernel.limits import BATCH_RECORDS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import counted, say
from builder.store import writing_tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.records.changes import update_record
from runtime.records.deleting import delete_held
from runtime.records.holding import Held, HeldRecord, expect_revision, hold_record, hold_records, not_found
from runtime.records.link_merging import Moved, links_before, move_links
from runtime.records.link_telling import tell_sources
from runtime.records.reviving import COLUMNS, kept_of, revive
from runtime.records.rights import body_entity, seen_of
from runtime.records.seeing import whole_fields
from runtime.records.values import same_json
from runtime.records.writer import Writing, make_event, write_events

JSON = Any


class Wish(NamedTuple):
    """What is to be merged into a record."""

    others: tuple[str, ...]
    fields: Mapping[str, str]
    """Field -> id of the record whose value it keeps."""
    fill_blanks: bool
    """Whether blank fields take the first value that one of the others has."""
    if_match: int | None


def merge_records(w: Writing, entity: CompiledEntity, record_id: str, wish: Wish) -> Unit[str]:
    """Merge others into a record; return the id of the merge.

    Raises:
        Problem: ``record.not_found``, ``record.changed``, ``merge.refused``, ``record.invalid``, ``limit.batch``.
    """
    held: dict[str, Held] = {}
    for one in sorted({record_id, *wish.others}):  # always in one order
        held[one] = yield from hold_record(w, entity, one)
    expect_revision(held[record_id].revision, wish.if_match)
    seen = yield from whole_fields(w, entity, held)  # a hidden value does not come to light by moving to another record
    taken = _taken(body_entity(w, entity), record_id, held, wish, seen)
    merge_id = w.ids.record_id()
    moved = yield from _move_references(w.for_the_app("merge"), entity, record_id, wish.others, merge_id)
    going = [HeldRecord(entity, one.id, one.held) for one in (yield from hold_records(w, entity, wish.others))]
    yield from delete_held(w, going, merge_id=merge_id)
    shown = (yield from hold_record(w, entity, record_id)).shown
    before = {key: shown[key] for key in taken}
    if taken:
        shown = yield from update_record(w, entity, record_id, taken, None, "/fields")
    after = {key: shown[key] for key in taken}
    body = {"others": list(wish.others), "before": before, "after": after, "moved": moved}
    values: dict[str, Any] = {"id": merge_id, "app": w.app.key, "entity": entity.key, "record_id": record_id}
    values |= {"body": dump_json(body).decode(), "merged_at": w.now, "merged_by": w.caller.actor_id}
    yield Query(w.statements.kept(("keep merge",), _keep), values)
    yield from _tell(w, entity, shown, "merged", {"merge": merge_id, "others": list(wish.others)})
    return merge_id


def _taken(
    entity: CompiledEntity,
    record_id: str,
    held: Mapping[str, Held],
    wish: Wish,
    seen: Mapping[str, frozenset[str]],
) -> dict[str, JSON]:
    """Return the values that the record takes from others; ``entity`` has the fields that a body may name."""
    taken: dict[str, JSON] = {}
    own = held[record_id].shown
    violations: list[Violation] = []
    plain = {field.key: field for field in entity.plain if not field.assigned and field.key in entity.fields}
    for key, source in wish.fields.items():
        if key not in plain or source not in held or key not in seen.get(source, ()):
            message = say(
                "应是可写的字段与参与合并的记录", "This takes a field that may be written and a merged record"
            )
            violations.append(Violation("reference", f"/fields/{key}", message))
        elif source != record_id and not same_json(held[source].shown[key], own[key]):
            taken[key] = held[source].shown[key]
    if violations:
        raise Problem("merge.refused", violations[0].message, violations=violations)
    for key, field in plain.items() if wish.fill_blanks else ():
        if key not in wish.fields and same_json(own[key], field.blank_json()):
            values = [held[one].shown[key] for one in wish.others if key in seen.get(one, ())]
            found = next((value for value in values if not same_json(value, field.blank_json())), None)
            if found is not None:
                taken[key] = found
    gone = set(wish.others)
    return {key: value for key, value in taken.items() if value not in (record_id, *gone)} if gone else taken


def _move_references(
    w: Writing, entity: CompiledEntity, record_id: str, others: Sequence[str], merge_id: str
) -> Unit[list[Moved]]:
    """Point to the record whatever points to one of the others."""
    moved: list[Moved] = []
    gone = set(others)
    for referrer in entity.referrers:
        owner, key = w.app.entities[referrer.entity], referrer.field.key
        statement = w.statements.referring_any(owner, key)
        values = {"ids": dump_json(sorted(gone)).decode(), "limit": BATCH_RECORDS + 1}
        ids = [str(row[0]) for row in (yield Query(statement, values))]
        if len(ids) + len(moved) > BATCH_RECORDS:
            detail = say(f"一次最多改动 {BATCH_RECORDS} 条引用", f"At most {BATCH_RECORDS} references move at once")
            raise Problem("limit.batch", detail, extra={"maximum": BATCH_RECORDS})
        if owner.link is not None:
            moved += yield from move_links(w, owner, key, ids, record_id, merge_id)
            continue
        for one in (yield from hold_records(w, owner, ids)):
            if owner is entity and one.id in gone:
                continue  # it goes itself
            # a record that pointed to what it now is would point to itself
            to = None if owner is entity and one.id == record_id else record_id
            yield from update_record(w, owner, one.id, {key: to}, None, "")
            moved.append(Moved(owner.key, one.id, key, one.held.shown[key], to))
    return moved


def undo_merge(w: Writing, entity: CompiledEntity, record_id: str, merge_id: str, days: int) -> Unit[dict[str, JSON]]:
    """Take a merge back; return the record that had stayed.

    Raises:
        Problem: ``merge.not_found``, ``merge.conflict`` with everything that changed since.
    """
    place = {"app": w.app.key, "entity": entity.key, "record_id": record_id}
    found = yield Query(w.statements.kept(("find merge",), _find), {**place, "id": merge_id})
    if not found:
        raise Problem("merge.not_found")
    body, merged_at, undone_at = parse_json(found[0][0]), _instant(found[0][1]), found[0][2]
    if undone_at is not None:
        raise Problem("merge.conflict", say("这次合并已撤销", "The merge was undone before"))
    if w.now - merged_at > timedelta(days=days):
        words = say(f"合并超过 {days} 天,不能撤销", f"A merge can be undone for {counted(days, 'day')}")
        raise Problem("merge.conflict", words)
    moved = [Moved(*one) for one in body["moved"]]
    held = yield from hold_record(w, entity, record_id)
    app = w.for_the_app("merge")
    there = yield from _hold_moved(app, moved)
    seen = yield from whole_fields(w, entity, [record_id])
    yield from _refuse_changed(w, entity, held, body["after"], moved, there, seen.get(record_id, frozenset()))
    if body["before"]:
        yield from update_record(w, entity, record_id, body["before"], None, "")
    rows = yield Query(w.statements.kept(("kept of merge",), _kept), {"merge_id": merge_id, "app": w.app.key})
    before = yield from links_before(app, there)
    yield from revive(w, [kept_of(row) for row in rows])
    for one in moved:
        if (one.entity, one.record_id) in there:
            yield from update_record(app, w.app.entities[one.entity], one.record_id, {one.field: one.to}, None, "")
    for key, links in before.items():
        yield from tell_sources(app, w.app.entities[key], links)
    yield Query(w.statements.kept(("undone",), _undone), {"id": merge_id, "at": w.now})
    shown = (yield from hold_record(w, entity, record_id)).shown
    yield from _tell(w, entity, shown, "unmerged", {"merge": merge_id, "others": body["others"]})
    return shown


def _hold_moved(w: Writing, moved: Iterable[Moved]) -> Unit[dict[tuple[str, str], Held]]:
    by_entity: dict[str, set[str]] = {}
    for one in moved:
        by_entity.setdefault(one.entity, set()).add(one.record_id)
    there: dict[tuple[str, str], Held] = {}
    for key, ids in sorted(by_entity.items()):
        if key in w.app.entities:
            for record in (yield from hold_records(w, w.app.entities[key], ids)):
                there[key, record.id] = record.held
    return there


def _refuse_changed(
    w: Writing,
    entity: CompiledEntity,
    held: Held,
    after: Mapping[str, JSON],
    moved: Sequence[Moved],
    there: Mapping[tuple[str, str], Held],
    seen: frozenset[str],
) -> Unit[None]:
    violations: list[Violation] = []
    for key, value in after.items():
        if not same_json(held.shown.get(key), value):
            message = say("合并之后又改过", "This was changed after the merge")
            params = {"entity": entity.key, "record_id": str(held.shown["id"]), "field": key}
            pointer, params = (f"/{key}", params) if key in seen else ("", {})
            violations.append(Violation("changed", pointer, message, params))
    for one in moved:
        known = there.get((one.entity, one.record_id))
        if known is not None and known.shown.get(one.field) != one.left:
            message = say("合并之后又指向了别的记录", "This points elsewhere since the merge")
            params = yield from _named(w, one, known)
            violations.append(Violation("changed", "", message, params))
    if violations:
        count = len(violations)
        detail = say(f"合并之后有 {count} 处改动,不能撤销", f"{count} things were changed since; it cannot be undone")
        raise Problem("merge.conflict", detail, violations=violations)


def _named(w: Writing, one: Moved, held: Held) -> Unit[dict[str, str]]:
    """Return what names a reference that points elsewhere: nothing, if the caller does not see where it stands."""
    owner, record_id, field = w.app.entities[one.entity], one.record_id, one.field
    if owner.link is not None:
        record_id, field = str(held.shown[SOURCE]), owner.link.field
        owner = w.app.entities[owner.link.entity]
    if not (yield from seen_of(w, owner, [record_id])):
        return {}
    return {"entity": owner.key, "record_id": record_id, "field": field}


def list_merges(w: Writing, entity: CompiledEntity, record_id: str, days: int) -> Unit[list[dict[str, JSON]]]:
    """Return the merges into a record, the latest first."""
    place = {"app": w.app.key, "entity": entity.key, "record_id": record_id}
    rows = yield Query(w.statements.kept(("merges",), _of_record), place)
    if not rows and not (yield Query(w.statements.exists(entity.physical.name), {"id": record_id})):
        raise not_found(entity, record_id)
    return [
        {
            "id": str(row[0]),
            "others": parse_json(row[1])["others"],
            "merged_at": instant_text(_instant(row[2])),
            "merged_by": row[3],
            "undone_at": None if row[4] is None else instant_text(_instant(row[4])),
            "undo_until": instant_text(_instant(row[2]) + timedelta(days=days)),
        }
        for row in rows
    ]


def _tell(
    w: Writing, entity: CompiledEntity, shown: Mapping[str, JSON], kind: str, detail: Mapping[str, JSON]
) -> Unit[None]:
    event = make_event(w, entity, str(shown["id"]), kind, int(shown["revision"]), {})
    event["detail"] = dump_json(detail).decode()
    yield from write_events(w, [event])


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


# -- statements -----------------------------------------------------------------------------------------------------------


def _keep(_dialect: str) -> sa.Insert:
    t = writing_tables.merge
    names = ("id", "app", "entity", "record_id", "body", "merged_at", "merged_by")
    return sa.insert(t).values({name: sa.bindparam(name, type_=t.c[name].type) for name in names})


def _here() -> sa.ColumnElement[bool]:
    t = writing_tables.merge  # an id names a record only within its entity: clients may choose ids
    return sa.and_(
        t.c.app == sa.bindparam("app", type_=Words()),
        t.c.entity == sa.bindparam("entity", type_=Words()),
        t.c.record_id == sa.bindparam("record_id", type_=Identifier()),
    )


def _find(dialect: str) -> sa.Select[Any]:
    t = writing_tables.merge
    chosen = sa.select(t.c.body, t.c.merged_at, t.c.undone_at)
    chosen = chosen.where(_here(), t.c.id == sa.bindparam("id", type_=Identifier()))
    return chosen.with_for_update() if dialect == "postgresql" else chosen


def _of_record(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.merge
    return (
        sa.select(t.c.id, t.c.body, t.c.merged_at, t.c.merged_by, t.c.undone_at).where(_here()).order_by(t.c.id.desc())
    )


def _kept(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.trash
    here = t.c.merge_id == sa.bindparam("merge_id", type_=Identifier())
    own = t.c.app == sa.bindparam("app", type_=Words())
    return sa.select(*(t.c[name] for name in COLUMNS)).where(here, own).order_by(t.c.deed, t.c.place)


def _undone(_dialect: str) -> sa.Update:
    t = writing_tables.merge
    here = t.c.id == sa.bindparam("id", type_=Identifier())
    return sa.update(t).where(here).values(undone_at=sa.bindparam("at", type_=Instant()))
