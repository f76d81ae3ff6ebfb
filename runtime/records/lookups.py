"""What formulas that Python evaluates have to ask of the database: where people stand, and what the records say that a new one points to.

A formula is run with what is known; what it asked for in vain is read, many answers by one statement, and it is run again. So only
what counts is read, and only for formulas that ask. Answers are kept for the write. Reads: dougong_user, dougong_department, records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.asking import directory_of
from builder.compiled.resolver import Joins
from builder.compiled.rules import NONE
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.store.statement import Query, Unit
from formulas.schema import Directory
from formulas.tree import Path
from formulas.types import BLANK
from runtime.query.fetched import reader_of
from runtime.query.statements import sql_dialect
from runtime.query.variables import variables
from runtime.records.computing import compute_local

if TYPE_CHECKING:
    from runtime.records.writer import Writing

T = TypeVar("T")
Question = tuple[str, tuple[str, ...]]
"""A function of the directory and no steps; or an entity and a path from its records."""
_KNOWN, _FRESH = "lookups", "fresh"
_CHUNK = 5_000


class Lookups(Directory):
    """The answers that are known; what is asked besides is noted, and blank for now."""

    def __init__(self, w: Writing, known: Mapping[tuple[Question, str], Any]) -> None:
        self.missing: dict[Question, set[str]] = {}
        self._w = w
        self._known = known

    def answer(self, function: str, subject: str) -> str | None:
        """Return what the directory says."""
        found: str | None = self._find((function, ()), subject)
        return found

    def reach(self, entity: str, record_id: str | None, steps: tuple[str, ...]) -> Any:
        """Return the value at the end of a path from a record; of one that is new in this write, what it will be."""
        fresh: Mapping[str, Mapping[str, Any]] = self._w.course.remembered.get(_FRESH, {})
        while record_id is not None and record_id in fresh:
            value = self._of_new(entity, fresh[record_id], steps[0])
            field = self._w.app.entities[entity].fields.get(steps[0])
            if len(steps) == 1 or not isinstance(field, ReferenceField):
                return value
            entity, record_id, steps = field.entity, value, steps[1:]
        return self.stored(entity, record_id, steps)

    def stored(self, entity: str, record_id: str | None, steps: tuple[str, ...]) -> Any:
        """Return the value at the end of a path as the database has it, whatever this write is about to make of it."""
        return None if record_id is None else self._find((entity, steps), record_id)

    def _of_new(self, entity: str, values: Mapping[str, Any], key: str) -> Any:
        computed = self._w.app.computed.get((entity, key))
        if computed is None or computed.place != "local":
            return values.get(key)
        whole = dict(values)
        compute_local(self._w, self._w.app.entities[entity], whole)
        return whole.get(key)

    def _find(self, question: Question, subject: str) -> Any:
        if find_uuid(subject) is None:
            return None  # the installation itself, which is nobody
        if (question, subject) not in self._known:
            self.missing.setdefault(question, set()).add(subject)
            return None
        return self._known[question, subject]


def looked_up(w: Writing, run: Callable[[Lookups], T]) -> Unit[T]:
    """Run something that asks until everything it asked is known; each round goes one question deeper."""
    known = w.course.remembered.setdefault(_KNOWN, {})
    while True:
        lookups = Lookups(w, known)
        result = run(lookups)
        if not lookups.missing:
            return result
        for question, subjects in lookups.missing.items():
            yield from _ask(w, known, question, sorted(subjects))


def note_fresh(w: Writing, record_id: str, values: Mapping[str, Any]) -> None:
    """Note what a record will be, so that defaults of those that point to it see that and not what is stored."""
    if w.app.looks_up:
        w.course.remembered.setdefault(_FRESH, {})[record_id] = values


def look_ahead(w: Writing, entity: CompiledEntity, bodies: Iterable[Any]) -> Unit[None]:
    """Read by one statement a path what the defaults of many new records will ask, as far as their bodies tell."""
    wanted: dict[Question, set[str]] = {}
    listed = [body for body in bodies if isinstance(body, dict)]
    for default in w.app.rules.get(entity.key, NONE).defaults if len(listed) > 1 else ():
        for first, *rest in default.reads:
            field = entity.fields[first]
            if isinstance(field, ReferenceField):
                asking = (body.get(first) for body in listed if body.get(default.field.key) is None)
                ids = {known for given in asking if (known := _id_in(given)) is not None}
                wanted.setdefault((field.entity, tuple(rest)), set()).update(ids)
    known = w.course.remembered.setdefault(_KNOWN, {})
    for question, ids in wanted.items():
        yield from _ask(w, known, question, sorted(ids))


def _id_in(given: Any) -> str | None:
    if isinstance(given, dict):
        given = given.get("id")
    return find_uuid(given) if isinstance(given, str) else None


def _ask(w: Writing, known: dict[tuple[Question, str], Any], question: Question, ids: list[str]) -> Unit[None]:
    statement = w.statements.kept(("lookup", question), lambda dialect: _select(w, question, dialect))
    read = _reader(w, question)
    moment = variables(w.app, w.caller.actor, w.now, always=True) if question[1] else {}
    found = dict.fromkeys(((question, each) for each in ids), None)
    for start in range(0, len(ids), _CHUNK):
        rows = yield Query(statement, {"ids": dump_json(ids[start : start + _CHUNK]).decode(), **moment})
        found.update({(question, str(row[0])): None if row[1] is None else read(row[1]) for row in rows})
    known.update(found)  # only now: a unit that is given up in the middle has learnt nothing


def _select(w: Writing, question: Question, dialect: str) -> sa.Select[Any]:
    name, steps = question
    if not steps:
        asked = directory_of(name)
        return sa.select(asked.subject, asked.answer(asked.subject)).where(asked.subject.in_(w.statements.listed()))
    app = w.app.whole
    entity = app.entities[name]
    joins = Joins(app, entity, entity.table, sql_dialect(dialect))
    value = joins.at(steps)
    chosen = sa.select(entity.table.c.id, value).select_from(joins.from_clause())
    return chosen.where(entity.table.c.id.in_(w.statements.listed()))


def _reader(w: Writing, question: Question) -> Callable[[Any], Any]:
    name, steps = question
    if not steps:
        return str
    return reader_of(w.app, w.app.entities[name], Path(steps, BLANK), sql_dialect(w.statements.dialect))
