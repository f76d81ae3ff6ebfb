"""What a write gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from builder.store.statement import Unit
from runtime.access.sight import RoleSight
from runtime.query.kept import Kept
from runtime.query.variables import variables
from runtime.records.reader import OnePlan, kept_plan, read_one
from runtime.records.rights_at_hand import holds_at_hand, seen_at_hand
from runtime.records.targets import needs_reading
from runtime.records.values import record_body, with_aliases
from runtime.records.writer import Writing

JSON = Any
_SHOWN_COMPLETE = 100


@dataclass(frozen=True, slots=True)
class Written:
    """A record after a write."""

    record: dict[str, JSON]
    body: bytes
    """The record as JSON, byte by byte what a read gives."""
    duplicates: tuple[dict[str, JSON], ...] | None = None
    """Of a new record of an entity that looks for them: records that may be the same thing."""

    @property
    def revision(self) -> int:
        """The record's revision."""
        return int(self.record["revision"])


def as_written(owner: CompiledEntity, shown: dict[str, JSON]) -> Written:
    """Return a record as it was written."""
    return Written(shown, record_body(owner, shown))


def _as_seen(
    w: Writing, sight: RoleSight, owner: CompiledEntity, shown: dict[str, JSON], revision: JSON
) -> Unit[Written]:
    """Return a record that is still to be written as its writer will see it.

    Args:
        revision: which they wrote; told if they see no more, whatever follows.

    Raises:
        CannotAhead: only the database can tell.
    """
    narrowed = w.seen.app.entities.get(owner.key)
    rows = sight.rows_for(owner.key, "read")
    if narrowed is None or not (yield from holds_at_hand(w, owner, rows, shown)):
        brief = {"id": shown["id"], "revision": revision}
        return Written(brief, dump_json(brief))
    record = {key: value for key, value in shown.items() if narrowed.find_field(key) is not None}
    for key in narrowed.fields:
        if not sight.is_plain(owner.key, key) and key in record:
            record[key] = yield from seen_at_hand(w, owner, key, sight.fields[owner.key, key], shown)
    return as_written(narrowed, record)


def read_written(
    w: Writing, owner: CompiledEntity, shown: list[dict[str, JSON]], plans: Kept[OnePlan]
) -> Unit[list[Written]]:
    """Return written records as a read shows them; of many, what the database computes is left for the caller to read.

    Under roles, of many records, and of one that its writer sees no more, only id and revision are returned.
    """
    if w.course.ahead is not None:
        known = w.course.ahead.known
        seen: list[Written] = []
        for record in shown:
            will_be = with_aliases(owner, known[owner.key, str(record["id"])].shown)
            if w.sight is None:
                seen.append(as_written(owner, will_be))
            else:
                seen.append((yield from _as_seen(w, w.sight, owner, will_be, record["revision"])))
        return seen
    is_final = not (needs_reading(owner) or w.course.rewritten.intersection(record["id"] for record in shown))
    if w.sight is None and (len(shown) > _SHOWN_COMPLETE or is_final):
        return [as_written(owner, record) for record in shown]
    published = w.seen
    brief = [{"id": record["id"], "revision": record["revision"]} for record in shown]
    if len(shown) > _SHOWN_COMPLETE or owner.key not in published.app.entities:
        return [Written(record, dump_json(record)) for record in brief]
    plan = kept_plan(plans, published, published.app.entities[owner.key], (), (), w.statements.cache)
    moment = variables(published.app, w.caller.actor, w.now)
    written = []
    for record in brief:
        try:
            found = yield from read_one(published, w.caller, plan, str(record["id"]), moment)
            written.append(Written(parse_json(found.body), found.body))
        except Problem:
            written.append(Written(record, dump_json(record)))
    return written
