"""Sets of ids in records: users and files that must exist, and who holds which file. No foreign key can guard a set, so the write path does.

A file that a record holds has a row in ``dougong_file_use``; one without is unused and goes after a while (``runtime/files/cleaning.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import viewer_values
from builder.compiled.recompute import listed_ids
from builder.fields.base import Field, Invalid
from builder.fields.parts.files import FileSetField, StoredFile
from builder.kernel.canonical import dump_json
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.query.variables import viewer
from runtime.records.filtering import seen_files
from runtime.records.rights import acting_sight

if TYPE_CHECKING:
    from runtime.records.writer import Writing

USED, UNUSED = "used", "unused"
Held = tuple[Mapping[str, Any], Mapping[str, Any], str]
"""Values of a record as they will be, the record as it was (may be empty), and its place in the request."""


class _FileLine(NamedTuple):
    stored: StoredFile
    uploaded_by: str | None
    state: str


def check_listed(w: Writing, entity: CompiledEntity, records: Sequence[Held]) -> Unit[list[Violation]]:
    """Return what is wrong with the ids that records hold anew; files among them are held until the end of the transaction."""
    wanted: dict[str, set[str]] = {"user": set(), "file": set()}
    fresh: list[tuple[Field, str, list[str]]] = []
    for after, before, pointer in records:
        for field in entity.listing:
            known = set(before.get(field.key) or ())
            ids = [one for one in after.get(field.key) or () if one not in known]
            if ids and field.lists is not None:
                wanted[field.lists].update(ids)
                fresh.append((field, f"{pointer}/{field.key}", ids))
    users: set[str] = set()
    if wanted["user"]:
        rows = yield Query(w.statements.kept(("users",), _users), {"ids": _listed(wanted["user"])})
        users = {str(row[0]) for row in rows}
    files: dict[str, _FileLine] = {}
    if wanted["file"]:
        values = {"ids": _listed(wanted["file"]), "app": w.app.key}
        rows = yield Query(w.statements.kept(("files",), _files), values)
        files = {str(row[0]): _FileLine(StoredFile(row[1], row[2]), row[3], row[4]) for row in rows}
        files = yield from _without_hidden(w, files)
    violations: list[Violation] = []
    for field, pointer, ids in fresh:
        for one in ids:
            wrong = _missing(one) if field.lists == "user" and one not in users else None
            if isinstance(field, FileSetField):
                wrong = _wrong_file(w, field, one, files.get(one))
            if wrong is not None:
                violations.append(Violation(wrong.code, pointer, wrong.message, wrong.params))
    return violations


def _without_hidden(w: Writing, files: dict[str, _FileLine]) -> Unit[dict[str, _FileLine]]:
    """Leave out files that only records hold which the caller does not see: their ids give no right to them."""
    if acting_sight(w) is None:
        return files
    others = {key for key, line in files.items() if line.uploaded_by != w.caller.actor_id}
    moment = viewer_values(viewer(w.app, w.caller.actor, w.now))
    seen = yield from seen_files(w.seen, others, w.statements.cache, moment)
    return {key: line for key, line in files.items() if key not in others or key in seen}


def _wrong_file(w: Writing, field: FileSetField, file_id: str, line: _FileLine | None) -> Invalid | None:
    # a file that nobody holds yet is its uploader's alone: an id that was seen somewhere gives no right to it
    own = line is not None and (line.state == USED or w.caller.actor_id in (line.uploaded_by, "system"))
    if line is None or not own:
        return _missing(file_id)
    return field.refuses(line.stored)


def _missing(identifier: str) -> Invalid:
    return Invalid("reference", say(f"没有编号为 {identifier} 的对象", f"There is no {identifier}"), id=identifier)


def _listed(ids: Iterable[str]) -> str:
    return dump_json(sorted(ids)).decode()


def link_files(
    w: Writing,
    entity: CompiledEntity,
    records: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Any] | None = None,
) -> Unit[None]:
    """Note which files records hold now. ``before`` is the record as it was, when there is one."""
    fields = [field.key for field in entity.listing if field.lists == "file"]
    held = {key: {one for name in fields for one in values.get(name) or ()} for key, values in records.items()}
    was = {one for name in fields for one in (before or {}).get(name) or ()}
    place = {"app": w.app.key, "entity": entity.key}
    rows = [{**place, "record_id": key, "file_id": one} for key, ids in held.items() for one in sorted(ids - was)]
    if rows:
        yield Query(w.statements.kept(("use file",), _use), rows if len(rows) > 1 else rows[0])
        used = {"ids": _listed({row["file_id"] for row in rows}), "at": w.now}
        yield Query(w.statements.kept(("files used",), _mark_used), used)
    for key, ids in held.items():
        if was - ids:
            gone = {**place, "record_id": key, "ids": _listed(was - ids)}
            yield Query(w.statements.kept(("drop uses",), _drop_uses), gone)
            yield Query(w.statements.kept(("files unused",), _mark_unused), {"ids": gone["ids"], "at": w.now})


def unlink_files(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[None]:
    """Note that a record that goes holds no files any more."""
    place = {"app": w.app.key, "entity": entity.key, "record_id": record_id}
    rows = yield Query(w.statements.kept(("uses of record",), _uses_of_record), place)
    if rows:
        ids = _listed(str(row[0]) for row in rows)
        yield Query(w.statements.kept(("drop uses",), _drop_uses), {**place, "ids": ids})
        yield Query(w.statements.kept(("files unused",), _mark_unused), {"ids": ids, "at": w.now})


# -- statements -----------------------------------------------------------------------------------------------------------


def _users(dialect: str) -> sa.Select[Any]:
    return sa.select(tables.user.c.id).where(tables.user.c.id.in_(listed_ids(dialect)))


def _files(dialect: str) -> sa.Select[Any]:
    file = tables.file
    columns = (file.c.id, file.c.media_type, file.c.bytes, file.c.uploaded_by, file.c.state)
    own = file.c.app == sa.bindparam("app", type_=Words())
    chosen = sa.select(*columns).where(file.c.id.in_(listed_ids(dialect)), own).order_by(file.c.id)
    return chosen.with_for_update(of=file) if dialect == POSTGRESQL else chosen


def _use(dialect: str) -> Any:
    use = tables.file_use
    insert = (postgresql if dialect == POSTGRESQL else sqlite).insert(use)
    return insert.values({c.name: sa.bindparam(c.name, type_=c.type) for c in use.c}).on_conflict_do_nothing()


def _mark_used(dialect: str) -> sa.Update:
    file = tables.file
    here = file.c.id.in_(listed_ids(dialect)) & (file.c.state != USED)
    return sa.update(file).where(here).values(state=USED, state_at=sa.bindparam("at", type_=Instant()))


def _mark_unused(dialect: str) -> sa.Update:
    file, use = tables.file, tables.file_use
    held = sa.select(use.c.file_id).where(use.c.file_id == file.c.id).correlate(file).exists()
    here = file.c.id.in_(listed_ids(dialect)) & ~held
    return sa.update(file).where(here).values(state=UNUSED, state_at=sa.bindparam("at", type_=Instant()))


def _of_record() -> sa.ColumnElement[bool]:
    use = tables.file_use
    return sa.and_(
        use.c.app == sa.bindparam("app", type_=Words()),
        use.c.entity == sa.bindparam("entity", type_=Words()),
        use.c.record_id == sa.bindparam("record_id", type_=Identifier()),
    )


def _uses_of_record(_dialect: str) -> sa.Select[Any]:
    return sa.select(tables.file_use.c.file_id).where(_of_record())


def _drop_uses(dialect: str) -> sa.Delete:
    return sa.delete(tables.file_use).where(_of_record(), tables.file_use.c.file_id.in_(listed_ids(dialect)))
