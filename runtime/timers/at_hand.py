"""What reminders see of records that a write has at hand: Python judges, nothing is asked of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.reminders import CompiledReminder
from formulas.errors import CellError
from formulas.nodes import asks_directory
from formulas.schema import Context
from formulas.tree import Path, Tree, walk
from runtime.expressions.expressions import context_of
from runtime.expressions.prepared import NOWHERE, Prepared, RecordRow, Subject, prepare_tree
from runtime.query.kept import Kept
from runtime.records.writer import Writing
from runtime.timers.counting import anchor_instant
from runtime.timers.looking import Sight, record_rules

JSON = Any


class _Ready(NamedTuple):
    """A reminder whose record tells everything that it looks at."""

    rule: CompiledReminder
    anchors: tuple[Prepared, ...]
    condition: Prepared | None
    pause: Prepared | None
    needs_context: bool


class AtHand:
    """The reminders of published apps, each made ready once. Any thread may ask: two may make the same, which does no harm."""

    def __init__(self) -> None:
        self._ready: Kept[tuple[_Ready, ...]] = Kept()

    def look(
        self, w: Writing, entity: CompiledEntity, shown: Mapping[str, Mapping[str, JSON]]
    ) -> dict[str, dict[str, Sight]]:
        """Return what ``looking.look`` would return for records as they are now; empty if some reminder looks further than at its record."""
        key = (w.published.pin, entity.key)
        ready = self._ready.find(key)
        if ready is None:
            ready = self._ready.keep(key, _make_ready(w.app, entity))
        if not ready:
            return {}
        context = context_of(w) if any(one.needs_context for one in ready) else NOWHERE
        found: dict[str, dict[str, Sight]] = {}
        for record_id, values in shown.items():
            row = RecordRow(Subject(entity, record_id, values), ())
            found[record_id] = {one.rule.key: _see(w, one, record_id, row, context) for one in ready}
        return found


def _make_ready(app: CompiledApp, entity: CompiledEntity) -> tuple[_Ready, ...]:
    """Make all of them ready, or none: whoever has to ask for one asks for all."""
    rules = record_rules(app, entity.key)
    trees = [tree for rule in rules for tree in (*rule.anchors, rule.condition, rule.pause) if tree is not None]
    if not all(_is_at_hand(entity, tree) for tree in trees):
        return ()

    def prepared(tree: Tree | None) -> Prepared | None:
        return None if tree is None else prepare_tree(app, entity, tree)

    made: list[_Ready] = []
    for rule in rules:
        anchors = tuple(prepare_tree(app, entity, tree) for tree in rule.anchors)
        condition, pause = prepared(rule.condition), prepared(rule.pause)
        parts = [part for part in (*anchors, condition, pause) if part is not None]
        if any(part.brought for part in parts):
            return ()
        made.append(_Ready(rule, anchors, condition, pause, any(part.needs_context for part in parts)))
    return tuple(made)


def _is_at_hand(entity: CompiledEntity, tree: Tree) -> bool:
    """Whether every field that a formula reads stands in the record's own row. Where people stand does not."""
    if asks_directory(tree):
        return False
    for node in walk(tree):
        if isinstance(node, Path):
            field = entity.find_field(node.steps[0])
            if len(node.steps) > 1 or field is None or (field.shows is None and field.column_type() is None):
                return False
    return True


def _see(w: Writing, one: _Ready, record_id: str, row: RecordRow, context: Context) -> Sight:
    zone, document = w.app.zone, one.rule.document
    moments: Sequence[Any] = [part.program.run(row, context) for part in one.anchors]
    anchors = [anchor_instant(document, at, zone) for at in moments if isinstance(at, date)]
    holds = one.condition is None or _is_true(one.condition, row, context)
    paused = one.pause is not None and _is_true(one.pause, row, context)
    return Sight(record_id, max(anchors, default=None), holds, paused)


def _is_true(part: Prepared, row: RecordRow, context: Context) -> bool:
    value = part.program.run(row, context)
    return not isinstance(value, CellError) and value is True
