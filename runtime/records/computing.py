"""Keeping computed fields right inside a write. See docs/decisions/0003: local ones in Python before the row is written, related ones by SQL after it.

What a write would spread to more records than a bound is left to a job (``postponing``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import Computed, FieldId
from builder.compiled.differences import Differences
from builder.compiled.recompute import listed_ids, recompute
from builder.fields.parts.many import ManyField
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.kernel.limits import RECOMPUTED_IN_WRITE
from builder.store.statement import POSTGRESQL, Query, Statement, Unit
from formulas.dependencies import Dependency
from formulas.evaluate import exact_numbers
from formulas.schema import Context
from runtime.query.statements import sql_dialect
from runtime.records.differing import Sole, Values, child_values, set_values, turned
from runtime.records.new_links import hold_new_targets
from runtime.records.own_values import OwnValues
from runtime.records.postponing import Later

if TYPE_CHECKING:
    from runtime.records.writer import Writing

_CHUNK = 5_000
_NOTHING: Mapping[FieldId, Collection[str]] = {}
_NO_KEYS: frozenset[str] = frozenset()


class Changes:
    """Which fields of which records a write has changed, as far as computed fields care."""

    def __init__(self, app: CompiledApp) -> None:
        self._app = app
        self._read = app.noted
        #: Where in the request a record stands.
        self.pointers: dict[str, str] = {}
        self._ids: dict[tuple[str, str], set[str]] = {}
        self._before: dict[tuple[str, str], set[str]] = {}
        #: To which records the references of written records lead: entity and reference, then by record.
        self._leads: dict[tuple[str, str], dict[str, set[str]]] = {}
        #: The one record that was written, as long as it is the only one and nobody has counted it yet.
        self.sole: Sole | None = None
        self._notes = 0
        #: What jobs will compute that this write has put down.
        self.later = Later()

    @property
    def are_read(self) -> bool:
        """Whether anybody wants to know of changes."""
        return bool(self._read)

    def clear(self) -> None:
        """Forget everything: a unit begins (again)."""
        self._ids.clear()
        self._before.clear()
        self._leads.clear()
        self.sole, self._notes = None, 0
        self.later = Later()

    def turn(self) -> None:
        """A round is done: its changes are what the reactions look at, theirs are noted from here on."""
        self._before, self._ids = self._ids, {}
        self.sole = None

    @property
    def were_any(self) -> bool:
        """Whether anything was noted in the round that the reactions follow."""
        return bool(self._before)

    def before(self, entity: str, key: str) -> set[str]:
        """Return the records of which a field changed in the round that the reactions follow."""
        return self._before.get((entity, key), set())

    def mark(self) -> tuple[dict[tuple[str, str], set[str]], Later]:
        """Return what has been noted so far, for ``go_back``."""
        return {key: set(ids) for key, ids in self._ids.items()}, self.later.copy()

    def go_back(self, mark: tuple[dict[tuple[str, str], set[str]], Later]) -> None:
        """Forget what was noted since; a part of the write was undone."""
        self._ids, self.later = mark
        self.sole = None

    def note(
        self,
        entity: CompiledEntity,
        record_id: str,
        keys: Iterable[str],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> None:
        """Note a change of fields; of a reference also for the records it pointed to and points to now."""
        if not self._read:
            return
        self._notes += 1
        self.sole = Sole(entity, record_id, before, after) if self._notes == 1 and after else None
        for by in self._app.counted_by.get(entity.key, ()):
            parent = after[by] if by in after else before.get(by)
            leads = self._leads.setdefault((entity.key, by), {}).setdefault(record_id, set())
            leads |= set() if parent is None else {parent}
        wanted = self._app.noted_of.get(entity.key, _NO_KEYS)
        for key in keys:
            if key not in wanted:
                continue
            self.add(entity.key, key, (record_id,))
            field = entity.fields.get(key)
            if isinstance(field, ReferenceField):
                parents = {value for value in (before.get(key), after.get(key)) if value is not None}
                self._note_membership(entity.key, field, parents)

    def _note_membership(self, entity: str, field: ReferenceField, parents: set[str]) -> None:
        for many in self._app.entities[field.entity].many:
            if many.rows == entity and many.by == field.key:
                self.add(field.entity, many.key, parents)

    def add(self, entity: str, key: str, ids: Iterable[str]) -> None:
        """Note that a field of some records changed."""
        if (entity, key) in self._read:
            self._ids.setdefault((entity, key), set()).update(ids)

    def leads(self, entity: str, by: str, ids: Collection[str]) -> set[str] | None:
        """Return to which records a reference of some records leads (or led at some point of this write), None if that is not known of all."""
        known = self._leads.get((entity, by), {})
        if any(record_id not in known for record_id in ids):
            return None
        return {parent for record_id in ids for parent in known[record_id]}

    def of(self, entity: str, key: str) -> set[str]:
        """Return the records of which a field changed."""
        return self._ids.get((entity, key), set())


def compute_local(w: Writing, entity: CompiledEntity, values: dict[str, Any]) -> None:
    """Set the local computed fields of a record whose other values are known."""
    own = OwnValues(values)
    context: Context | None = None
    with exact_numbers():
        for computed in entity.local:
            program = computed.program
            assert program is not None, "of a local field"
            if program.keys is not None:
                values[computed.key] = computed.keep(program.run_on(values))
                continue
            context = context or own_context(w)
            values[computed.key] = computed.keep(program.run_within(own, context))


def own_context(w: Writing, before: Mapping[str, Any] | None = None) -> Context:
    """The moment, the person and the calendar of a write; ``before`` are the record's canonical values as they were."""
    calendar = w.published.calendar
    user = w.caller.actor_id
    days, weekend = calendar.days, calendar.weekend
    return Context(now=w.now, user=user, zone=w.app.zone, calendar=days, weekend=weekend, before=before)


