"""Shapes to statements: one SQL text for a list with everything it shows, joined after the limit; kept per published app and shape."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.compiled.resolver import Joins, Scalars, seen_when
from builder.fields.base import Field
from builder.fields.long_text import LongTextField
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import ManyField
from builder.kernel.limits import COUNTED_RECORDS
from builder.store import tables
from builder.store.statement import Statement, prepare
from builder.store.types import Identifier, Words
from formulas.errors import FormulaError
from formulas.sql import Dialect, to_condition, to_error_kind
from runtime.query.conditions import SortKey, field_at
from runtime.query.expanding import ALL_ROWS
from runtime.query.json_rows import as_bytes, joined_object, joined_rows, json_list, json_object, json_values
from runtime.query.pending import pending_jobs, shown_entities
from runtime.query.reaching import Asked, Reach, newest_within
from runtime.query.searching import RANK, RANK_FIELD, narrowed, rank
from runtime.query.selection import ERRORS, IDS_ONLY, Selection
from runtime.query.shape import ListShape

Element = sa.ColumnElement[Any]
_KEPT = 2_000
_SORTED_CHARACTERS = 200  # of a long text: a cursor has to hold them


class StatementCache:
    """Prepared statements by (pin, shape), the longest unused let go. Any thread may ask."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self._kept: OrderedDict[Hashable, Statement] = OrderedDict()
        self._lock = threading.Lock()

    def take_over(self, other: StatementCache) -> None:
        """Keep statements together with another, of a database that is a copy of the same: a pin means the same app in both."""
        self._kept, self._lock = other._kept, other._lock

    def get(self, key: Hashable, make: Callable[[], sa.Select[Any] | sa.ClauseElement | Statement]) -> Statement:
        """Return the kept statement, or make and keep it."""
        found = self._kept.get(key)
        if found is not None:
            if len(self._kept) > _KEPT // 2:  # as long as there is room, nothing has to be in order
                with self._lock:
                    if key in self._kept:
                        self._kept.move_to_end(key)
            return found
        given = make()  # outside the lock: two threads may make the same, which does no harm
        made = given if isinstance(given, Statement) else prepare(given, self.dialect)
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


def guard(*besides: Element) -> sa.Subquery:
    """Return the one row that every read carries: the app's pin and the identity epoch of the same snapshot."""
    return sa.select(*guard_columns(), *besides).subquery("g")


def guard_columns() -> tuple[Element, Element]:
    """Return the two columns of the guard."""
    app = tables.app
    pin = sa.select(app.c.pin).where(app.c.key == sa.bindparam("app", type_=Words())).scalar_subquery()
    epoch = sa.select(tables.identity.c.epoch).scalar_subquery()
    return pin.label("pin"), epoch.label("epoch")


_Joins = list[tuple[sa.FromClause, Element | None]]
"""What is joined and where it meets, kept or not; None: it is there once for every row."""
_KEY = "_k"  # columns by which a page is sorted; no field's key begins so
_ATTRIBUTE = "_a_"  # columns that tell of a link


def get_statement(app: CompiledApp, selection: Selection, dialect: str) -> sa.Select[Any]:
    """Return the statement of one record by id: pin, epoch, revision (null: not there), JSON."""
    entity = app.entities[selection.entity]
    joins: _Joins = []
    table = entity.table
    shown = _object(app, selection, table, joins, dialect, Joins(app, entity, table, sql_dialect(dialect)))
    g = guard(*pending_jobs(shown_entities(app, selection), dialect))
    wanted = seen_when(app, entity, table, sql_dialect(dialect), table.c.id == sa.bindparam("id"))
    source: sa.FromClause = g.outerjoin(table, wanted)
    source = _joined(source, joins)
    columns = (g.c.pin, g.c.epoch, table.c.revision, as_text(shown, dialect))
    return sa.select(*columns, *list(g.c)[2:]).select_from(source)


