"""Values of formulas, and texts with formulas in them, of a record inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import VIEWER_NAMES, viewer_values
from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.text import Text
from builder.store.statement import Query, Statement, Unit
from formulas.evaluate import exact_numbers
from formulas.schema import Context
from formulas.tree import Tree
from runtime.expressions.prepared import (
    NOWHERE,
    Prepared,
    RecordRow,
    Subject,
    prepare,
    statement,
)
from runtime.expressions.wording import Shown, Wording, find_names, prepare_shown, prepare_wording, write_shown
from runtime.query.fetched import reader_of
from runtime.query.kept import Kept
from runtime.query.statements import sql_dialect
from runtime.query.variables import viewer
from runtime.records.lookups import looked_up
from runtime.records.writer import Writing

JSON = Any


class Expressions:
    """Formulas of published apps, each made ready once. Any thread may ask: two may make the same, which does no harm."""

    def __init__(self) -> None:
        self._prepared: Kept[Prepared] = Kept()
        self._shown_ones: Kept[Shown] = Kept()
        self._wordings: Kept[Wording] = Kept()

    def evaluate(self, w: Writing, subject: Subject, texts: Sequence[str | Mapping[str, JSON]]) -> Unit[list[Any]]:
        """Return the canonical values of formulas (or JSON filters) of a record, errors as ``CellError``; at most one statement."""
        if not texts:
            return []
        ready = [self._of(w, subject.entity, text) for text in texts]
        if all(made.at_hand for made in ready):
            return _values(subject, ready)
        return (yield from _run(w, subject, ready))

    def holds(self, w: Writing, subject: Subject, condition: str | Mapping[str, JSON] | None) -> Unit[bool]:
        """Whether a condition is met; none is always met, an error never."""
        if condition is None or condition == {}:
            return True
        made = self._of(w, subject.entity, condition)
        values = _values(subject, (made,)) if made.at_hand else (yield from _run(w, subject, (made,)))
        return values[0] is True

    def render(self, w: Writing, subject: Subject, text: Text) -> Unit[Text]:
        """Fill the formulas of a text for people: labels of options, titles of records, names of people, local times."""
        key = (w.published.pin, subject.entity.key, text)
        wording = self._wordings.find(key)
        if wording is None:
            wording = self._wordings.keep(key, prepare_wording(w.app, subject.entity, text))
        if not wording.formulas:
            return text
        return wording.fill((yield from _show(w, subject, wording.formulas)))

    def show(self, w: Writing, subject: Subject, formulas: Sequence[str]) -> Unit[list[Text]]:
        """Return what people read in place of the values of formulas: labels of options, titles of records, names, local times."""
        return (yield from _show(w, subject, [self._shown(w, subject.entity, formula) for formula in formulas]))

    def _of(self, w: Writing, entity: CompiledEntity, text: str | Mapping[str, JSON]) -> Prepared:
        name = text if isinstance(text, str) else dump_json(text)
        key = (w.published.pin, entity.key, name)
        found = self._prepared.find(key)
        return found or self._prepared.keep(key, prepare(w.app, entity, text))

    def _shown(self, w: Writing, entity: CompiledEntity, formula: str) -> Shown:
        key = (w.published.pin, entity.key, formula)
        found = self._shown_ones.find(key)
        return found or self._shown_ones.keep(key, prepare_shown(w.app, entity, formula))


def _show(w: Writing, subject: Subject, formulas: Sequence[Shown]) -> Unit[list[Text]]:
    ready = [shown.made for shown in formulas]
    at_hand = all(made.at_hand for made in ready)
    values = _values(subject, ready) if at_hand else (yield from _run(w, subject, ready))
    names = yield from find_names(w, formulas, values)
    return [write_shown(w.app, shown, value, names) for shown, value in zip(formulas, values, strict=True)]


def moment(context: Context) -> dict[str, Any]:
    """Return the parameters of ``NOW``, ``TODAY`` and the person for a statement made ``with_variables``."""
    somebody = context.user is None or find_uuid(context.user) is not None
    return viewer_values(context if somebody else replace(context, user=None))  # the installation itself is nobody


def moment_for(w: Writing, statement: Statement) -> dict[str, Any]:
    """Return what a statement that was made ``with_variables`` asks for of them."""
    if VIEWER_NAMES.isdisjoint(slot[0] for slot in statement.slots):
        return {}
    return moment(context_of(w))


def context_of(w: Writing) -> Context:
    """Return the moment and the person of a write; worked out once for each of them."""
    actor = w.caller.actor
    known = w.course.contexts.get(id(actor))
    if known is not None and known[0] is actor:
        return known[1]
    context = viewer(w.app, actor, w.now)
    made = replace(context, user=w.caller.actor_id, roles=(*context.roles, *((actor.role,) if actor else ())))
    w.course.contexts[id(actor)] = (actor, made)
    return made


def _values(subject: Subject, ready: Sequence[Prepared]) -> list[Any]:
    """Return the values of formulas that ask nothing but the record."""
    row = RecordRow(subject, ())
    with exact_numbers():
        return [made.program.run_within(row, NOWHERE) for made in ready]


def _run(w: Writing, subject: Subject, ready: Sequence[Prepared]) -> Unit[list[Any]]:
    wanted = tuple(dict.fromkeys(tree for made in ready for tree in made.brought))
    brought: dict[Tree, Any] = {}
    if wanted and not subject.gone:
        brought = yield from _bring(w, subject, wanted)
    known = context_of(w) if any(made.needs_context for made in ready) else NOWHERE

    def run(context: Context) -> list[Any]:
        with exact_numbers():
            return [
                made.program.run_within(RecordRow(subject, tuple(map(brought.get, made.brought))), context)
                for made in ready
            ]

    if not any(made.asks for made in ready):
        return run(known)
    return (yield from looked_up(w, lambda lookups: run(replace(known, directory=lookups))))


def _bring(w: Writing, subject: Subject, wanted: tuple[Tree, ...]) -> Unit[dict[Tree, Any]]:
    entity = subject.entity
    kept = w.statements.kept(
        ("bring", entity.key, wanted), lambda dialect: statement(w.app, entity, wanted, sql_dialect(dialect))
    )
    rows = yield Query(kept, {**moment_for(w, kept), "id": subject.record_id})
    if not rows:
        return {}
    readers = [reader_of(w.app, entity, tree, w.statements.dialect) for tree in wanted]
    values = (None if v is None else read(v) for read, v in zip(readers, rows[0], strict=True))
    return dict(zip(wanted, values, strict=True))
