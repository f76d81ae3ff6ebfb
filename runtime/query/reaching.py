"""The newest records within reach, found owner by owner: a first page that costs the same whatever lies beyond.

A row rule like ``INDEPT(department)`` names few owners of many records. Neither walking along the moments (it passes all that others
own) nor sorting all that is within reach is bounded. So for each owner the index of owner and moment gives its newest, as many as a
page takes, and the page is the newest of those. See docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.physical import is_owner
from builder.compiled.resolver import Joins
from builder.store.types import Identifier
from formulas.sql import Dialect, to_condition
from formulas.sqlforms.binds import list_type
from formulas.tree import Call, Param, Path, Tree, join, paths
from runtime.access.sight import sight_of
from runtime.query.shape import ListShape

Element = sa.ColumnElement[Any]
OWNERS_APART = 200
"""Of so many owners the newest are looked up apart; whoever reaches more sees so much that walking along the moments finds a page soon."""
_NEWEST = ("created_at", "id")


class Reach(NamedTuple):
    """The records of some owners."""

    field: str
    owners: Param
    """One, or a list of them."""
    rest: Tree | None
    """What has to be true of them besides, over own fields."""


def reaches_of(app: CompiledApp, entity: CompiledEntity, shape: ListShape) -> tuple[Reach, ...]:
    """Return by what owners a list in the order of moments is narrowed; nothing if its rows are not, or not all of them."""
    sight = sight_of(app)
    if sight is None or entity.link is not None or shape.search is not None or shape.skips or not is_newest(shape):
        return ()
    found = [_reach(app.whole.entities[entity.key], tree) for tree in sight.rows_for(entity.key, "read")]
    return tuple(each for each in found if each is not None) if None not in found else ()


def is_newest(shape: ListShape) -> bool:
    """Tell whether a list is in the order of moments, one way or the other."""
    paths_ = tuple(key.path for key in shape.sort)
    return paths_ == tuple((key,) for key in _NEWEST) and len({key.descending for key in shape.sort}) == 1


def _reach(entity: CompiledEntity, tree: Tree | None) -> Reach | None:
    terms = tree.args if isinstance(tree, Call) and tree.function == "and" else () if tree is None else (tree,)
    for place, term in enumerate(terms):
        known = _owners(entity, term)
        rest = [*terms[:place], *terms[place + 1 :]]
        if known is not None and all(len(path) == 1 for other in rest for path in paths(other)):
            return Reach(*known, join("and", rest) if len(rest) > 1 else rest[0] if rest else None)
    return None


def _owners(entity: CompiledEntity, term: Tree) -> tuple[str, Param] | None:
    if not isinstance(term, Call) or term.function not in ("eq", "in"):
        return None
    field, owners = term.args
    if not isinstance(field, Path) or not isinstance(owners, Param) or len(field.steps) != 1:
        return None
    owner = entity.fields.get(field.steps[0])
    return (field.steps[0], owners) if owner is not None and is_owner(owner) else None


def can_reach(reaches: Sequence[Reach], values: Mapping[str, Any]) -> bool:
    """Tell whether the owners are few enough to look them up apart."""
    listed = [values[f"p{reach.owners.index}"] for reach in reaches]
    owners = [len(each) if isinstance(each, list | tuple) else 1 for each in listed]
    return bool(reaches) and sum(owners) <= OWNERS_APART


class Asked(NamedTuple):
    """What a page asks of its records besides that they are seen."""

    app: CompiledApp
    entity: CompiledEntity
    shape: ListShape
    behind: Any
    """Makes the condition of records behind the cursor, from the columns of the order; None without a cursor."""
    limit: int
    dialect: Dialect


def newest_within(asked: Asked, reaches: Sequence[Reach]) -> sa.Select[Any]:
    """Return the statement of the ids of one page."""
    streams = [_stream(asked, reach, place) for place, reach in enumerate(reaches)]
    found = (sa.union(*streams) if len(streams) > 1 else streams[0]).subquery("reached")
    return _ordered(sa.select(found.c.id), asked, [found.c[name] for name in _NEWEST])


def _stream(asked: Asked, reach: Reach, place: int) -> sa.Select[Any]:
    """Return the newest of each owner, and so some more than a page takes."""
    row = asked.entity.table.alias(f"own{place}")
    owner = row.c[reach.field]
    name = f"p{reach.owners.index}"
    if reach.owners.type.element is None:
        one = _newest(asked, reach, row, owner == sa.bindparam(name, type_=Identifier()))
        return sa.select(one.subquery(f"newest{place}"))
    owners = sa.bindparam(name, type_=list_type(Identifier(), asked.dialect))
    if asked.dialect == "postgresql":
        each = sa.func.unnest(owners).table_valued(sa.column("value", Identifier()), name=f"owner{place}")
        each = each.render_derived()
        theirs = _newest(asked, reach, row, owner == each.c.value).correlate(each).lateral(f"newest{place}")
        return sa.select(*(theirs.c[key] for key in _NEWEST)).select_from(each.join(theirs, sa.true()))
    each = sa.func.json_each(owners).table_valued("value", name=f"owner{place}")
    newest = asked.entity.table.alias(
        f"newest{place}"
    )  # SQLite has no LATERAL: the rows of each owner by their numbers
    number: Element = sa.literal_column(f"own{place}.rowid", sa.Integer())
    numbers = _newest(asked, reach, row, owner == each.c.value, [number]).correlate(each)
    here = sa.literal_column(f"newest{place}.rowid", sa.Integer()).in_(numbers)
    return sa.select(*(newest.c[key] for key in _NEWEST)).select_from(each.join(newest, here))


def _newest(
    asked: Asked, reach: Reach, row: sa.FromClause, own: Element, columns: Sequence[Element] | None = None
) -> sa.Select[Any]:
    whole = asked.app.whole
    joins = Joins(asked.app, asked.entity, row, asked.dialect)
    conditions = [own]
    if reach.rest is not None:
        bare = Joins(whole, whole.entities[asked.entity.key], row, asked.dialect)
        conditions.append(to_condition(reach.rest, bare, asked.dialect))
    if asked.shape.condition is not None:
        conditions.append(to_condition(asked.shape.condition, joins, asked.dialect))
    keys = [row.c[name] for name in _NEWEST]
    if asked.behind is not None:
        conditions.append(asked.behind(keys))
    wanted = sa.select(*(keys if columns is None else columns)).select_from(joins.from_clause()).where(*conditions)
    return _ordered(wanted, asked, keys)


def _ordered(wanted: sa.Select[Any], asked: Asked, keys: Sequence[Element]) -> sa.Select[Any]:
    descending = asked.shape.sort[0].descending
    order = [key.desc() if descending else key.asc() for key in keys]
    return wanted.order_by(*order).limit(sa.literal_column(str(asked.limit)))
