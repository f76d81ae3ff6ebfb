"""Carrying orders out, as units: neighbours together, each wholly or not at all.

What is refused is found by trying: a run goes in as one part; if it is refused, those that are to blame are taken out and the rest
goes once more; where nobody can be blamed by name, it is halved. So a batch without faults costs what it would without this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.fields.base import Invalid
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Unit
from runtime.records.changes import Change, apply_change, plan_whole_change
from runtime.records.creating import new_record
from runtime.records.deleting import delete_held
from runtime.records.diagnosis import Suspect, conflict, diagnose, joined, suspects_of, suspects_of_change, unexplained
from runtime.records.holding import HeldRecord, expect_revision, hold_record, not_found
from runtime.records.lookups import look_ahead
from runtime.records.orders import Done, Order, Outcome, find_ref, is_ref, resolve, runs
from runtime.records.parts import try_part
from runtime.records.rights import acting_sight
from runtime.records.seams import finish
from runtime.records.seeing import showing
from runtime.records.values import NewRecord, refuse, required_message, with_aliases
from runtime.records.writer import Writing, insert_records, judge_new, record_json

JSON = Any
_COMPARED = 50
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass
class Batch:
    """Orders and what has become of them."""

    orders: Sequence[Order]
    partly: bool = False
    """Whether orders are carried out that can be, when others are refused."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    ids: dict[str, str | None] = field(default_factory=dict)
    """Named items and their records; None: refused."""

    def note(self, place: int, outcome: Outcome) -> None:
        """Note what became of an order."""
        self.outcomes[place] = outcome
        name = self.orders[place].name
        if name is not None:
            self.ids[name] = outcome.record_id if isinstance(outcome, Done) else None


@dataclass
class _Attempt:
    """What a part wanted to write, for finding out who is to blame."""

    refused: dict[int, Problem] = field(default_factory=dict)
    fresh: list[NewRecord] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)

    def suspects(self) -> list[Suspect]:
        """Return what is to be looked at closely."""
        return [*suspects_of(self.fresh), *(s for change in self.changed for s in suspects_of_change(change))]


def carry_out_whole(w: Writing, batch: Batch) -> Unit[None]:
    """Carry all orders out, or raise what the first that is refused raises.

    Raises:
        Problem, ConstraintRefused.
    """
    for run in runs(batch.orders):
        attempt = _Attempt()
        done = yield from _perform(w, batch, run, attempt)
        for problem in attempt.refused.values():
            raise problem
        for place, outcome in done.items():
            batch.note(place, outcome)


def carry_out_partly(w: Writing, batch: Batch) -> Unit[None]:
    """Carry out every order that can be; the others are refused, each with its problem."""
    batch.partly = True
    for run in runs(batch.orders):
        yield from _try_run(w, batch, run)


def _try_run(w: Writing, batch: Batch, run: list[int]) -> Unit[None]:
    pending = run
    while pending:
        attempt = _Attempt()

        def part(places: list[int] = pending, attempt: _Attempt = attempt) -> Unit[dict[int, Done]]:
            return (yield from _perform(w, batch, places, attempt))

        result = yield from try_part(w, part)
        if isinstance(result, dict):
            for place, outcome in result.items():
                batch.note(place, outcome)
            for place, problem in attempt.refused.items():
                batch.note(place, problem)
            return
        blamed = dict(attempt.refused)
        blamed |= yield from _blame(w, batch, [p for p in pending if p not in blamed], attempt, result)
        if not blamed and len(pending) == 1:
            blamed[pending[0]] = result if isinstance(result, Problem) else unexplained()
        if not blamed:
            middle = len(pending) // 2
            yield from _try_run(w, batch, pending[:middle])
            pending = pending[middle:]
            continue
        for place, problem in blamed.items():
            batch.note(place, problem)
        pending = [place for place in pending if place not in blamed]


def _blame(
    w: Writing, batch: Batch, places: list[int], attempt: _Attempt, refused: Problem | ConstraintRefused
) -> Unit[dict[int, Problem]]:
    """Return which orders broke a rule, as far as the rule says where."""
    if isinstance(refused, Problem):
        violations, code = list(refused.violations), refused.code
    else:
        violations = yield from diagnose(w, attempt.suspects())
        code = ""
    by_place: dict[int, list[Violation]] = {}
    pointers = {batch.orders[place].pointer: place for place in places}
    for violation in violations:
        owner = _owner(violation.pointer, pointers)
        if owner is None:
            return {}
        by_place.setdefault(owner, []).append(violation)
    if code and len(places) == 1 and by_place:
        assert isinstance(refused, Problem)
        return {places[0]: refused}
    return {place: conflict(found) for place, found in by_place.items()}