def recompute_related(w: Writing, besides: Mapping[FieldId, Collection[str]] = _NOTHING) -> Unit[None]:
    """Recompute the related fields that read what this write changed, in order; what changes by that goes on to its own readers.

    Args:
        besides: fields that are recomputed anyway, with the records in which they are.
    """
    yield from hold_new_targets(w)
    seen = _Seen()
    for each, differences in zip(w.app.rounds, w.app.differences, strict=True):
        ids: set[str] = set()
        for computed in each.fields:
            ids |= set(besides.get(computed.id, ()))
            ids |= yield from _readers(w, computed, seen)
        if ids:
            yield from recompute_listed(w, each.fields, sorted(ids), seen, differences)
    yield from w.changes.later.put_down(w)


class _Seen:
    """What one pass over the computed fields has asked already: several fields of one parent ask the same."""

    def __init__(self) -> None:
        self.reached: dict[tuple[str, tuple[str, ...], frozenset[str]], set[str]] = {}
        self.held: set[tuple[str, str]] = set()


def _readers(w: Writing, computed: Computed, seen: _Seen) -> Unit[set[str]]:
    """Return the records whose value of a field has to be computed anew now; along a path with too many a job will do it."""
    ids: set[str] = set()
    for dependency in computed.dependencies:
        changed = w.changes.of(dependency.entity, dependency.field)
        if not (changed and dependency.path):
            ids |= changed
            continue
        asked = (computed.entity, dependency.path, frozenset(changed))
        found = seen.reached.get(asked) or _direct(w, computed.entity, dependency.path, changed)
        if found is None:
            found = yield from reached(w, computed.entity, dependency.path, changed, most=RECOMPUTED_IN_WRITE)
        seen.reached[asked] = found
        if len(found) > RECOMPUTED_IN_WRITE:
            w.changes.later.add(computed, dependency.path, changed)
        else:
            ids |= found
    return ids


def _direct(w: Writing, entity: str, path: tuple[str, ...], changed: set[str]) -> set[str] | None:
    """Return what this write knows by itself: the parents of the records that it wrote."""
    many = w.app.entities[entity].fields[path[0]]
    return w.changes.leads(many.rows, many.by, changed) if len(path) == 1 and isinstance(many, ManyField) else None


def reading(w: Writing, entity: str, dependencies: Iterable[Dependency]) -> Unit[set[str]]:
    """Return the records of an entity whose dependencies this write has changed."""
    ids: set[str] = set()
    for dependency in dependencies:
        changed = w.changes.of(dependency.entity, dependency.field)
        if changed and dependency.path:
            ids |= yield from reached(w, entity, dependency.path, changed)
        else:
            ids |= changed
    return ids


