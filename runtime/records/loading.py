"""Loading many records of several entities in one transaction: all or nothing (install, import of an app)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from builder.kernel.problems import Violation
from builder.store.statement import Unit
from runtime.records.changes import update_record
from runtime.records.creating import new_record
from runtime.records.lookups import look_ahead
from runtime.records.seams import finish
from runtime.records.values import refuse
from runtime.records.writer import Writing, insert_records, lock_app

JSON = Any
Progress = Callable[[int], None]
_CHUNK = 1_000


def load_records(
    w: Writing,
    batches: Sequence[tuple[str, Sequence[dict[str, JSON]]]],
    later: Sequence[tuple[str, str, dict[str, JSON]]],
    progress: Progress,
) -> Unit[int]:
    """Insert batches in their order, then set what closes circles between entities; return how many records came in.

    Args:
        batches: (entity, bodies); references lead to earlier rows.
        later: (entity, record id, values).

    Raises:
        Problem: ``record.invalid`` with every violation of a chunk; pointers are ``/entity/row/field``.
    """
    yield from lock_app(w)
    count = 0
    for key, rows in batches:
        entity = w.app.entities[key]
        for start in range(0, len(rows), _CHUNK):
            violations: list[Violation] = []
            chunk = rows[start : start + _CHUNK]
            yield from look_ahead(w, entity, chunk)
            records = []
            for place, row in enumerate(chunk):
                records.append((yield from new_record(w, entity, row, f"/{key}/{start + place}", violations)))
            refuse(violations)
            yield from insert_records(w, records)
            count += len(records)
            progress(count)
    for key, record_id, values in later:
        yield from update_record(w, w.app.entities[key], record_id, values, None)
    yield from finish(w)
    return count
