"""Values of formulas, and texts with formulas in them, of a record inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import VIEWER_NAMES, viewer_values
from builder.definition.templating import fill, pieces
from builder.fields.parts.choices import ChoiceField
from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Statement, Unit
from formulas.checker import check
from formulas.errors import CellError
from formulas.evaluate import exact_numbers
from formulas.schema import Context
from formulas.tree import Path, Tree
from formulas.values import display
from runtime.expressions.prepared import (
    NOWHERE,
    Prepared,
    RecordRow,
    Subject,
    end_of,
    prepare,
    prepare_tree,
    statement,
)
from runtime.identity.actors import SYSTEM
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
        wanted = list(dict.fromkeys(piece.formula for side in text for piece in pieces(side)))
        if not wanted:
            return text
        shown = dict(zip(wanted, (yield from self.show(w, subject, wanted)), strict=True))
        return say(fill(text.zh, lambda formula: shown[formula].zh), fill(text.en, lambda formula: shown[formula].en))

    def show(self, w: Writing, subject: Subject, formulas: Sequence[str]) -> Unit[list[Text]]:
        """Return what people read in place of the values of formulas: labels of options, titles of records, names, local times."""
        ready = [self._shown(w, subject.entity, formula) for formula in formulas]
        values = yield from _run(w, subject, ready)
        names = yield from _names(w, ready, values)
        return [_display(w.app, made, value, names) for made, value in zip(ready, values, strict=True)]

    def _of(self, w: Writing, entity: CompiledEntity, text: str | Mapping[str, JSON]) -> Prepared:
        name = text if isinstance(text, str) else dump_json(text)
        key = (w.published.pin, entity.key, name)
        found = self._prepared.find(key)
        return found or self._prepared.keep(key, prepare(w.app, entity, text))

    def _shown(self, w: Writing, entity: CompiledEntity, formula: str) -> Prepared:
        """As ``_of``, but a reference is read as the title of the record it points to."""
        key = (w.published.pin, entity.key, formula, "shown")
        found = self._prepared.find(key)
        return found or self._prepared.keep(key, _prepare_shown(w.app, entity, formula))


def _prepare_shown(app: CompiledApp, entity: CompiledEntity, formula: str) -> Prepared:
    tree: Tree = check(formula, app, entity.key).tree
    target = app.entities.get(tree.type.entity or "") if isinstance(tree, Path) else None
    if target is not None and isinstance(tree, Path):
        title = target.title_key
        info = app.find_field(target.key, title) if title is not None else None
        if title is not None and info is not None and tree.steps[-1] != "id":
            tree = Path((*tree.steps, title), info.type)
    return prepare_tree(app, entity, tree)


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


def _names(w: Writing, ready: Sequence[Prepared], values: Sequence[Any]) -> Unit[Mapping[str, str]]:
    """Return the names of the people and departments among values."""
    found: dict[str, str] = {}
    for kind, table in (("person", tables.user), ("department", tables.department)):
        ids = [
            item
            for made, value in zip(ready, values, strict=True)
            if made.type.kind == kind or (made.type.element is not None and made.type.element.kind == kind)
            for item in (value if isinstance(value, tuple) else (value,))
            if isinstance(item, str) and find_uuid(item) is not None  # what the installation did by itself is nobody's
        ]
        if not ids:
            continue
        statement = w.statements.kept(("names", kind), partial(_select_names, w, table))
        rows = yield Query(statement, {"ids": dump_json(sorted(set(ids))).decode()})
        found |= {str(row[0]): row[1] for row in rows}
    return found


def _select_names(w: Writing, table: sa.Table, _: str) -> sa.Select[Any]:
    return sa.select(table.c.id, table.c.name).where(table.c.id.in_(w.statements.listed()))


def _display(app: CompiledApp, made: Prepared, value: Any, names: Mapping[str, str]) -> Text:
    """Write a value for people."""
    if value is None or isinstance(value, CellError):
        return say("", "")
    field = end_of(app, app.entities[made.entity], made.source.steps) if isinstance(made.source, Path) else None
    if isinstance(field, ChoiceField):
        listed = value if isinstance(value, tuple) else (value,)
        labels = [field.option_label(key) for key in listed]
        return say("、".join(label.zh for label in labels), ", ".join(label.en for label in labels))
    if isinstance(value, bool):
        return say("是", "yes") if value else say("否", "no")
    if made.type.kind == "datetime":
        local = value.astimezone(app.zone).strftime("%Y-%m-%d %H:%M")
        return say(local, local)
    if isinstance(value, tuple):
        parts = [names.get(item, item) if isinstance(item, str) else display(item) for item in value]
        return say("、".join(parts), ", ".join(parts))
    if made.type.kind == "person" and value == SYSTEM.username:
        return say("系统", "the system")
    text = names.get(value, value) if isinstance(value, str) else display(value)
    return say(text, text)
