"""A parent's sums and counts when one child is all that a write has changed: what it adds now instead of what it added before.

A parent of 100,000 children costs as much as one of ten. The parent is held and read as for a recount; wherever anything is not known
for certain (a value that is blank because it was too large, a value of the child that today's definition would not take), it is a recount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import Computed
from builder.compiled.differences import Differences, Share
from builder.fields.base import Invalid
from builder.store.statement import DIALECTS, Query, Rows, Statement, Unit
from builder.store.types import Identifier
from formulas.schema import Context
from runtime.records.own_values import OwnValues

if TYPE_CHECKING:
    from runtime.records.writer import Writing

Values = Mapping[str, Any]


class Sole(NamedTuple):
    """The one record that a write has created or changed so far."""

    entity: CompiledEntity
    id: str
    before: Values
    """As shown (JSON); empty for a new record."""
    after: Values
    """Canonical values of what changed; of a new record of everything."""


class Turned(NamedTuple):
    """A parent's values as they have to be."""

    id: str
    values: dict[str, Any]
    moved: tuple[Computed, ...]
    """The fields of which the value is another one."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statement that sets them is given."""
        return {"id": self.id, **{f"v_{key}": value for key, value in self.values.items()}}


def child_values(sole: Sole, reads: Iterable[str]) -> tuple[Values, Values] | None:
    """Return what the record's fields were and are; None if that cannot be told of all."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for key in reads:
        given = sole.before.get(key)
        try:
            before[key] = None if given is None else sole.entity.fields[key].coerce(given)
        except Invalid:
            return None
        if given is not None and before[key] is None:
            return None
        after[key] = sole.after[key] if key in sole.after else before[key]
    return before, after


def turned(
    w: Writing, differences: Differences, values: tuple[Values, Values], rows: Rows, context: Context
) -> list[Turned] | None:
    """Return the parents' new values from those they have; None: they have to be recounted.

    Args:
        rows: of each parent its id and the values of the round's fields, as the driver gives them.
    """
    before, after = values
    found: list[Turned] = []
    for parent, *kept in rows:
        new: dict[str, Any] = {}
        moved: list[Computed] = []
        for share, was in zip(differences.shares, _read(w, differences.shares, kept), strict=True):
            adds, added = (_adds(share, each, differences.by, str(parent), context) for each in (after, before))
            value = None if was is None else share.computed.keep(was + adds - added)
            if value is None:
                return None
            new[share.computed.key] = value
            if value != was:
                moved.append(share.computed)
        found.append(Turned(str(parent), new, tuple(moved)))
    return found


def _adds(share: Share, child: Values, by: str, parent: str, context: Context) -> Any:
    if child[by] != parent:
        return 0
    if share.condition is not None and share.condition.run(OwnValues(child), context) is not True:
        return 0
    return 1 if share.value is None else child[share.value] or 0


def _read(w: Writing, shares: Sequence[Share], kept: Sequence[Any]) -> list[Any]:
    """Return values of columns as the language has them."""
    dialect = DIALECTS[w.statements.dialect]
    values = []
    for share, value in zip(shares, kept, strict=True):
        column = w.app.entities[share.computed.entity].table.c[share.computed.key]
        convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
        values.append(value if value is None or convert is None else convert(value))
    return values


def set_values(w: Writing, entity: CompiledEntity, parents: Iterable[Turned]) -> Unit[None]:
    """Write the values of the parents that differ."""
    for parent in parents:
        if parent.moved:
            yield Query(_set_statement(w, entity, tuple(parent.values)), parent.parameters)


def _set_statement(w: Writing, entity: CompiledEntity, keys: tuple[str, ...]) -> Statement:
    return w.statements.kept(("set", entity.key, keys), lambda _: _set(entity, keys))


def _set(entity: CompiledEntity, keys: Iterable[str]) -> sa.Update:
    table = entity.table
    values = {key: sa.bindparam(f"v_{key}", type_=table.c[key].type) for key in keys}
    return sa.update(table).where(table.c.id == sa.bindparam("id", type_=Identifier())).values(values)
