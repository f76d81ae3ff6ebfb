"""Writes of one record as one statement: on PostgreSQL one trip to the server instead of five or six; related fields cost two more.

A unit is run without a database as far as it asks for nothing; if all it wants is to write one record and its event, both go into
one statement together with the check of the version. The app's row is held as in the long form, but not waited for: while a
publish holds it nothing is written, and the long form waits its turn (waiting inside the statement, which already holds the
record's table, could meet the publish in a deadlock).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.problems import Problem
from builder.store import tables
from builder.store.database import ConstraintRefused, Database, NotNow
from builder.store.gathering import PARTS, parts_of, shape_of, whole_statement, with_look
from builder.store.statement import POSTGRESQL, SQLITE, Query, Row, Rows, Sheet, Unit
from builder.store.types import Identifier, Whole, Words
from runtime.records.ahead import Ahead, Attempts, Belief, CannotAhead
from runtime.records.caller import StaleApp
from runtime.records.changes import update_record
from runtime.records.pins import check_guard
from runtime.records.seams import finish
from runtime.records.statements import RecordStatements
from runtime.records.values import NewRecord
from runtime.records.writer import Writing, begin, insert_records, lock_app

JSON = Any
T = TypeVar("T")

_DONE: Rows = ((1,),)


async def create_alone(database: Database, w: Writing, record: NewRecord) -> bool:
    """Insert a record in one statement if that is all there is to do; False = nothing was done.

    Raises:
        StaleApp, StaleIdentity, ConstraintRefused.
    """
    if database.dialect != POSTGRESQL or record.children:
        return False
    entity = record.entity
    if w.course.reactions_of(entity):
        return False
    begin(w)
    wanted = _collect(insert_records(w, [record]))
    if [query.statement for query in wanted] != [w.statements.insert(entity), w.statements.event()]:
        return False
    values = {**_values(wanted[0]), **_event_values(wanted[1]), **_guard_values(w)}
    statement = w.statements.kept(("create_alone", entity.key), lambda _: _create_statement(entity))
    return await _write(database, w, entity, Query(statement, values))


async def update_alone(
    database: Database, w: Writing, entity: CompiledEntity, record_id: str, body: JSON, if_match: int | None
) -> dict[str, JSON] | None:
    """Change a record with one read and one statement if that is all there is to do; None = nothing was done.

    Raises:
        Problem, StaleApp, StaleIdentity, ConstraintRefused: as the long form does.
    """
    if database.dialect != POSTGRESQL or w.course.reactions_of(entity):
        return None
    begin(w)
    unit = update_record(w, entity, record_id, body, if_match)
    next(unit)  # it asks for the record, which is read without being held: the revision is compared when it is written
    look = w.statements.kept(("guarded look", entity.key), lambda _: _look_statement(w.statements, entity))
    rows = await database.read(lambda: _one(Query(look, {"id": record_id, "app": w.app.key})), scan=False)
    pin, epoch, revision, shown = rows[0]
    check_guard(w.published, w.caller, pin, epoch)
    wanted: list[Query] = []
    try:
        query = unit.send([] if revision is None else [(revision, shown)])
        while len(wanted) < 2 and not query.statement.has_rows and isinstance(query.values, dict):
            wanted.append(query)
            query = unit.send(((1,),))
        return None
    except StopIteration as stop:
        after: dict[str, JSON] = stop.value
    if not wanted:
        return after  # nothing changes
    keys = tuple(field.key for field in entity.stored if f"v_{field.key}" in wanted[0].values)
    if [query.statement for query in wanted] != [w.statements.update(entity, keys), w.statements.event()]:
        return None
    values = {**_values(wanted[0]), **_event_values(wanted[1]), **_guard_values(w), "seen": revision}
    statement = w.statements.kept(("update_alone", entity.key, keys), lambda _: _update_statement(entity, keys))
    return after if await _write(database, w, entity, Query(statement, values)) else None


async def write_ahead(
    database: Database, attempts: Attempts, w: Writing, entity: CompiledEntity, deed: str, make: Callable[[], Unit[T]]
) -> T | None:
    """Run a unit ahead and write what it wants; None: nothing was written, and if it was tried ``w.course.in_vain`` counts that.

    On SQLite it runs in its transaction, since a step costs no trip there; but a record that is written again by what follows is written
    once, as it will be.

    Args:
        deed: what it does to records of the entity: deeds fail for reasons of their own.
    """
    key = (w.published.pin, entity.key, deed)
    reactions = w.course.reactions_of(entity)
    if database.dialect == SQLITE:
        pays = any(reaction.rewrites for reaction in reactions)
    else:
        pays = bool(reactions) or w.sight is not None
    if not pays or not attempts.worth(key):
        return None
    begin(w)
    ahead = w.course.ahead = Ahead(believes=database.dialect == POSTGRESQL and attempts.believes(w.app.key))
    try:
        if database.dialect == SQLITE:
            return await database.write(lambda: _gathered(w, make))
        result = await _run_ahead(database, ahead, make())
        whole = _whole(w, ahead)
        if whole is not None:
            await database.write_alone(whole)
            return result
    except (CannotAhead, NotNow, Problem, ConstraintRefused):
        pass
    finally:
        w.course.ahead = None
    w.course.in_vain = partial(attempts.in_vain, key, w.app.key, ahead)
    return None


def _gathered(w: Writing, make: Callable[[], Unit[T]]) -> Unit[T]:
    """Run a unit and write what it wants at its end, each record with its last values, events in one go.

    Raises:
        CannotAhead, StaleApp, StaleIdentity, and whatever the unit raises.
    """
    yield from lock_app(w)
    ahead = w.course.ahead = Ahead()
    result = yield from _gathering(ahead, make())
    told = w.statements.event()
    events: list[Mapping[str, Any]] = []
    for statement, values in (*ahead.pending, *ahead.changes(w.statements)):  # changes may refer to what is new
        if statement is not told:
            if events and statement.inserts == tables.event.name:  # of records that are alike: told in their order, too
                yield Query(told, events)
                events = []
            yield Query(statement, values)
        elif isinstance(values, Mapping):
            events.append(values)
        else:
            assert not isinstance(values, Sheet)
            events += values
    if events:
        yield Query(told, events)
    return result


def _gathering(ahead: Ahead, unit: Unit[T]) -> Unit[T]:
    try:
        query = next(unit)
        while True:
            query = unit.send(_DONE if ahead.gather(query) else (yield query))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _run_ahead(database: Database, ahead: Ahead, unit: Unit[T]) -> T:
    try:
        query = next(unit)
        while True:
            query = unit.send(_DONE if ahead.gather(query) else await database.read(partial(_one, query)))
    except StopIteration as stop:
        result: T = stop.value
        return result


def _whole(w: Writing, ahead: Ahead) -> Query | None:
    parts = parts_of([*ahead.changes(w.statements), *ahead.pending])
    if not parts:
        return None
    beliefs = ahead.beliefs
    condition = w.statements.kept(("as pinned", *beliefs), lambda _: _as_pinned(beliefs.values()))
    statement = w.statements.kept(("whole", shape_of(parts), *beliefs), lambda _: whole_statement(parts, condition))
    pinned = {"g_app": w.app.key, "g_pin": w.published.pin, "g_epoch": w.caller.epoch}
    return Query(statement, {**pinned, PARTS: parts})


def _as_pinned(beliefs: Iterable[Belief]) -> sa.Select[Any]:
    """Select the app's row and hold it, if it is as pinned, no publish holds it, and all is as believed."""
    app = tables.app
    known = sa.bindparam("g_epoch", type_=Whole())
    epoch = sa.select(tables.identity.c.epoch).scalar_subquery()
    same = (app.c.key == sa.bindparam("g_app", type_=Words())) & (app.c.pin == sa.bindparam("g_pin", type_=Words()))
    believed = [~belief.against.exists() for belief in beliefs]
    chosen = sa.select(app.c.pin).where(same, known.is_(None) | (epoch == known), *believed)
    return chosen.with_for_update(read=True, of=app, skip_locked=True)


