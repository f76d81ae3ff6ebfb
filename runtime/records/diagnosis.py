"""What the database refused, said in the words of the app: which unique rule met which record, which reference leads nowhere.

Writes go to the database without asking first; only a refused write is looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import label_text
from builder.fields.reference import unknown_target
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.statement import Query, Unit
from runtime.records.listing import check_listed
from runtime.records.values import NewRecord
from runtime.records.writer import Writing


class Suspect(NamedTuple):
    """A record as it was to be written."""

    entity: CompiledEntity
    id: str
    values: dict[str, Any]
    pointer: str
    is_new: bool


def suspects_of(records: Iterable[NewRecord]) -> list[Suspect]:
    """Return new records and their children as suspects."""
    found: list[Suspect] = []
    for record in records:
        found.append(Suspect(record.entity, record.id, record.values, record.pointer, is_new=True))
        found += suspects_of(record.children)
    return found


def diagnose(w: Writing, suspects: list[Suspect]) -> Unit[list[Violation]]:
    """Return every unique and reference rule that the records break."""
    violations: list[Violation] = []
    seen: dict[tuple[Any, ...], str] = {}
    own_ids = {suspect.id for suspect in suspects}
    for suspect in suspects:
        if suspect.is_new:
            rows = yield Query(w.statements.exists(suspect.entity.physical.name), {"id": suspect.id})
            if rows:
                message = say(f"已有编号为 {suspect.id} 的记录", f"A record {suspect.id} exists already")
                violations.append(Violation("exists", f"{suspect.pointer}/id", message))
        if suspect.entity.listing:
            violations += yield from check_listed(w, suspect.entity, [(suspect.values, {}, suspect.pointer)])
        for keys in suspect.entity.uniques:
            violations += yield from _meet(w, suspect, keys, seen)
        for column in suspect.entity.physical.columns.values():
            value = suspect.values.get(column.name)
            if column.references is None or value is None or value in own_ids:
                continue
            rows = yield Query(w.statements.exists(column.references), {"id": value})
            if not rows:
                nowhere = unknown_target(value)
                violations.append(
                    Violation("reference", f"{suspect.pointer}/{column.name}", nowhere.message, nowhere.params)
                )
    return violations


def _meet(
    w: Writing, suspect: Suspect, keys: tuple[str, ...], seen: dict[tuple[Any, ...], str]
) -> Unit[list[Violation]]:
    values = [suspect.values.get(key) for key in keys]
    if any(value is None for value in values):
        return []
    mark = (suspect.entity.key, keys, *(repr(value) for value in values))
    other = seen.setdefault(mark, suspect.id)
    if other == suspect.id:
        bound = {f"v_{key}": value for key, value in zip(keys, values, strict=True)}
        rows = yield Query(w.statements.same(suspect.entity, keys), {**bound, "id": suspect.id})
        if not rows:
            return []
        other = str(rows[0][0])
    labels = [label_text(suspect.entity.fields[key].label) for key in keys]
    message = say(
        f"已有记录使用相同的{'、'.join(label.zh for label in labels)}",
        f"Another record has the same {', '.join(label.en for label in labels)}",
    )
    return [Violation("unique", f"{suspect.pointer}/{keys[-1]}", message, {"fields": list(keys), "record_id": other})]


def conflict(violations: list[Violation]) -> Problem:
    """Return the problem of a refused write; an id that exists is a conflict of its own."""
    if len(violations) == 1 and violations[0].code == "exists":
        return Problem("record.exists", violations[0].message, violations=violations)
    count = len(violations)
    return Problem("record.invalid", say(f"有 {count} 处错误", f"There are {count} errors"), violations=violations)
