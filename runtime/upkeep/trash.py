"""The job that lets go of what the trash and merges keep, after some days: records, and the files that only they held.

Deletes from: dougong_trash, _merge, _file_use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.recompute import listed_ids
from builder.kernel.canonical import dump_json
from builder.kernel.clock import Clock
from builder.kernel.problems import Problem
from builder.store import writing_tables
from builder.store.database import Database
from builder.store.statement import Query, Unit
from builder.store.types import Instant, Words
from runtime.jobs.runner import Running
from runtime.records.caller import system_caller
from runtime.records.listing import unlink_files
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
KIND = "upkeep.trash"
_CHUNK = 500


class Pruned(NamedTuple):
    """How many kept records and merges were let go of in one transaction."""

    records: int
    merges: int


class TrashPruning:
    """The kind of job."""

    name = KIND

    def __init__(self, database: Database, records: Records, clock: Clock, days: int) -> None:
        self._database = database
        self._records = records
        self._clock = clock
        self._lifetime = timedelta(days=days)

    async def run(self, running: Running) -> JSON:
        """Let go of what has expired, app by app; what is gone is not found again, so there is nothing to go on from."""
        caller = system_caller(f"job:{running.job.id}", "timer")
        before = self._clock.now() - self._lifetime
        records = merges = 0
        for app in await asyncio.to_thread(self._expired_apps, before):
            done = Pruned(1, 0)
            while any(done):
                try:
                    done = await self._records.work(caller, app, lambda w: _prune(w, before))
                except Problem as problem:
                    if problem.code != "app.not_found":
                        raise
                    break  # it was deleted meanwhile, and all of it with it
                records, merges = records + done.records, merges + done.merges
                await asyncio.to_thread(running.note, sum(done), app)
        return {"record_count": records, "merge_count": merges}

    def _expired_apps(self, before: datetime) -> Sequence[str]:
        trash, merge = writing_tables.trash, writing_tables.merge
        kept = sa.select(trash.c.app).where(trash.c.deleted_at < before)
        done = sa.select(merge.c.app).where(merge.c.merged_at < before)
        with self._database.snapshot() as connection:
            return sorted(connection.scalars(sa.union(kept, done)))


def _prune(w: Writing, before: datetime) -> Unit[Pruned]:
    own = {"app": w.app.key, "before": before}
    rows = yield Query(w.statements.kept(("expired trash",), _expired_trash), own)
    for _, key, record_id in rows:
        entity = w.app.entities.get(key)
        if entity is not None and entity.listing:
            yield from unlink_files(w, entity, str(record_id))
    if rows:
        ids = {"ids": dump_json([str(row[0]) for row in rows]).decode()}
        yield Query(w.statements.kept(("prune trash",), _prune_trash), ids)
    merges = yield Query(w.statements.kept(("expired merges",), _expired_merges), own)
    if merges:
        ids = {"ids": dump_json([str(row[0]) for row in merges]).decode()}
        yield Query(w.statements.kept(("prune merges",), _prune_merges), ids)
    return Pruned(len(rows), len(merges))


def _expired_trash(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.trash
    here = (t.c.app == sa.bindparam("app", type_=Words())) & (t.c.deleted_at < sa.bindparam("before", type_=Instant()))
    return sa.select(t.c.id, t.c.entity, t.c.record_id).where(here).order_by(t.c.id).limit(_CHUNK)


def _prune_trash(dialect: str) -> sa.Delete:
    t = writing_tables.trash
    return sa.delete(t).where(t.c.id.in_(listed_ids(dialect)))


def _expired_merges(_dialect: str) -> sa.Select[Any]:
    t = writing_tables.merge
    here = (t.c.app == sa.bindparam("app", type_=Words())) & (t.c.merged_at < sa.bindparam("before", type_=Instant()))
    return sa.select(t.c.id).where(here).order_by(t.c.id).limit(_CHUNK)


def _prune_merges(dialect: str) -> sa.Delete:
    t = writing_tables.merge
    return sa.delete(t).where(t.c.id.in_(listed_ids(dialect)))