def recompute_listed(
    w: Writing,
    fields: Sequence[Computed],
    ids: list[str],
    seen: _Seen | None = None,
    differences: Differences | None = None,
) -> Unit[None]:
    """Bring fields of some records up to date with one statement, and note what changed by that.

    Args:
        fields: of one entity; they do not read each other.
        differences: how they follow from a change of one child, if they do.
    """
    held = _Seen().held if seen is None else seen.held
    entity = w.app.entities[fields[0].entity]
    statement = w.statements.kept(
        ("recompute", *(computed.id for computed in fields)),
        lambda dialect: recompute(w.app, fields, sql_dialect(dialect), within=True),
    )
    child = _child(w, differences, ids)
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        listed = dump_json(some).decode()
        before: dict[str, Sequence[Any]] = {}
        fresh = {(entity.key, record_id) for record_id in some} - held
        if child or len(fields) > 1 or (fresh and w.statements.dialect == POSTGRESQL):
            rows = yield Query(_look(w, entity, fields), {"ids": listed})
            before = {str(row[0]): row[1:] for row in rows}
            held |= fresh
            known = turned(w, differences, child, rows, own_context(w)) if differences and child else None
            if known is not None:
                yield from set_values(w, entity, known)
                for parent in known:
                    for computed in parent.moved:
                        w.changes.add(computed.entity, computed.key, (parent.id,))
                continue
        rows = yield Query(statement, {"ids": listed})
        for place, computed in enumerate(fields):
            moved = (str(row[0]) for row in rows if _differ(before.get(str(row[0])), row[1:], place))
            w.changes.add(computed.entity, computed.key, moved)


def _child(w: Writing, differences: Differences | None, ids: list[str]) -> tuple[Values, Values] | None:
    """Return what the one child that changed was and is, if it is all by which these parents changed."""
    sole = w.changes.sole
    if differences is None or sole is None or sole.entity.key != differences.child:
        return None
    values = child_values(sole, differences.reads)
    parents = set() if values is None else {each[differences.by] for each in values}
    return values if parents.issuperset(ids) else None


def _look(w: Writing, entity: CompiledEntity, fields: Sequence[Computed]) -> Statement:
    """Read values before a statement computes them anew, and hold the records: it must see what others who held them have committed.

    Two writers of children of one parent would else each count without the other's child. On SQLite there is one writer at a time.
    """
    table = entity.table

    def make(dialect: str) -> sa.Select[Any]:
        columns = [table.c[computed.key] for computed in fields]
        chosen = sa.select(table.c.id, *columns).where(table.c.id.in_(w.statements.listed())).order_by(table.c.id)
        return chosen.with_for_update(key_share=True, of=table) if dialect == POSTGRESQL else chosen

    return w.statements.kept(("look", *(computed.id for computed in fields)), make)


def _differ(before: Sequence[Any] | None, after: Sequence[Any], place: int) -> bool:
    return before is None or before[place] != after[place]


def reached(
    w: Writing, entity: str, path: tuple[str, ...], changed: set[str], *, most: int | None = None
) -> Unit[set[str]]:
    """Return the records of ``entity`` from which a path leads to one of the changed records.

    Args:
        most: to find out that they are more than that is enough.
    """
    statement = w.statements.kept(
        ("reach", entity, path, most), lambda dialect: _reached(w, entity, path, dialect, most)
    )
    found: set[str] = set()
    ids = sorted(changed)
    for start in range(0, len(ids), _CHUNK):
        rows = yield Query(statement, {"ids": dump_json(ids[start : start + _CHUNK]).decode()})
        found.update(str(row[0]) for row in rows if row[0] is not None)
        if most is not None and len(found) > most:
            break
    return found


def _reached(w: Writing, entity: str, path: tuple[str, ...], dialect: str, most: int | None) -> sa.Select[Any]:
    select = reach(w.app, entity, path, dialect)
    return select if most is None else select.limit(sa.literal_column(str(most + 2)))  # a blank may be among them


def reach(app: CompiledApp, entity: str, path: tuple[str, ...], dialect: str) -> sa.Select[Any]:
    """Walk a path backwards, from the changed records to those that see them."""
    owners = [app.entities[entity]]
    for step in path:
        field = owners[-1].fields[step]
        assert isinstance(field, ReferenceField | ManyField)
        owners.append(app.entities[field.rows if isinstance(field, ManyField) else field.entity])
    inside: sa.Select[Any] = listed_ids(dialect)
    for position in range(len(path) - 1, -1, -1):
        owner, target = owners[position], owners[position + 1]
        field = owner.fields[path[position]]
        if isinstance(field, ManyField):
            table = target.table.alias()
            inside = sa.select(table.c[field.by]).where(table.c.id.in_(inside))
        else:
            table = owner.table.alias()
            inside = sa.select(table.c.id).where(table.c[path[position]].in_(inside))
    return inside.distinct()
