"""Records as they are, held until the end of the transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import Query, Rows, Unit
from runtime.records.ahead import Ahead, Held
from runtime.records.rights import require_seen
from runtime.records.writer import Writing

JSON = Any
_CHUNK = 1_000

__all__ = ["Held", "HeldRecord", "expect_revision", "hold_record", "hold_records", "not_found"]


class HeldRecord(NamedTuple):
    """One of several records that were held at once."""

    entity: CompiledEntity
    id: str
    held: Held


def hold_record(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[Held]:
    """Read and hold a record.

    Raises:
        Problem: ``record.not_found``.
    """
    ahead = w.course.ahead
    if ahead is not None and (known := ahead.known.get((entity.key, record_id))) is not None:
        if not (yield from require_seen(w, entity, record_id)):  # by whoever acts now
            raise not_found(entity, record_id)
        return known
    if ahead is None:
        rows = yield Query(w.statements.hold(entity), {"id": record_id})
    else:
        rows = yield from _look(w, ahead, entity, record_id)
    if not rows:
        raise not_found(entity, record_id)
    held = Held(rows[0][0], parse_json(rows[0][1]))
    if ahead is not None:
        ahead.saw(entity, record_id, held)
    if not (yield from require_seen(w, entity, record_id)):
        raise not_found(entity, record_id)
    return held


def _look(w: Writing, ahead: Ahead, entity: CompiledEntity, record_id: str) -> Unit[Rows]:
    along = ahead.along.pop((entity.key, record_id), None)
    if along is None:
        return (yield Query(w.statements.look(entity), {"id": record_id}))
    rows = yield along.query
    if rows:
        along.take(rows[0][2:])
    return rows


def hold_records(w: Writing, entity: CompiledEntity, ids: Iterable[str]) -> Unit[list[HeldRecord]]:
    """Read and hold several records; those that are not there (any more) are left out."""
    wanted = sorted(ids)  # always in one order: two writers that hold the same records wait for each other only once
    found: list[HeldRecord] = []
    for start in range(0, len(wanted), _CHUNK):
        listed = dump_json(wanted[start : start + _CHUNK]).decode()
        rows = yield Query(w.statements.hold_many(entity), {"ids": listed})
        found += [HeldRecord(entity, str(row[0]), Held(row[1], parse_json(row[2]))) for row in rows]
    return found


def not_found(entity: CompiledEntity, record_id: str) -> Problem:
    """The record does not exist (or is hidden)."""
    return Problem("record.not_found", say(f"没有记录 {record_id}", f"There is no record {record_id}"))


def expect_revision(found: int, if_match: int | None) -> None:
    """Compare with ``If-Match``.

    Raises:
        Problem: ``record.changed`` with the revision there is.
    """
    if if_match is not None and if_match != found:
        detail = say(
            f"您看到的是修订 {if_match},现在是 {found};请重新读取后再改",
            f"You saw revision {if_match}, now it is {found}; read it again",
        )
        raise Problem("record.changed", detail, extra={"revision": found})