def list_statement(
    app: CompiledApp, shape: ListShape, limit: int, dialect: str, reaches: Sequence[Reach] = ()
) -> sa.Select[Any]:
    """Return the statement of a page in one row: pin, epoch, number of records, cursor values of each, JSON of each.

    Both are joined with ``BETWEEN``, the JSON as UTF-8: fifty rows of a driver cost as much as finding them.

    Args:
        limit: how many records at most; a part of the text, since PostgreSQL's planner would plan anew for each value of a parameter.
        reaches: by which owners its records are found apart (``runtime/query/reaching.py``); nothing: they are not.
    """
    entity = app.entities[shape.selection.entity]
    root = _root(app, entity, shape, limit, dialect, reaches)
    joins: _Joins = []
    shown = _object(app, shape.selection, root, joins, dialect)
    source = _joined(root, joins)
    keys = [root.c[f"{_KEY}{place}"] for place in range(len(shape.sort))]
    fields = [RANK_FIELD if key.path == RANK else field_at(app, entity, key.path) for key in shape.sort]
    at = json_values([field.json_sql(key, dialect) for field, key in zip(fields, keys, strict=True)], dialect)
    columns = (*guard_columns(), sa.func.count(root.c.id))
    pending = pending_jobs(shown_entities(app, shape.selection), dialect)
    if dialect == "sqlite":
        # loops run in the order of ``root``, whose order they cannot change: joins that keep every row are nested as written
        texts = joined_rows(at, dialect), as_bytes(joined_rows(shown, dialect), dialect)
        return sa.select(*columns, *texts, *pending).select_from(source)
    order = _orders(keys, shape.sort, dialect)
    page = sa.select(root.c.id, at.label("at"), as_text(shown, dialect).label("o")).select_from(source).order_by(*order)
    rows = page.subquery("page")
    texts = joined_rows(rows.c.at, dialect), as_bytes(joined_rows(rows.c.o, dialect), dialect)
    columns = (*guard_columns(), sa.func.count(rows.c.id))
    return sa.select(*columns, *texts, *pending).select_from(rows)


def count_statement(app: CompiledApp, shape: ListShape, dialect: str) -> sa.Select[Any]:
    """Return the statement that counts what a list would show without limit and cursor."""
    entity = app.entities[shape.selection.entity]
    joins = Joins(app, entity, entity.table, sql_dialect(dialect))
    condition = _condition(shape, joins, dialect)
    statement = sa.select(sa.func.count()).select_from(joins.from_clause())
    return statement if condition is None else statement.where(condition)


def matching_statement(app: CompiledApp, shape: ListShape, dialect: str) -> sa.Select[Any]:
    """Return the statement of all records that a list would show, for the planner to estimate."""
    entity = app.entities[shape.selection.entity]
    joins = Joins(app, entity, entity.table, sql_dialect(dialect))
    condition = _condition(shape, joins, dialect)
    statement = sa.select(entity.table.c.id).select_from(joins.from_clause())
    return statement if condition is None else statement.where(condition)


def bounded_statement(app: CompiledApp, shape: ListShape, dialect: str) -> sa.Select[Any]:
    """Return the statement that counts, but not further than one beyond the bound."""
    found = matching_statement(app, shape, dialect).limit(sa.literal_column(str(COUNTED_RECORDS + 1))).subquery()
    return sa.select(sa.func.count()).select_from(found)


