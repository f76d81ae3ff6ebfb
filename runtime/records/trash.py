"""The trash: records that were deleted and are kept. They stand outside their tables, so nothing that reads records can find them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.clock import instant_text
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store import writing_tables
from builder.store.database import Database
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Words
from runtime.access.gate import gate
from runtime.access.sight import sight_of
from runtime.records.caller import Caller
from runtime.records.listing import unlink_files
from runtime.records.reviving import Kept, find_deed, revive
from runtime.records.seams import finish
from runtime.records.service import Records
from runtime.records.targets import known_id, target_entity, uses_of
from runtime.records.writer import Writing, record_json
from runtime.records.written import Written

JSON = Any
PAGE = 100


class Trash:
    """The trash of all apps of one database. Under roles everybody sees what they deleted themselves, admins see all."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    async def page(self, caller: Caller, app: str, entity: str, before: str | None) -> list[dict[str, JSON]]:
        """Return what was deleted, the latest first, at most ``PAGE``; ``before`` is the id of the last one seen."""

        async def run(published: PublishedApp) -> list[dict[str, JSON]]:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "delete"), sight_of(published.app))
            w = self._records.writing(published, caller)
            return await self._database.read(lambda: _page(w, owner, before))

        return await self._records.pinned(app, caller, run)

    async def restore(self, caller: Caller, app: str, entity: str, record_id: str) -> Written:
        """Bring a record back with all that went with it.

        Raises:
            Problem: ``trash.not_found``, ``trash.conflict``.
        """

        async def run(published: PublishedApp) -> Written:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "delete"), sight_of(published.app))
            known = known_id(owner, record_id)
            w = self._records.writing(published, caller)

            def unit() -> Unit[Written]:
                kept = yield from _find(w, owner, known)
                records = yield from revive(w, kept)
                yield from finish(w)
                return (yield from self._records.written(w, owner, [record_json(w, records[0])]))[0]

            return await self._records.transact(w, unit)

        return await self._records.pinned(app, caller, run)

    async def purge(self, caller: Caller, app: str, entity: str, record_id: str) -> int:
        """Destroy what is kept of a record and of all that went with it; return of how many.

        Raises:
            Problem: ``trash.not_found``.
        """

        async def run(published: PublishedApp) -> int:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "delete"), sight_of(published.app))
            known = known_id(owner, record_id)
            w = self._records.writing(published, caller)

            def unit() -> Unit[int]:
                kept = yield from _find(w, owner, known)
                for one in kept:
                    entity = w.app.entities.get(one.entity)
                    if entity is not None and entity.listing:
                        yield from unlink_files(w, entity, one.record_id)
                yield Query(w.statements.kept(("purge",), _purge), {"deed": kept[0].deed})
                return len(kept)

            return await self._records.transact(w, unit)

        return await self._records.pinned(app, caller, run)


def _find(w: Writing, owner: CompiledEntity, record_id: str) -> Unit[list[Kept]]:
    place = {**_whose(w, owner), "record_id": record_id}
    rows = yield Query(w.statements.kept(("kept record",), _of_record), place)
    if not rows:
        raise Problem("trash.not_found", say(f"回收站里没有记录 {record_id}", f"The trash has no record {record_id}"))
    return (yield from find_deed(w, str(rows[0][0])))


def _whose(w: Writing, owner: CompiledEntity) -> dict[str, Any]:
    return {"app": w.app.key, "entity": owner.key, "whose": None if w.sight is None else w.caller.actor_id}


def _page(w: Writing, owner: CompiledEntity, before: str | None) -> Unit[list[dict[str, JSON]]]:
    values = {**_whose(w, owner), "before": before or "ffffffff-ffff-ffff-ffff-ffffffffffff", "limit": PAGE}
    rows = yield Query(w.statements.kept(("trash page",), _listed), values)
    seen = w.seen.app.entities.get(owner.key)
    titled = seen is not None and owner.title_key in seen.fields
    if (
        w.sight is not None and owner.title_key is not None
    ):  # of what is gone only that is told which is shown of every record
        titled = titled and w.sight.is_plain(owner.key, owner.title_key)
    return [
        {
            "id": str(row[0]),
            "record_id": str(row[1]),
            "title": row[2] if titled else None,
            "deleted_at": row[3] if isinstance(row[3], str) else instant_text(row[3]),
            "deleted_by": row[4],
            "count": row[5],
        }
        for row in rows
    ]


# -- statements -----------------------------------------------------------------------------------------------------------


def _own() -> sa.ColumnElement[bool]:
    t = writing_tables.trash
    whose = sa.bindparam("whose", type_=Words())
    return sa.and_(
        t.c.app == sa.bindparam("app", type_=Words()),
        t.c.entity == sa.bindparam("entity", type_=Words()),
        t.c.id == t.c.deed,
        t.c.merge_id.is_(None),
        whose.is_(None) | (t.c.deleted_by == whose),
    )


def _listed(_dialect: str) -> sa.Select[Any]:
    t, other = writing_tables.trash, writing_tables.trash.alias()
    count = sa.select(sa.func.count()).where(other.c.deed == t.c.deed).scalar_subquery()
    chosen = sa.select(t.c.id, t.c.record_id, t.c.title, t.c.deleted_at, t.c.deleted_by, count).where(
        _own(), t.c.id < sa.bindparam("before", type_=Identifier())
    )
    return chosen.order_by(t.c.id.desc()).limit(sa.bindparam("limit", type_=sa.Integer()))


def _of_record(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.trash
    here = t.c.record_id == sa.bindparam("record_id", type_=Identifier())
    return sa.select(t.c.deed).where(_own(), here).order_by(t.c.id.desc()).limit(1)


def _purge(_dialect: str) -> sa.Delete:
    return sa.delete(writing_tables.trash).where(
        writing_tables.trash.c.deed == sa.bindparam("deed", type_=Identifier())
    )
