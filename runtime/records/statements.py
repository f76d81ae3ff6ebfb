"""The statements that write records, one set per entity, kept by published app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.conditional import ConditionalUnique, where_text
from builder.compiled.recompute import listed_ids
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.sheets import insert_sheet
from builder.store.statement import POSTGRESQL, Statement
from builder.store.types import Identifier, Whole, Words
from formulas.sql import Dialect
from runtime.query.json_rows import json_object
from runtime.query.statements import StatementCache, as_text, sql_dialect


class RecordStatements:
    """Makes and keeps the statements of one published app."""

    def __init__(self, published: PublishedApp, cache: StatementCache) -> None:
        self._published = published
        self.cache = cache

    def _get(self, name: str, key: tuple[Any, ...], make: Any) -> Statement:
        return self.cache.get((self._published.pin, name, *key), make)

    def kept(self, key: tuple[Any, ...], make: Callable[[str], Any]) -> Statement:
        """Return a statement of another module, kept by its key; ``make`` is given the dialect."""
        return self._get("kept", key, lambda: make(self.cache.dialect))

    @property
    def dialect(self) -> Dialect:
        """``sqlite`` or ``postgresql``."""
        return sql_dialect(self.cache.dialect)

    def listed(self) -> sa.Select[Any]:
        """The ids in the parameter ``ids``, a JSON array as text."""
        return listed_ids(self.cache.dialect)

    def lock_app(self) -> Statement:
        """Pin and epoch; on PostgreSQL the app's row is held so that no publish can pass while this write is under way."""

        def make() -> sa.Select[Any]:
            app = tables.app
            epoch = sa.select(tables.identity.c.epoch).scalar_subquery()
            chosen = sa.select(app.c.pin, epoch).where(app.c.key == sa.bindparam("app", type_=Words()))
            return chosen.with_for_update(read=True, of=app) if self.cache.dialect == POSTGRESQL else chosen

        return self._get("lock_app", (), make)

    def insert(self, entity: CompiledEntity) -> Statement:
        """Insert one record with all columns."""
        columns = entity.table.c
        return self._get(
            "insert",
            (entity.key,),
            lambda: sa.insert(entity.table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in columns}),
        )

    def insert_many(self, entity: CompiledEntity, same: tuple[str, ...]) -> Statement:
        """Insert a ``Sheet`` of records with all columns; ``same`` are those whose values all share."""
        return self._get(
            "insert_many",
            (entity.key, same),
            lambda: insert_sheet(entity.table, entity.table.c, same, self.cache.dialect, {}),
        )

    def update(self, entity: CompiledEntity, changed: tuple[str, ...]) -> Statement:
        """Change columns of one record; ``changed`` holds field keys in order."""

        return self._get("update", (entity.key, changed), lambda: self._update(entity, changed))

    def _update(self, entity: CompiledEntity, changed: tuple[str, ...]) -> sa.Update:
        names = (*changed, "revision", "updated_at", "updated_by")
        values = {name: sa.bindparam(f"v_{name}", type_=entity.table.c[name].type) for name in names}
        return sa.update(entity.table).where(entity.table.c.id == _id()).values(values)

    def update_seen(self, entity: CompiledEntity, changed: tuple[str, ...]) -> Statement:
        """The same, if the record has still the revision ``seen``."""
        return self._get(
            "update_seen",
            (entity.key, changed),
            lambda: self._update(entity, changed).where(entity.table.c.revision == sa.bindparam("seen", type_=Whole())),
        )

    def look(self, entity: CompiledEntity) -> Statement:
        """Read what ``hold`` reads without holding it."""
        return self._get("look", (entity.key,), lambda: self.held_select(entity))

    def delete_many(self, entity: CompiledEntity) -> Statement:
        """Delete the records whose ids are listed in the JSON array ``ids``."""
        table = entity.table
        return self._get("delete_many", (entity.key,), lambda: sa.delete(table).where(table.c.id.in_(self.listed())))

    def cut(self, entity: CompiledEntity, field: str) -> Statement:
        """Blank one reference of a record that is about to be deleted."""
        table = entity.table
        return self._get(
            "cut", (entity.key, field), lambda: sa.update(table).where(table.c.id == _id()).values({field: sa.null()})
        )

    def hold(self, entity: CompiledEntity) -> Statement:
        """Read a record as JSON (stored fields only) and hold it until the end of the transaction."""
        return self._get("hold", (entity.key,), lambda: self._held(self.held_select(entity), entity))

    def held_select(self, entity: CompiledEntity) -> sa.Select[Any]:
        """Return what ``hold`` reads: revision and JSON of the record ``id``."""
        table = entity.table
        return sa.select(table.c.revision, self._shown(entity).label("shown")).where(table.c.id == _id())

    def hold_many(self, entity: CompiledEntity) -> Statement:
        """Read the records listed in the JSON array ``ids`` (id, revision, JSON) and hold them."""
        table = entity.table

        def make() -> sa.Select[Any]:
            columns = (table.c.id, table.c.revision, self._shown(entity))
            return self._held(sa.select(*columns).where(table.c.id.in_(self.listed())).order_by(table.c.id), entity)

        return self._get("hold_many", (entity.key,), make)

    def _shown(self, entity: CompiledEntity) -> sa.ColumnElement[Any]:
        table, dialect = entity.table, self.cache.dialect
        members = [(f.key, f.json_sql(table.c[f.key], dialect)) for f in (*entity.system.values(), *entity.stored)]
        return as_text(json_object(members, dialect), dialect)

    def _held(self, chosen: sa.Select[Any], entity: CompiledEntity) -> sa.Select[Any]:
        return chosen.with_for_update(of=entity.table) if self.cache.dialect == POSTGRESQL else chosen

    def referring(self, entity: CompiledEntity, field: str) -> Statement:
        """Ids of records whose reference holds ``id``, at most ``limit``, the oldest first."""
        table = entity.table
        return self._get(
            "referring",
            (entity.key, field),
            lambda: (
                sa.select(table.c.id)
                .where(table.c[field] == _id())
                .order_by(table.c.created_at, table.c.id)
                .limit(sa.bindparam("limit", type_=sa.Integer()))
            ),
        )

    def referring_any(self, entity: CompiledEntity, field: str) -> Statement:
        """Ids of records whose reference is listed in the JSON array ``ids``, at most ``limit``."""
        table = entity.table
        return self._get(
            "referring_any",
            (entity.key, field),
            lambda: (
                sa.select(table.c.id)
                .where(table.c[field].in_(self.listed()))
                .order_by(table.c.id)
                .limit(sa.bindparam("limit", type_=sa.Integer()))
            ),
        )

    def same(
        self, entity: CompiledEntity, keys: tuple[str, ...], count: int, among: ConditionalUnique | None = None
    ) -> Statement:
        """Who else has these values (to say what a unique rule met): (place, id) for each of ``count`` sets ``i0, v0_0, v0_1 …, i1 …``."""
        table = entity.table
        some = () if among is None else (where_text(among.where, self.dialect),)

        def one(place: int) -> sa.Select[Any]:
            return sa.select(sa.literal_column(str(place)), table.c.id).where(
                *(table.c[key] == sa.bindparam(f"v{place}_{n}", type_=table.c[key].type) for n, key in enumerate(keys)),
                table.c.id != sa.bindparam(f"i{place}", type_=Identifier()),
                *some,
            )

        return self._get(
            "same",
            (entity.key, keys, count, among and among.key),
            lambda: sa.union_all(*(one(place) for place in range(count))),
        )

    def exists(self, table_name: str) -> Statement:
        """Whether a table has a row with this id."""
        table = sa.table(table_name, sa.column("id", Identifier()))
        return self._get("exists", (table_name,), lambda: sa.select(table.c.id).where(table.c.id == _id()))

    def existing(self, table_name: str) -> Statement:
        """Which of the ids listed in the JSON array ``ids`` a table has."""
        table = sa.table(table_name, sa.column("id", Identifier()))
        return self._get("existing", (table_name,), lambda: sa.select(table.c.id).where(table.c.id.in_(self.listed())))

    def count_on(self) -> Statement:
        """Raise a counter by ``step`` and return its value."""

        def make() -> Any:
            from sqlalchemy.dialects import postgresql, sqlite

            counter = tables.counter
            insert = (postgresql if self.cache.dialect == POSTGRESQL else sqlite).insert(counter)
            names: Iterable[str] = ("app", "entity", "field", "period")
            first = sa.bindparam("first", type_=Whole())
            step = sa.bindparam("step", type_=Whole())
            floor = sa.bindparam("floor", type_=Whole())
            values = {name: sa.bindparam(name, type_=Words()) for name in names} | {"value": first}
            raised = sa.case((counter.c.value < floor, floor), else_=counter.c.value) + step
            return (
                insert.values(values)
                .on_conflict_do_update(index_elements=list(names), set_={"value": raised})
                .returning(counter.c.value)
            )

        return self._get("count_on", (), make)

    def event(self) -> Statement:
        """Insert one event."""

        def make() -> sa.Insert:
            event = tables.event
            skipped = ("id", "xact")
            values: dict[str, Any] = {
                c.name: sa.bindparam(c.name, type_=c.type) for c in event.c if c.name not in skipped
            }
            if self.cache.dialect == POSTGRESQL:
                values["xact"] = sa.func.pg_current_xact_id()
            return sa.insert(event).values(values).inline()  # nobody asks for its id

        return self._get("event", (), make)

    def events_alike(self, same: tuple[str, ...]) -> Statement:
        """Insert a ``Sheet`` of events; ``same`` are the columns whose values all share."""

        def make() -> sa.Insert:
            event = tables.event
            now = sa.func.pg_current_xact_id() if self.cache.dialect == POSTGRESQL else sa.literal_column("0")
            written = [column for column in event.c if column.name != "id"]
            return insert_sheet(event, written, same, self.cache.dialect, {"xact": now})

        return self._get("events_alike", (same,), make)


def _id() -> sa.BindParameter[str]:
    return sa.bindparam("id", type_=Identifier())