def _root(
    app: CompiledApp, entity: CompiledEntity, shape: ListShape, limit: int, dialect: str, reaches: Sequence[Reach]
) -> sa.Subquery:
    """Return the records of one page with the columns that are shown and sorted by."""
    joins = Joins(app, entity, entity.table, sql_dialect(dialect))
    keys = [_key_of(app, entity, key, shape, joins) for key in shape.sort]
    condition = None if reaches else _condition(shape, joins, dialect)
    wanted: dict[str, Element] = {"id": entity.table.c.id}
    shown = [key for key in shape.selection.fields if not isinstance(entity.find_field(key), ManyField)]
    wanted |= {key: joins.at((key,)).label(key) for key in shown}
    if shape.selection.errors:
        wanted[ERRORS] = _errors(entity, joins).label(ERRORS)
    sorted_by = [column.label(f"{_KEY}{place}") for place, column in enumerate(keys)]
    statement = sa.select(*wanted.values(), *sorted_by).select_from(joins.from_clause())
    if condition is not None:
        statement = statement.where(condition)
    after = shape.after
    if reaches:
        behind = None if after is None else lambda columns: _after(columns, shape.sort, after)
        asked = Asked(app, entity, shape, behind, limit, joins.dialect)
        statement = statement.where(entity.table.c.id.in_(newest_within(asked, reaches)))
    elif after is not None:
        statement = statement.where(_after(keys, shape.sort, after))
    order = _orders(keys, shape.sort, dialect)
    statement = statement.order_by(*order).limit(sa.literal_column(str(limit)))
    if shape.skips:
        statement = statement.offset(sa.bindparam("skipped", type_=sa.Integer()))
    return statement.subquery("r")


def _key_of(app: CompiledApp, entity: CompiledEntity, key: SortKey, shape: ListShape, joins: Joins) -> Element:
    if key.path == RANK:
        assert shape.search is not None
        return rank(shape.search, joins)
    return _sort_key(joins.at(key.path), field_at(app, entity, key.path))


def _sort_key(column: Element, field: Field) -> Element:
    if not isinstance(field.shape if isinstance(field, ComputedField) else field, LongTextField):
        return column
    first: Element = sa.literal_column("1")
    most: Element = sa.literal_column(str(_SORTED_CHARACTERS))
    return sa.func.substr(column, first, most, type_=column.type)


def _condition(shape: ListShape, joins: Joins, dialect: str) -> Element | None:
    asked = None if shape.condition is None else to_condition(shape.condition, joins, joins.dialect)
    return both(narrowed(shape.search, joins.entity.table, dialect), both(asked, joins.visible()))


def both(one: Element | None, other: Element | None) -> Element | None:
    """Return the condition that two conditions make, where there are any."""
    if one is None or other is None:
        return other if one is None else one
    return sa.and_(one, other)


def _ordered(column: Element, sort: SortKey, dialect: str, *, first: bool) -> Element:
    """Order with blanks as the smallest: SQLite's own way, and that of the indexes made for PostgreSQL."""
    ordered: Any = column.desc() if sort.descending else column.asc()
    if dialect == "postgresql" and not (first and sort.path == ("id",)):
        ordered = ordered.nulls_last() if sort.descending else ordered.nulls_first()
    return ordered  # type: ignore[no-any-return]


def _after(keys: list[Element], sort: tuple[SortKey, ...], blank: tuple[bool, ...]) -> Element:
    """Return the condition of all records behind the cursor."""
    values = [sa.bindparam(f"k{place}", type_=key.type) for place, key in enumerate(keys)]
    never_blank = all(key.path in (("created_at",), ("updated_at",), ("id",)) for key in sort)
    if never_blank and len({key.descending for key in sort}) == 1:
        left, right = sa.tuple_(*keys), sa.tuple_(*values)
        return left < right if sort[0].descending else left > right  # one range of an index
    behind: list[Element] = []
    same: list[Element] = []
    for key, value, order, is_blank in zip(keys, values, sort, blank, strict=True):
        step = _behind(key, value, order.descending, is_blank)
        if step is not None:
            behind.append(sa.and_(*same, step))
        same.append(key.is_(None) if is_blank else key == value)
    return sa.or_(*behind) if behind else sa.false()


def _behind(key: Element, value: Element, descending: bool, is_blank: bool) -> Element | None:
    if descending:
        return None if is_blank else sa.or_(key < value, key.is_(None))
    return key.is_not(None) if is_blank else key > value


