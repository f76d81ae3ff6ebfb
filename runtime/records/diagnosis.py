"""What the database refused, said in the words of the app: which unique rule met which record, which reference leads nowhere.

Writes go to the database without asking first; only a refused write is looked at closely, many records with few statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.compiled.conditional import ConditionalUnique
from builder.fields.base import label_text
from builder.fields.reference import unknown_target
from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Unit
from runtime.records.changes import Change
from runtime.records.computing import own_context
from runtime.records.linking import pointer_in
from runtime.records.listing import Held, check_listed
from runtime.records.own_values import OwnValues
from runtime.records.rights import acting_sight, seen_ids
from runtime.records.telling import tell_of_hidden
from runtime.records.values import NewRecord
from runtime.records.writer import Writing

_LISTED = 1_000
_COMPARED = 50  # sets of values that one statement looks for


class Suspect(NamedTuple):
    """A record as it was to be written."""

    entity: CompiledEntity
    id: str
    values: dict[str, Any]
    pointer: str
    is_new: bool
    parent: str | None = None
    """The record it comes with, if that one is new too."""


def suspects_of(records: Iterable[NewRecord], parent: str | None = None) -> list[Suspect]:
    """Return new records and their children as suspects."""
    found: list[Suspect] = []
    for record in records:
        found.append(Suspect(record.entity, record.id, record.values, record.pointer, True, parent))
        found += suspects_of(record.children, record.id)
    return found


def suspects_of_change(change: Change) -> list[Suspect]:
    """Return a record that was to be changed, and its children, as suspects."""
    found: list[Suspect] = []
    if change.changed:
        found.append(Suspect(change.entity, change.id, change.whole, change.pointer, is_new=False))
    for listed in change.lists:
        for child in listed.changes:
            found += suspects_of_change(child)
        found += suspects_of(listed.fresh)
    return found


def diagnose(w: Writing, suspects: Sequence[Suspect], coming: Set[str] = frozenset()) -> Unit[list[Violation]]:
    """Return every unique and reference rule that the records break.

    Args:
        coming: records that are written with them, whatever their entity; they may be pointed to.
    """
    by_entity: dict[str, list[Suspect]] = {}
    for suspect in suspects:
        by_entity.setdefault(suspect.entity.key, []).append(suspect)
    violations: list[Violation] = []
    for group in by_entity.values():
        violations += yield from _existing(w, group)
        if group[0].entity.listing:
            fresh: list[Held] = [(suspect.values, {}, suspect.pointer) for suspect in group if suspect.is_new]
            violations += yield from check_listed(w, group[0].entity, fresh)
        for keys in group[0].entity.uniques:
            violations += yield from _meeting(w, group, keys)
        for unique in group[0].entity.uniques_if:
            context = own_context(w)
            among = [s for s in group if unique.program.run(OwnValues(s.values), context) is True]
            if among:
                violations += yield from _meeting(w, among, unique.fields, unique)
        for column in group[0].entity.physical.columns.values():
            if column.references is not None:
                violations += yield from _pointing_nowhere(w, group, column.name, column.references, coming)
    return violations


def _existing(w: Writing, group: list[Suspect]) -> Unit[list[Violation]]:
    fresh = [suspect for suspect in group if suspect.is_new]
    there = yield from _known(w, group[0].entity.physical.name, {suspect.id for suspect in fresh})
    violations: list[Violation] = []
    for suspect in fresh:
        if suspect.id in there:
            message = say(f"已有编号为 {suspect.id} 的记录", f"A record {suspect.id} exists already")
            violations.append(Violation("exists", f"{suspect.pointer}/id", message, {"record_id": suspect.id}))
        there.add(suspect.id)  # the next one with this id comes second
    return violations


def _pointing_nowhere(
    w: Writing, group: list[Suspect], key: str, table: str, coming: Set[str]
) -> Unit[list[Violation]]:
    # what is written before a record may be pointed to: its parent, and others of its own entity
    siblings = coming | ({suspect.id for suspect in group} if group[0].entity.physical.name == table else set())
    pointing = [
        (suspect, value)
        for suspect in group
        if (value := suspect.values.get(key)) is not None and value != suspect.parent and value not in siblings
    ]
    there = yield from _known(w, table, {value for _, value in pointing})
    sight = acting_sight(w)
    target = next((e for e in w.app.entities.values() if e.physical.name == table), None)
    if sight is not None and target is not None and there and not sight.sees_all(target.key):
        there = yield from seen_ids(w, sight, target, there)  # what is hidden is not there
    violations = []
    for suspect, value in pointing:
        if value not in there:
            nowhere = unknown_target(str(value))
            place = pointer_in(suspect.pointer, key)
            violations.append(Violation("reference", place, nowhere.message, nowhere.params))
    return violations


def _known(w: Writing, table: str, ids: set[Any]) -> Unit[set[str]]:
    found: set[str] = set()
    wanted = sorted(ids)
    for start in range(0, len(wanted), _LISTED):
        listed = dump_json(wanted[start : start + _LISTED]).decode()
        rows = yield Query(w.statements.existing(table), {"ids": listed})
        found |= {str(row[0]) for row in rows}
    return found


def _meeting(
    w: Writing, group: list[Suspect], keys: tuple[str, ...], among: ConditionalUnique | None = None
) -> Unit[list[Violation]]:
    entity = group[0].entity
    met: dict[int, str] = {}
    first: dict[tuple[str, ...], str] = {}
    asked: list[int] = []
    for place, suspect in enumerate(group):
        values = [suspect.values.get(key) for key in keys]
        if any(value is None for value in values):
            continue
        other = first.setdefault(tuple(repr(value) for value in values), suspect.id)
        if other != suspect.id:
            met[place] = other
        else:
            asked.append(place)
    size = 1 if len(asked) == 1 else _COMPARED
    for start in range(0, len(asked), size):
        places = asked[start : start + size]
        bound: dict[str, Any] = {}
        for position in range(size):
            suspect = group[places[min(position, len(places) - 1)]]
            bound[f"i{position}"] = suspect.id
            bound |= {f"v{position}_{n}": suspect.values[key] for n, key in enumerate(keys)}
        rows = yield Query(w.statements.same(entity, keys, size, among), bound)
        met |= {places[row[0]]: str(row[1]) for row in rows if row[0] < len(places)}
    told = yield from tell_of_hidden(w, entity, set(met.values()) - {suspect.id for suspect in group}, keys)
    beside = {suspect.id: suspect.pointer for suspect in group if suspect.is_new and suspect.pointer}
    return [_met(group[place], keys, other, told.get(other), among, beside.get(other)) for place, other in met.items()]


def _met(
    suspect: Suspect,
    keys: tuple[str, ...],
    other: str,
    told: Mapping[str, str] | None,
    among: ConditionalUnique | None,
    beside: str | None,
) -> Violation:
    """Say which record has the same values.

    Args:
        told: what may be told of one that the caller does not see.
        beside: where it stands in the same request: it is new too, and whatever id it had is gone with the attempt.
    """
    labels = [label_text(suspect.entity.fields[key].label) for key in keys]
    message = say(
        f"已有记录使用相同的{'、'.join(label.zh for label in labels)}",
        f"Another record has the same {', '.join(label.en for label in labels)}",
    )
    if among is not None and among.message is not None:
        message = among.message
    pointer = f"{suspect.pointer}/{keys[-1]}"
    if beside is not None:
        return Violation("unique", pointer, message, {"fields": list(keys), "same_as": beside})
    if told is None:
        return Violation("unique", pointer, message, {"fields": list(keys), "record_id": other})
    shown = [(label_text(suspect.entity.fields[key].label), value) for key, value in told.items()]
    if shown:
        message = say(
            f"{message.zh}({'、'.join(f'{label.zh}:{value}' for label, value in shown)})",
            f"{message.en} ({', '.join(f'{label.en}: {value}' for label, value in shown)})",
        )
    return Violation("unique", pointer, message, {"fields": list(keys), "told": dict(told)})


def joined(known: list[Violation], found: list[Violation]) -> list[Violation]:
    """Return violations with those found later, as far as nothing is known of their places yet."""
    wrong = {violation.pointer for violation in known}
    return known + [violation for violation in found if violation.pointer not in wrong]


def conflict(violations: list[Violation]) -> Problem:
    """Return the problem of a refused write; an id that exists is a conflict of its own."""
    if len(violations) == 1 and violations[0].code == "exists":
        return Problem("record.exists", violations[0].message, violations=violations)
    count = len(violations)
    return Problem("record.invalid", errors_found(count), violations=violations)


def met(refused: ConstraintRefused) -> Problem:
    """Return the problem of a write of several records of which one met a constraint, without saying which."""
    if refused.kind == "other":
        return unexplained()
    if refused.kind == "unique":
        message = say("值与其他记录重复", "A value that has to be unique is there already")
    else:
        message = say("引用的记录不存在或仍被引用", "A record that is pointed to is not there, or is still pointed to")
    return conflict([Violation(refused.kind, "", message)])


def unexplained() -> Problem:
    """Return the problem of a write that the database refused for a reason no rule of the app gives."""
    detail = say(
        "数据库不接受此值(可能是有唯一或索引要求的文本过长)",
        "The database does not take this value (a text with an index may be too long)",
    )
    return Problem("record.invalid", detail)