async def _write(database: Database, w: Writing, entity: CompiledEntity, query: Query) -> bool:
    """Write a record and its event; what follows from that (related fields of other records) in the same transaction."""
    following = finish(w)
    first = next(following, None)
    if first is None:
        return _is_done(w, await database.write_alone(query))
    if _holds_others(entity, query, first):
        write, look = query.statement, first.statement
        joined = w.statements.kept(("with look", write.sql, look.sql), lambda _: with_look(write, look))
        whole = Query(joined, {**_values(first), **_values(query)})
        tries = iter((_held_along(w, whole, following),))
    else:
        tries = iter((_and_what_follows(w, query, first, following),))
    return await database.write(
        lambda: next(tries, _nothing())
    )  # what follows has begun: the long form may repeat, not this


def _and_what_follows(w: Writing, query: Query, first: Query, following: Unit[None]) -> Unit[bool]:
    if not _is_done(w, (yield query)):
        return False
    return (yield from _follow(following, (yield first)))


def _holds_others(entity: CompiledEntity, query: Query, first: Query) -> bool:
    """Whether what follows begins with holding records of other tables: the statement that writes can do that, too."""
    sql = first.statement.sql
    holds = first.statement.has_rows and sql.startswith("SELECT ") and " FOR NO KEY UPDATE OF " in sql
    return holds and entity.table.name not in sql and _values(first).keys().isdisjoint(_values(query))


