"""The job that computes fields of many records in chunks: a write or a publish has left them to it. See docs/decisions/0003.

Each chunk is a transaction of its own that takes the newest values, so beginning a chunk again after kill -9 is safe, and whatever is
written meanwhile comes out right: a later change along the same path puts down a job of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import Computed, FieldId
from builder.compiled.recompute import all_in_sql
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.faults import crash_point
from builder.kernel.limits import RECOMPUTED_AT_ONCE
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from builder.store.delivery_tables import pending
from builder.store.jobs import RECOMPUTE
from builder.store.statement import Query, Unit
from builder.store.types import Identifier
from runtime.jobs.runner import Running
from runtime.records.caller import Caller, system_caller
from runtime.records.computing import compute_local, reach, recompute_listed, recompute_related
from runtime.records.seams import follow_computed
from runtime.records.service import Records
from runtime.records.values import field_json, same_json
from runtime.records.writer import Writing, canonical, lock_app

JSON = Any
_FIRST = "00000000-0000-0000-0000-000000000000"


class Recompute:
    """The kind of job."""

    name = RECOMPUTE

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    async def run(self, running: Running) -> JSON:
        """Walk over the records in order of id; the checkpoint is the last one that is done."""
        job = running.job
        assert job.app is not None
        app, caller = job.app, system_caller(f"job:{job.id}", "recompute")
        walk = _Walk(**job.arguments)
        last = running.checkpoint or _FIRST
        if running.total is None:
            running.total = running.done + await self._records.pinned(app, caller, self._counting(caller, walk, last))
        while last is not None:
            done, last = await self._records.pinned(app, caller, self._computing(caller, walk, last))
            crash_point("recompute.chunk")
            await asyncio.to_thread(running.note, done, last)
        await asyncio.to_thread(self._tell_done, job.id)
        return {"record_count": running.done}

    def _counting(self, caller: Caller, walk: _Walk, after: str) -> Any:
        async def run(published: PublishedApp) -> int:
            w = self._records.writing(published, caller)
            return await self._database.read(lambda: walk.count(w, after))

        return run

    def _computing(self, caller: Caller, walk: _Walk, after: str) -> Any:
        async def run(published: PublishedApp) -> tuple[int, str | None]:
            w = self._records.writing(published, caller)
            return await self._records.transact(w, lambda: walk.compute(w, after))

        return run

    def _tell_done(self, job_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(sa.delete(pending).where(pending.c.job_id == job_id))


class _Walk:
    """Some fields of all records of an entity, or of those from which a path leads to what changed."""

    def __init__(self, entity: str, fields: list[str], path: list[str], sources: list[str] | None) -> None:
        self._entity = entity
        self._fields = frozenset(fields)
        self._path = tuple(path)
        self._sources = sources

    def count(self, w: Writing, after: str) -> Unit[int]:
        """Return how many records come after one."""
        if self._entity not in w.app.entities:
            return 0
        rows = yield Query(self._statement(w, "count"), self._values(after))
        return int(rows[0][0])

    def compute(self, w: Writing, after: str) -> Unit[tuple[int, str | None]]:
        """Compute the next records; return how many there were, and the last of them if there may be more."""
        yield from lock_app(w)
        entity = w.app.entities.get(self._entity)
        if entity is None:
            return 0, None
        rows = yield Query(self._statement(w, "chunk"), self._values(after))
        ids = [str(row[0]) for row in rows]
        if ids:
            yield from self._recompute(w, entity, ids)
        return len(ids), ids[-1] if len(ids) == RECOMPUTED_AT_ONCE else None

    def _recompute(self, w: Writing, entity: CompiledEntity, ids: list[str]) -> Unit[None]:
        fields = [computed for computed in entity.computed if computed.key in self._fields]
        in_python = [c for c in fields if c.place == "local" and not all_in_sql(c.tree)]
        if in_python:
            yield from _recompute_by_record(w, entity, in_python, ids)
        for computed in fields:
            if computed.place == "local" and computed not in in_python:
                yield from recompute_listed(w, (computed,), ids)
        besides: dict[FieldId, Collection[str]] = {c.id: ids for c in fields if c.place == "related"}
        yield from recompute_related(w, besides)
        yield from follow_computed(w)

    def _values(self, after: str) -> dict[str, Any]:
        walked = {} if self._sources is None else {"ids": dump_json(self._sources).decode()}
        return walked | {"after": after}

    def _statement(self, w: Writing, purpose: str) -> Any:
        narrow = self._sources is not None
        return w.statements.kept(
            ("walk", purpose, self._entity, self._path, narrow), lambda dialect: self._select(w, purpose, dialect)
        )

    def _select(self, w: Writing, purpose: str, dialect: str) -> sa.Select[Any]:
        if self._sources is None:
            table = w.app.entities[self._entity].table
            select = sa.select(table.c.id)
        else:
            select = reach(w.app, self._entity, self._path, dialect)
        (column,) = select.selected_columns
        select = select.where(column > sa.bindparam("after", type_=Identifier()))
        if purpose == "count":
            return sa.select(sa.func.count()).select_from(select.subquery())
        return select.order_by(column).limit(sa.literal_column(str(RECOMPUTED_AT_ONCE)))


def _recompute_by_record(w: Writing, entity: CompiledEntity, fields: list[Computed], ids: list[str]) -> Unit[None]:
    """Compute what the databases have no form for; the revision stays, as it does for all computed values."""
    rows = yield Query(w.statements.hold_many(entity), {"ids": dump_json(ids).decode()})
    for record_id, _, shown in rows:
        before = parse_json(shown)
        values = canonical(entity, before)
        compute_local(w, entity, values)
        changed = [c for c in fields if not same_json(field_json(entity.fields[c.key], values[c.key]), before[c.key])]
        for computed in changed:
            yield Query(_update(w, entity, computed.key), {"id": record_id, "fresh": values[computed.key]})
            w.changes.add(entity.key, computed.key, (str(record_id),))


def _update(w: Writing, entity: CompiledEntity, key: str) -> Any:
    table = entity.table

    def make(_: str) -> sa.Update:
        fresh = sa.bindparam("fresh", type_=table.c[key].type)
        return sa.update(table).where(table.c.id == sa.bindparam("id", type_=Identifier())).values({key: fresh})

    return w.statements.kept(("compute one", entity.key, key), make)