def _owner(pointer: str, places: dict[str, int]) -> int | None:
    while pointer not in places:
        if not pointer:
            return None
        pointer = pointer.rpartition("/")[0]
    return places[pointer]


# -- kinds of orders ------------------------------------------------------------------------------------------------------


def _perform(w: Writing, batch: Batch, places: list[int], attempt: _Attempt) -> Unit[dict[int, Done]]:
    """Carry out orders of one kind together, with what follows from them; those that cannot even be tried are noted as refused."""
    match batch.orders[places[0]].verb:
        case "create":
            done = yield from _create(w, batch, [(place, _body(w, batch, place, attempt)) for place in places], attempt)
        case "update":
            done = yield from _update(w, batch, places, attempt)
        case "upsert":
            done = yield from _upsert(w, batch, places, attempt)
        case _:
            done = yield from _delete(w, batch, places, attempt)
    yield from finish(w)
    return done


def _body(w: Writing, batch: Batch, place: int, attempt: _Attempt) -> JSON:
    order = batch.orders[place]
    violations: list[Violation] = []
    body = resolve(w.app, order.entity, order.body, batch.ids, order.pointer, violations)
    _refuse_one(attempt, place, violations)
    return body


def _refuse_one(attempt: _Attempt, place: int, violations: list[Violation]) -> None:
    if not violations:
        return
    try:
        refuse(violations)
    except Problem as problem:
        attempt.refused.setdefault(place, problem)


def _create(w: Writing, batch: Batch, bodies: list[tuple[int, JSON]], attempt: _Attempt) -> Unit[dict[int, Done]]:
    records: dict[int, NewRecord] = {}
    wrong: dict[int, tuple[NewRecord, list[Violation]]] = {}
    for entity in {batch.orders[place].entity.key: batch.orders[place].entity for place, _ in bodies}.values():
        yield from look_ahead(w, entity, [body for place, body in bodies if batch.orders[place].entity is entity])
    for place, body in bodies:
        order = batch.orders[place]
        violations: list[Violation] = []
        record = yield from new_record(w, order.entity, body, order.pointer, violations)
        if violations:
            wrong[place] = (record, violations)
        elif place not in attempt.refused:
            records[place] = record
    attempt.fresh += records.values()
    if wrong:
        yield from _refuse_wrong(w, batch, wrong, attempt)
    if records:
        yield from insert_records(w, list(records.values()))
    return {
        place: Done("created", record.entity, record.id, partial(record_json, w, record))
        for place, record in records.items()
    }


def _refuse_wrong(
    w: Writing, batch: Batch, wrong: dict[int, tuple[NewRecord, list[Violation]]], attempt: _Attempt
) -> Unit[None]:
    """Note bodies that are wrong as refused, together with what rules and the database would say against them."""
    if batch.partly:
        records = [record for record, _ in wrong.values()]
        found = yield from judge_new(w, records)
        found += yield from diagnose(w, [*attempt.suspects(), *suspects_of(records)])
        pointers = {batch.orders[place].pointer: place for place in wrong}
        for violation in found:
            place = _owner(violation.pointer, pointers)
            if place is not None:
                wrong[place][1][:] = joined(wrong[place][1], [violation])
    for place, (_, violations) in wrong.items():
        _refuse_one(attempt, place, violations)


def _update(w: Writing, batch: Batch, places: list[int], attempt: _Attempt) -> Unit[dict[int, Done]]:
    targets: list[tuple[int, str, JSON]] = []
    for place in places:
        body = _body(w, batch, place, attempt)
        try:
            targets.append((place, _target(batch, place), body))
        except Problem as problem:
            attempt.refused.setdefault(place, problem)
    return (yield from _change(w, batch, targets, attempt))


def _change(w: Writing, batch: Batch, targets: list[tuple[int, str, JSON]], attempt: _Attempt) -> Unit[dict[int, Done]]:
    changes: dict[int, Change] = {}
    # records are held in one order, so that two batches wait for each other only once
    for place, record_id, body in sorted(targets, key=lambda target: target[1]):
        order = batch.orders[place]
        violations: list[Violation] = []
        try:
            change = yield from plan_whole_change(
                w, order.entity, record_id, body, order.pointer, violations, if_match=order.if_match
            )
            refuse(violations)
        except Problem as problem:
            attempt.refused.setdefault(place, problem)
            continue
        if place not in attempt.refused:
            changes[place] = change
            attempt.changed.append(change)
    done: dict[int, Done] = {}
    for place, change in sorted(changes.items()):
        after = yield from apply_change(w, change)
        shown = partial(with_aliases, change.entity, after)
        done[place] = Done("updated" if change.writes else "unchanged", change.entity, change.id, shown)
    return done


