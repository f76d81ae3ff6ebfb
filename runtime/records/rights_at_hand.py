"""Rows of roles, judged by Python of a record that a write which is run ahead has at hand: the database does not have it as it will be.

The conditions are those that statements ask (``runtime/access/sight.py``); both back ends of the language mean the same. A condition that
reads what only the database knows (rollups, values that change by themselves) is not judged here, and neither is what ends in an error:
where the clock of a zone is beyond the years 1 to 9999, Python has no value and the database goes on counting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import without_variables
from builder.fields.reference import ReferenceField
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.evaluate import Program, program
from formulas.functions import CATCHERS, find_function
from formulas.moments import CONTEXTUAL, context_value
from formulas.tree import Call, Path, Rollup, Tree, join, walk
from runtime.access.sight import FieldSight, mask_text
from runtime.query.variables import viewer
from runtime.records.ahead import CannotAhead
from runtime.records.lookups import Lookups, looked_up
from runtime.records.own_values import shown_value
from runtime.records.per_app import PerApp
from runtime.records.values import field_json, same_json

if TYPE_CHECKING:
    from runtime.records.writer import Writing

JSON = Any
Rows = Sequence[Tree | None]
"""Any of these; None: every record."""
_TAKE_ERRORS = CATCHERS - {"and", "or", "IF", "COALESCE"}  # these give it on, or do without whatever it is


class _Ready(NamedTuple):
    """Some rows, ready to be judged."""

    always: bool
    program: Program | None
    """None: there is nothing to compute."""
    tables: frozenset[str]
    """What it reads besides the record."""
    viewer: frozenset[str]
    """What it asks of the viewer: ``CURRENTDEPARTMENT`` and its like."""


def is_at_hand(w: Writing, entity: CompiledEntity, rows: Rows) -> bool:
    """Whether rows can be judged of records that the write knows: nothing that they read besides is to be written.

    A viewer without a department is left to the database: a blank parameter equals nothing there, not even a blank.
    """
    ready, ahead = _ready(w.app, entity, rows), w.course.ahead
    if ready is None or ahead is None or not ready.tables.isdisjoint(ahead.written()):
        return False
    context = viewer(w.app, w.caller.actor, w.now)
    return all(context_value(name, context) is not None for name in ready.viewer)


def holds_at_hand(w: Writing, entity: CompiledEntity, rows: Rows, shown: Mapping[str, JSON]) -> Unit[bool]:
    """Whether any of some rows holds of a record, as it is shown; statements only for what it points to and where people stand.

    Raises:
        CannotAhead: they cannot be judged here.
    """
    ready = _ready(w.app, entity, rows)
    if ready is None or not is_at_hand(w, entity, rows):
        raise CannotAhead
    return (yield from _holds(w, entity, ready, shown))


def would_hold(w: Writing, entity: CompiledEntity, rows: Rows, shown: Mapping[str, JSON]) -> Unit[bool]:
    """Whether any of some rows would hold of a record if it was like this; False, too, where only the database could tell."""
    ready, context = _ready(w.app, entity, rows), viewer(w.app, w.caller.actor, w.now)
    if ready is None or any(context_value(name, context) is None for name in ready.viewer):
        return False
    try:
        return (yield from _holds(w, entity, ready, shown))
    except CannotAhead:
        return False


def _holds(w: Writing, entity: CompiledEntity, ready: _Ready, shown: Mapping[str, JSON]) -> Unit[bool]:
    if ready.program is None:
        return ready.always
    made, context = ready.program, viewer(w.app, w.caller.actor, w.now)

    def run(lookups: Lookups) -> Any:
        return made.run(_Row(entity, shown, lookups), replace(context, directory=lookups))

    found = yield from looked_up(w, run)
    if isinstance(found, CellError):
        raise CannotAhead
    return found is True


def seen_at_hand(
    w: Writing, entity: CompiledEntity, field: str, sight: FieldSight, shown: Mapping[str, JSON]
) -> Unit[JSON]:
    """Return what is seen of a field that is not plain: itself, its mask, or nothing.

    Raises:
        CannotAhead: as ``holds_at_hand``.
    """
    value = shown[field]
    if (yield from holds_at_hand(w, entity, sight.whole, shown)):
        return value
    if sight.mask is None or not (yield from holds_at_hand(w, entity, sight.masked, shown)):
        return entity.fields[field].blank_json()
    if value is not None and not isinstance(value, str):
        raise CannotAhead
    return None if value is None else mask_text(value, sight.mask)


class _Row:
    """A record as it will be, and what it points to, as the evaluator reads them."""

    __slots__ = ("_entity", "_lookups", "_shown")

    def __init__(self, entity: CompiledEntity, shown: Mapping[str, JSON], lookups: Lookups) -> None:
        self._entity, self._shown, self._lookups = entity, shown, lookups

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value of a field, or at the end of a path.

        Raises:
            CannotAhead: no rule would take the value any more, so it reads otherwise than it is kept.
        """
        first, *rest = steps
        own = shown_value(self._entity, first, self._shown)
        field = self._entity.find_field(first)
        assert field is not None
        if not same_json(field_json(field, own), self._shown[field.shows or first]):
            raise CannotAhead
        if not rest or not isinstance(field, ReferenceField):
            return own
        return self._lookups.stored(field.entity, own, tuple(rest))

    def rows(self, relation: tuple[str, ...]) -> Sequence[_Row]:
        """Rollups are asked of the database."""
        raise AssertionError(relation)