# -- objects --------------------------------------------------------------------------------------------------------------


def _object(
    app: CompiledApp,
    selection: Selection,
    source: sa.FromClause,
    joins: _Joins,
    dialect: str,
    reach: Joins | None = None,
    besides: Sequence[tuple[str, Element]] = (),
) -> Element:
    """Return the JSON object of a record whose columns are in ``source``; to-one relations it shows are added to ``joins``.

    Args:
        reach: gives the columns where ``source`` is a real table; None: ``source`` has what is shown, as it is seen.
        besides: further members.
    """
    if selection.entity.startswith("@"):
        return json_object([(name, source.c[name]) for name in selection.fields], dialect)
    entity = app.entities[selection.entity]
    members: list[tuple[str, Element]] = []
    pointed: _Joins = []
    for key in selection.fields:
        field = entity.find_field(key)
        assert field is not None
        inner = selection.find_expanded(key)
        if isinstance(field, ManyField):
            members.append((key, _many(app, field, inner or IDS_ONLY, source, dialect)))
            continue
        value = source.c[key] if reach is None else reach.at((key,))
        if inner is not None and field.lists is not None:
            members.append((key, _listed(inner, value, source, dialect)))
        elif inner is not None:
            members.append((key, _to_one(app, inner, value, pointed, dialect)))
        else:
            members.append((key, field.json_sql(value, dialect)))
    if selection.errors:
        told = sa.type_coerce(source.c[ERRORS], sa.JSON()) if reach is None else _errors(entity, reach)
        members.append((ERRORS, sa.func.json(told) if dialect == "sqlite" else told))
    joins += (
        reach.joined() if reach is not None else []
    ) + pointed  # what a reference is seen by stands before its target
    members += besides
    if dialect == "sqlite":
        return json_object(members, dialect)
    row, written = joined_object(members)
    joins.append((row, None))
    return written


def _joined(source: sa.FromClause, joins: _Joins) -> sa.FromClause:
    for target, condition in joins:
        source = source.join(target, sa.true()) if condition is None else source.outerjoin(target, condition)
    return source


def _errors(entity: CompiledEntity, reach: Joins) -> Element:
    """Return which computed fields of a record are errors, and of which kind. Only for values that are null it is looked at."""
    found: list[tuple[str, Element]] = []
    for computed in entity.computed:
        if computed.key not in entity.fields:
            continue
        try:
            kind = to_error_kind(with_variables(computed.tree), reach, reach.dialect, computed.context)
        except FormulaError:  # computed in Python alone; the database cannot tell
            continue
        if kind is not None:
            found.append((computed.key, sa.case((reach.at((computed.key,)).is_(sa.null()), kind))))
    shown = json_object(found, reach.dialect) if found else sa.literal_column("'{}'")
    if reach.dialect == "sqlite":  # a merge leaves out what is null
        return sa.func.json_patch(sa.literal_column("'{}'"), shown)
    return sa.func.json_strip_nulls(sa.cast(shown, sa.JSON), type_=sa.JSON())


def sql_dialect(name: str) -> Dialect:
    """Return the name as the formula language spells it."""
    return "sqlite" if name == "sqlite" else "postgresql"


def _to_one(app: CompiledApp, inner: Selection, reference: Element, joins: _Joins, dialect: str) -> Element:
    table = (
        tables.metadata.tables[tables.PREFIX + inner.entity[1:]]
        if inner.entity[0] == "@"
        else app.entities[inner.entity].table
    )
    target = table.alias()  # named by SQLAlchemy: another one of the same name around a list of children would hide it
    meets: Element = target.c.id == reference
    reach: Joins | None = None
    if inner.entity[0] != "@":
        entity = app.entities[inner.entity]
        meets = seen_when(app, entity, target, sql_dialect(dialect), meets)
        reach = Scalars(app, entity, target, sql_dialect(dialect))
    joins.append((target, meets))
    shown = _object(app, inner, target, joins, dialect, reach)
    return sa.case((target.c.id.is_not(None), shown))


