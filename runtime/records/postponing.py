"""What a write leaves to jobs: computed fields of more records than it may keep waiting. See docs/decisions/0003."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.compiled.computing import Computed
from builder.store.delivery_tables import pending
from builder.store.jobs import RECOMPUTE, pending_row, recompute_arguments
from builder.store.statement import Query, Unit
from runtime.jobs.rows import start_job

if TYPE_CHECKING:
    from runtime.records.writer import Writing

_Walk = tuple[str, tuple[str, ...]]
"""Entity and the path that leads from its records to what changed."""


class Later:
    """The fields to compute, by walk: as they are noted, and those for which a job was put down in this write already."""

    def __init__(self) -> None:
        self._noted: dict[_Walk, tuple[list[str], set[str]]] = {}
        self._put_down: dict[tuple[_Walk, str], set[str]] = {}

    def copy(self) -> Later:
        """Return what is known now, for a part of a write that may be undone."""
        other = Later()
        other._noted = {walk: (list(fields), set(ids)) for walk, (fields, ids) in self._noted.items()}
        other._put_down = {key: set(ids) for key, ids in self._put_down.items()}
        return other

    def add(self, computed: Computed, path: tuple[str, ...], changed: Collection[str]) -> None:
        """Note that a field has to be computed where a path leads to changed records; the job sees what is committed."""
        walk = (computed.entity, path)
        known = self._put_down.setdefault((walk, computed.key), set())
        fresh = set(changed) - known
        if not fresh:
            return
        known |= fresh
        fields, ids = self._noted.setdefault(walk, ([], set()))
        if computed.key not in fields:
            fields.append(computed.key)
        ids |= fresh

    def put_down(self, w: Writing) -> Unit[None]:
        """Put down one job for each walk, and tell readers which fields are on their way."""
        noted, self._noted = self._noted, {}
        for (entity, path), (fields, ids) in noted.items():
            job_id = yield from start_job(w, RECOMPUTE, recompute_arguments(entity, fields, path, ids))
            row = pending_row(job_id, w.app.key, entity, fields)
            insert = w.statements.kept(("pending",), lambda _: sa.insert(pending).values(_parameters()))
            yield Query(insert, row)


def _parameters() -> dict[str, Any]:
    return {column.name: sa.bindparam(column.name, type_=column.type) for column in pending.c}
