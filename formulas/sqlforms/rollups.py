"""Functions over the rows of a to-many relation, as correlated subqueries, or gathered in one pass over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.core import Element, Emitter, Gathered, Gathering, Related, Sql, error, no_form, number, raw
from formulas.sqlforms.numbers import fitted
from formulas.sqlforms.shortcuts import Shortcuts
from formulas.sqlforms.template import pieces
from formulas.tree import Path, Rollup, children
from formulas.types import BOOLEAN, Type


@dataclass(frozen=True, slots=True)
class _Rows:
    """A rollup on its way: the related rows, the emitter of one of them, and what is asked of it."""

    outer: Emitter
    inner: Emitter
    tree: Rollup
    related: Related | None
    """For a subquery of its own, with the condition on its rows."""
    condition: Element | None
    gathered: Gathered | None
    """Rows that other rollups share; those that do not count give nulls, which every aggregate skips."""
    only: Element | None

    def value(self) -> Sql:
        assert self.tree.value is not None
        value = self.inner.value(self.tree.value)
        if self.only is None:
            return value
        native = None if value.short.native is None else self._of_counting(value.short.native)
        short = Shortcuts(native, value.short.firm)
        return replace(value, element=self._of_counting(value.element), column=None, short=short)

    def ones(self) -> Element | None:
        """A column to count rows by that is null for those that do not count."""
        return None if self.only is None else self._of_counting(number(1))

    def failed(self) -> Element | None:
        """Whether the value of a row that counts is an error."""
        assert self.tree.value is not None
        found = error(self.inner, self.tree.value)
        return found if found is None or self.only is None else sa.and_(self.only, found)

    def scalar(self, aggregate: Element, empty: Element | None = None) -> Sql:
        if self.gathered is not None:
            found = self.gathered.add(aggregate, sa.null() if empty is None else empty)
        else:
            found = self.select([aggregate]).scalar_subquery()
        type_ = self.tree.type
        wide = is_wide(type_) and not self.outer.postgresql
        return Sql(sa.type_coerce(found, bind_type(type_, self.outer.dialect)), type_, wide)

    def select(self, columns: Sequence[Element]) -> sa.Select[Any]:
        """A subquery of its own."""
        assert self.related is not None
        return self.related.select(columns, self.condition)

    def _of_counting(self, element: Element) -> Element:
        assert self.only is not None
        return sa.type_coerce(sa.case((self.only, element)), element.type)


def rollup(emitter: Emitter, tree: Rollup) -> Sql:
    """The SQL of a rollup node, with its condition on the related row. An error in a row makes the whole blank."""
    rows = _rows(emitter, tree)
    if tree.function == "EXISTS":
        return Sql(rows.select([number(1)]).exists(), BOOLEAN)
    form = FUNCTIONS.get(tree.function)
    if form is None:
        raise no_form(tree.function)
    return form(rows)


def _rows(emitter: Emitter, tree: Rollup) -> _Rows:
    scope = emitter.scopes[-1 - tree.up]
    gathered = None
    if isinstance(scope, Gathering) and tree.function not in _BY_THEMSELVES and not _reads_outside(tree):
        gathered = scope.gathered(tree.relation)
    if gathered is not None:
        inner = emitter.inside(gathered.resolver)
        return _Rows(emitter, inner, tree, None, None, gathered, _condition(inner, tree))
    related = scope.related(tree.relation)
    inner = emitter.inside(related.resolver)
    return _Rows(emitter, inner, tree, related, _condition(inner, tree), None, None)


def _condition(inner: Emitter, tree: Rollup) -> Element | None:
    return None if tree.condition is None else inner.condition(tree.condition)


#: These take one row, or none.
_BY_THEMSELVES = frozenset(("EXISTS", "FIRST", "LAST"))


def _reads_outside(tree: Rollup) -> bool:
    """Whether something in it belongs to the row above (`this.`)."""
    pending = [(part, 0) for part in children(tree)]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, Path | Rollup) and node.up > depth:
            return True
        inside = depth + isinstance(node, Rollup)
        pending += [(part, inside) for part in children(node)]
    return False


def _guarded(rows: _Rows, column: Element) -> Element:
    """Null where the value of any row is an error."""
    failed = rows.failed()
    if failed is None:
        return column
    return sa.case((sa.func.max(sa.case((failed, number(1)), else_=number(0))) == number(1), sa.null()), else_=column)


def _count(rows: _Rows) -> Sql:
    if rows.tree.value is None:
        ones = rows.ones()
        return rows.scalar(sa.func.count() if ones is None else sa.func.count(ones), number(0))
    return rows.scalar(_guarded(rows, sa.func.count(rows.value().element)), number(0))


def _count_unique(rows: _Rows) -> Sql:
    return rows.scalar(_guarded(rows, sa.func.count(rows.value().element.distinct())), number(0))


def _sum(rows: _Rows) -> Sql:
    value = rows.value()
    if rows.outer.postgresql:
        exact = sa.func.coalesce(sa.func.sum(sa.cast(value.element, sa.Numeric())), number(0))
        return rows.scalar(_guarded(rows, exact), number(0))
    nothing = sa.literal_column("'0'", sa.Text()) if is_wide(rows.tree.type) else number(0)
    if value.wide:
        summed = sa.func.formula_sum(fitted(rows.outer, value, rows.tree.type), type_=sa.Text())
        return rows.scalar(_guarded(rows, sa.func.coalesce(summed, sa.literal_column("'0'"))), nothing)
    summed = sa.func.coalesce(sa.func.sum(raw(value.element, sa.BigInteger())), number(0))
    return rows.scalar(_guarded(rows, _widened(summed, value.type, rows.tree.type)), nothing)


def _widened(summed: Element, from_: Type, type_: Type) -> Element:
    """SQLite: a sum of narrow numbers in the form of its type, which may be wide."""
    if not is_wide(type_):
        return summed
    return sa.func.formula_wide(summed, number(from_.scale), type_=sa.Text())


def _average(rows: _Rows) -> Sql:
    value = rows.value()
    if rows.outer.postgresql:
        element = sa.cast(value.element, sa.Numeric())
        args: list[Element] = [sa.func.sum(element), sa.func.count(element)]
        template = "round(({0} + 0.000000000000000000000000000000) / nullif({1}, 0), 10)"
        return rows.scalar(_guarded(rows, pieces(template, args, sa.Numeric())))
    wide = is_wide(rows.tree.type)
    form = "w" if wide else "n10"
    total = raw(value.element, sa.Text() if value.wide else sa.BigInteger())
    mean = sa.func.formula_mean(total, number(-1 if value.wide else value.type.scale), sa.literal_column(f"'{form}'"))
    return rows.scalar(_guarded(rows, mean))


def _extreme(rows: _Rows) -> Sql:
    value = rows.value()
    least = rows.tree.function == "MIN"
    if value.wide:
        name = sa.func.formula_min if least else sa.func.formula_max
        return rows.scalar(_guarded(rows, name(raw(value.element, sa.Text()))))
    if rows.outer.postgresql and value.type.kind == "boolean":
        name = sa.func.bool_and if least else sa.func.bool_or
        return rows.scalar(_guarded(rows, name(value.element)))
    aggregate = sa.func.min if least else sa.func.max
    return rows.scalar(_guarded(rows, aggregate(raw(value.element, _plain(rows.outer, value.type)))))


def _plain(emitter: Emitter, type_: Type) -> Any:
    if emitter.postgresql:
        return bind_type(type_, "postgresql")
    return sa.BigInteger() if type_.is_number or type_.kind in ("boolean", "duration") else sa.Text()


def _first(rows: _Rows) -> Sql:
    """FIRST and LAST: rows without an order do not count. Rows of equal order are told apart by their id."""
    order = rows.inner.value(rows.tree.options[0]).element
    value = rows.value().element
    last = rows.tree.function == "LAST"
    query = rows.select([value]).where(order.is_not(sa.null()))
    query = query.order_by(order.desc() if last else order.asc()).limit(1)
    type_ = rows.tree.type
    return Sql(sa.type_coerce(query.scalar_subquery(), bind_type(type_, rows.outer.dialect)), type_, rows.value().wide)


FUNCTIONS = {
    "COUNT": _count,
    "COUNTA": _count,
    "COUNTUNIQUE": _count_unique,
    "SUM": _sum,
    "AVERAGE": _average,
    "MIN": _extreme,
    "MAX": _extreme,
    "FIRST": _first,
    "LAST": _first,
}