def _target(batch: Batch, place: int) -> str:
    """Return the id of the record that an order is about.

    Raises:
        Problem: ``record.not_found``, ``record.invalid``.
    """
    order = batch.orders[place]
    given = order.id
    if is_ref(given):
        violations: list[Violation] = []
        given = find_ref(given, batch.ids, order.pointer, violations)
        refuse(violations)
    found = find_uuid(given) if isinstance(given, str) else None
    if found is None:
        raise not_found(order.entity, str(given)[:100])
    return found


def _delete(w: Writing, batch: Batch, places: list[int], attempt: _Attempt) -> Unit[dict[int, Done]]:
    held: dict[int, HeldRecord] = {}
    targets: list[tuple[str, int]] = []
    for place in places:
        try:
            targets.append((_target(batch, place), place))
        except Problem as problem:
            attempt.refused[place] = problem
    for record_id, place in sorted(targets):
        order = batch.orders[place]
        try:
            found = yield from hold_record(w, order.entity, record_id)
            expect_revision(found.revision, order.if_match)
        except Problem as problem:
            attempt.refused[place] = problem
            continue
        held[place] = HeldRecord(order.entity, record_id, found)
    if held:
        pointers = {(r.entity.key, r.id): batch.orders[place].pointer for place, r in held.items()}
        yield from delete_held(w, list(held.values()), pointers)
    return {place: Done("deleted", record.entity, record.id, None) for place, record in held.items()}


def _upsert(w: Writing, batch: Batch, places: list[int], attempt: _Attempt) -> Unit[dict[int, Done]]:
    order = batch.orders[places[0]]
    bodies = {place: _body(w, batch, place, attempt) for place in places}
    values: dict[int, tuple[Any, ...]] = {}
    for place, body in bodies.items():
        violations: list[Violation] = []
        key = _key_of(order.entity, order.by, body, batch.orders[place].pointer, violations)
        _refuse_one(attempt, place, violations)
        if place not in attempt.refused:
            values[place] = key
    there = yield from _find_same(w, order.entity, order.by, values)
    fresh = [(place, bodies[place]) for place in values if place not in there]
    known = [(place, record_id, _without_id(bodies[place], record_id)) for place, record_id in there.items()]
    done = yield from _create(w, batch, fresh, attempt)
    return done | (yield from _change(w, batch, known, attempt))


def _without_id(body: JSON, record_id: str) -> JSON:
    """An id that is given for a record to be made says nothing about one that is there already."""
    if isinstance(body, dict) and isinstance(body.get("id"), str) and find_uuid(body["id"]) != record_id:
        return {key: value for key, value in body.items() if key != "id"}
    return body


def _key_of(
    entity: CompiledEntity, by: tuple[str, ...], body: JSON, pointer: str, violations: list[Violation]
) -> tuple[Any, ...]:
    if not isinstance(body, dict):
        violations.append(Violation("type", pointer, say("记录应是 JSON 对象", "A record is a JSON object")))
        return ()
    values = []
    for key in by:
        definition = entity.fields[key]
        try:
            value = None if body.get(key) is None else definition.coerce(body[key])
        except Invalid as invalid:
            violations.append(invalid.violation(f"{pointer}/{key}"))
            continue
        if value is None:
            violations.append(Violation("required", f"{pointer}/{key}", required_message(definition)))
        values.append(value)
    return tuple(values)


def _find_same(
    w: Writing, entity: CompiledEntity, by: tuple[str, ...], values: dict[int, tuple[Any, ...]]
) -> Unit[dict[int, str]]:
    """Return the records that have these values of a unique set of fields, of those that the caller sees with these fields.

    Any other is there to be met: it is refused as it is to whoever makes a record with its values.
    """
    found: dict[int, str] = {}
    places = list(values)
    size = 1 if len(places) == 1 else _COMPARED
    for start in range(0, len(places), size):
        asked = places[start : start + size]
        bound: dict[str, Any] = {}
        for position in range(size):
            bound[f"i{position}"] = _NOBODY
            key = values[asked[min(position, len(asked) - 1)]]
            bound |= {f"v{position}_{n}": value for n, value in enumerate(key)}
        rows = yield Query(w.statements.same(entity, by, size), bound)
        found |= {asked[row[0]]: str(row[1]) for row in rows if row[0] < len(asked)}
    shown = (
        (yield from showing(w, entity, found.values(), by)) if found and acting_sight(w) is not None else found.values()
    )
    return {place: record_id for place, record_id in found.items() if record_id in shown}