_made: PerApp[dict[tuple[str, tuple[Tree | None, ...]], _Ready | None]] = PerApp(lambda _: {})


def _ready(app: CompiledApp, entity: CompiledEntity, rows: Rows) -> _Ready | None:
    """Return rows ready to be judged, None if Python cannot; each is looked at once per version."""
    kept, key = _made.of(app), (entity.key, tuple(rows))
    if key not in kept:
        kept[key] = _make(app, app.entities[entity.key], rows)
    return kept[key]


def _make(app: CompiledApp, entity: CompiledEntity, rows: Rows) -> _Ready | None:
    trees = [tree for tree in rows if tree is not None]
    if len(trees) < len(rows) or not trees:
        return _Ready(bool(rows), None, frozenset(), frozenset())
    tree = without_variables(trees[0] if len(trees) == 1 else join("or", trees))
    tables: set[str] = set()
    for node in walk(tree):
        if isinstance(node, Rollup) or _takes_errors_of_clocks(node):
            return None
        if isinstance(node, Path):
            read = _read_by(app, entity, node.steps)
            if read is None:
                return None
            tables |= read
    asked = frozenset(node.function for node in walk(tree) if isinstance(node, Call) and node.function in CONTEXTUAL)
    return _Ready(False, program(tree), frozenset(tables), asked)


def _takes_errors_of_clocks(node: Tree) -> bool:
    """Whether a node makes something else of an error that is none to the database: ``IFERROR(YEAR(at) < 2027, TRUE)``."""
    return isinstance(node, Call) and node.function in _TAKE_ERRORS and any(map(_asks_clock, walk(node)))


def _asks_clock(node: Tree) -> bool:
    function = find_function(node.function) if isinstance(node, Call) else None
    return function is not None and function.needs_context and function.portable


def _read_by(app: CompiledApp, entity: CompiledEntity, steps: tuple[str, ...]) -> set[str] | None:
    """Return the tables that a path reads besides its record's own; None if its end is not simply stored."""
    tables: set[str] = set()
    for place, step in enumerate(steps):
        computed = app.computed.get((entity.key, step))
        if computed is not None and (computed.place == "volatile" or (place == 0 and computed.place == "related")):
            return None  # of the record itself only what Python computes is known by now
        if place == len(steps) - 1:
            return tables if entity.find_field(step) is not None else None
        field = entity.fields.get(step)
        if not isinstance(field, ReferenceField):
            return None
        entity = app.entities[field.entity]
        tables.add(entity.table.name)
    return tables
