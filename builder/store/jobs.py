"""Rows of jobs as they are put down: any job, and the one that computes fields later. See docs/decisions/0003 and 0012."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from builder.kernel.canonical import dump_json
from builder.kernel.limits import RECOMPUTE_SOURCES

JSON = Any
RECOMPUTE = "recompute"
HANDOVER = "handover"


def job_row(
    job_id: str,
    kind: str,
    arguments: Mapping[str, JSON],
    app: str | None,
    by: str | None,
    now: datetime,
    total: int | None,
) -> dict[str, Any]:
    """Return the row of a job that waits."""
    return {
        "id": job_id,
        "kind": kind,
        "app": app,
        "arguments": dump_json(dict(arguments)).decode(),
        "state": "waiting",
        "done_count": 0,
        "total_count": total,
        "cancel_requested": False,
        "attempts": 0,
        "next_at": now,
        "created_at": now,
        "created_by": by,
    }


def recompute_arguments(
    entity: str, fields: Sequence[str], path: Sequence[str] = (), sources: Collection[str] = ()
) -> dict[str, JSON]:
    """Return what a job that computes fields is told.

    Args:
        path, sources: only the records from which this path leads to one of these; without, or with very many, all records.
    """
    known = sorted(sources) if path and len(sources) <= RECOMPUTE_SOURCES else None
    return {"entity": entity, "fields": list(fields), "path": list(path), "sources": known}


def pending_row(job_id: str, app: str, entity: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the row by which readers know that values of these fields are on their way."""
    return {"job_id": job_id, "app": app, "entity": entity, "fields": dump_json(list(fields)).decode()}