def _held_along(w: Writing, query: Query, following: Unit[None]) -> Unit[bool]:
    rows = yield query
    if not _is_done(w, [row[:3] for row in rows]):
        return False
    return (yield from _follow(following, [row[3:] for row in rows if row[3] is not None]))


def _follow(following: Unit[None], rows: Rows) -> Unit[bool]:
    try:
        while True:
            rows = yield following.send(rows)
    except StopIteration:
        return True


def _nothing() -> Unit[bool]:
    yield from ()
    return False


_UNKNOWN = Query(None, {})  # type: ignore[arg-type] # equal to no statement


def _collect(unit: Unit[Any]) -> list[Query]:
    """Run a unit as long as it wants to know nothing; what it wants after that is unknown."""
    found: list[Query] = []
    try:
        query = next(unit)
        while not query.statement.has_rows and isinstance(query.values, dict) and len(found) < 3:
            found.append(query)
            query = unit.send(((1,),))
    except StopIteration:
        return found
    return [*found, _UNKNOWN]


def _one(query: Query) -> Unit[Sequence[Row]]:
    return (yield query)


def _is_done(w: Writing, rows: Sequence[Row]) -> bool:
    """Compare the guard; no row at all: a publish holds the app."""
    if not rows:
        return False
    pin, epoch, count = rows[0]
    if pin is None:
        raise StaleApp
    check_guard(w.published, w.caller, pin, epoch)
    return bool(count)


def _values(query: Query) -> dict[str, Any]:
    assert isinstance(query.values, dict)
    return query.values


def _event_values(query: Query) -> dict[str, Any]:
    return {f"e_{name}": value for name, value in _values(query).items()}


def _guard_values(w: Writing) -> dict[str, Any]:
    return {"g_app": w.app.key, "g_pin": w.published.pin, "g_epoch": w.caller.epoch}


def _guard() -> tuple[sa.CTE, sa.ColumnElement[bool]]:
    """Return the held app row as a table expression, and the condition under which may be written."""
    app = tables.app
    epoch = sa.select(tables.identity.c.epoch).scalar_subquery()
    held = sa.select(app.c.pin, epoch.label("epoch")).where(app.c.key == sa.bindparam("g_app", type_=Words()))
    g = held.with_for_update(read=True, of=app, skip_locked=True).cte("g")
    known = sa.bindparam("g_epoch", type_=Whole())
    fine = (g.c.pin == sa.bindparam("g_pin", type_=Words())) & (known.is_(None) | (g.c.epoch == known))
    return g, fine


def _create_statement(entity: CompiledEntity) -> sa.Select[Any]:
    g, fine = _guard()
    columns = list(entity.table.c)
    given = sa.select(*(sa.bindparam(c.name, type_=c.type) for c in columns)).select_from(g).where(fine)
    made = sa.insert(entity.table).from_select(columns, given, include_defaults=False)
    written = made.returning(entity.table.c.id).cte("written")
    return _with_event(g, written)


def _update_statement(entity: CompiledEntity, changed: tuple[str, ...]) -> sa.Select[Any]:
    g, fine = _guard()
    table = entity.table
    names = (*changed, "revision", "updated_at", "updated_by")
    values = {name: sa.bindparam(f"v_{name}", type_=table.c[name].type) for name in names}
    same = (table.c.id == sa.bindparam("id", type_=Identifier())) & (
        table.c.revision == sa.bindparam("seen", type_=Whole())
    )
    written = sa.update(table).where(same, fine).values(values).returning(table.c.id).cte("written")
    return _with_event(g, written)


def _with_event(g: sa.CTE, written: sa.CTE) -> sa.Select[Any]:
    """Return pin, epoch, and how many records were written, each with its event."""
    event = tables.event
    columns = [column for column in event.c if column.name != "id"]
    values = [
        sa.func.pg_current_xact_id() if column.name == "xact" else sa.bindparam(f"e_{column.name}", type_=column.type)
        for column in columns
    ]
    noted = sa.insert(event).from_select(columns, sa.select(*values).select_from(written), include_defaults=False)
    count = sa.select(sa.func.count()).select_from(written).scalar_subquery()
    return sa.select(g.c.pin, g.c.epoch, count).add_cte(noted.returning(event.c.id).cte("noted"))


def _look_statement(statements: RecordStatements, entity: CompiledEntity) -> sa.Select[Any]:
    """Return the statement that reads a record as the long form does, unheld, with the guard: one row always."""
    found = statements.held_select(entity).subquery("r")
    app = tables.app
    pin = sa.select(app.c.pin).where(app.c.key == sa.bindparam("app", type_=Words())).scalar_subquery()
    epoch = sa.select(tables.identity.c.epoch).scalar_subquery()
    g = sa.select(pin.label("pin"), epoch.label("epoch")).subquery("g")
    return sa.select(g.c.pin, g.c.epoch, *found.c).select_from(g.outerjoin(found, sa.true()))