def _many(app: CompiledApp, field: ManyField, inner: Selection, source: sa.FromClause, dialect: str) -> Element:
    """Return the records of a to-many relation as a list: chosen per parent first, then joined with what they show.

    Rows that are links show the records at their end, with the attributes of the link; or only the ids of those.
    """
    entity, asked = app.entities[field.rows], inner.rows or ALL_ROWS
    row = entity.table.alias()
    reach = Joins(app, entity, row, sql_dialect(dialect))
    keys = [
        _sort_key(reach.at(key.path), field_at(app, entity, key.path)).label(f"{_KEY}{place}")
        for place, key in enumerate(asked.sort)
    ]
    owner = app.entities[field.entity]
    shown_keys = [key for key in inner.fields if not isinstance(owner.find_field(key), ManyField)]
    wanted = [reach.at((*field.through, key)).label(key) for key in dict.fromkeys(("id", *shown_keys))]
    wanted += [reach.at((key,)).label(f"{_ATTRIBUTE}{key}") for key in inner.attributes]
    condition = None if asked.condition is None else to_condition(asked.condition, reach, reach.dialect)
    condition = both(condition, reach.visible(field.through))
    own = reach.at((field.by,)) == source.c.id
    chosen = sa.select(*wanted, *keys).select_from(reach.from_clause()).where(own)
    if condition is not None:
        chosen = chosen.where(condition)
    chosen = chosen.order_by(*_orders([key.element for key in keys], asked.sort, dialect))
    page = chosen.limit(sa.literal_column(str(asked.limit))).correlate(source).subquery()
    joins: _Joins = []
    if inner is IDS_ONLY:
        shown: Element = sa.func.json_quote(page.c.id) if dialect == "sqlite" else page.c.id
    else:
        shown = _row_object(app, entity, inner, page, joins, dialect)
    listed = sa.select(shown.label("o")).select_from(_joined(page, joins))
    ordered = listed.order_by(*_orders([page.c[key.name] for key in keys], asked.sort, dialect))
    return json_list(ordered.correlate(source), "o", dialect)


def _row_object(
    app: CompiledApp, entity: CompiledEntity, inner: Selection, page: sa.FromClause, joins: _Joins, dialect: str
) -> Element:
    told = [(key, entity.fields[key].json_sql(page.c[f"{_ATTRIBUTE}{key}"], dialect)) for key in inner.attributes]
    return _object(
        app, inner, page, joins, dialect, besides=[("attributes", json_object(told, dialect))] if told else []
    )


def _orders(keys: Sequence[Element], sort: tuple[SortKey, ...], dialect: str) -> list[Element]:
    return [
        _ordered(key, by, dialect, first=place == 0) for place, (key, by) in enumerate(zip(keys, sort, strict=True))
    ]


def _listed(inner: Selection, ids: Element, source: sa.FromClause, dialect: str) -> Element:
    """Return the users or files of a set of ids as objects, in the set's order."""
    target = tables.metadata.tables[tables.PREFIX + inner.entity[1:]].alias()
    place: Element
    member: Element
    if dialect == "sqlite":
        each = sa.func.json_each(ids).table_valued("value", "key")
        place, member = each.c.key, each.c.value
    else:
        listed = sa.func.jsonb_array_elements_text(ids)
        each = listed.table_valued("value", with_ordinality="place").render_derived()
        place, member = each.c.place, sa.cast(each.c.value, Identifier())
    shown = json_object([(name, target.c[name]) for name in inner.fields], dialect)
    rows = each.join(target, target.c.id == member)
    return json_list(sa.select(shown.label("o")).select_from(rows).order_by(place).correlate(source), "o", dialect)


def as_text(value: Element, dialect: str) -> Element:
    """Return JSON as text, the form in which it goes out."""
    return sa.cast(value, sa.Text) if dialect == "postgresql" else value
