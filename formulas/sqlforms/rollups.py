"""Functions over the rows of a to-many relation, as correlated subqueries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.core import Element, Emitter, Related, Sql, error, no_form, number, raw
from formulas.sqlforms.numbers import fitted
from formulas.sqlforms.template import pieces
from formulas.tree import Rollup
from formulas.types import BOOLEAN, Type


@dataclass(frozen=True, slots=True)
class _Rows:
    """A rollup on its way: the related rows, the emitter of one of them, and what is asked of it."""

    outer: Emitter
    inner: Emitter
    related: Related
    condition: Element | None
    tree: Rollup

    def value(self) -> Sql:
        assert self.tree.value is not None
        return self.inner.value(self.tree.value)

    def scalar(self, column: Element) -> Sql:
        query = self.related.select([column], self.condition).scalar_subquery()
        type_ = self.tree.type
        wide = is_wide(type_) and not self.outer.postgresql
        return Sql(sa.type_coerce(query, bind_type(type_, self.outer.dialect)), type_, wide)


def rollup(emitter: Emitter, tree: Rollup) -> Sql:
    """The SQL of a rollup node, with its condition on the related row. An error in a row makes the whole blank."""
    related = emitter.scopes[-1 - tree.up].related(tree.relation)
    inner = emitter.inside(related.resolver)
    condition = None if tree.condition is None else inner.condition(tree.condition)
    rows = _Rows(emitter, inner, related, condition, tree)
    if tree.function == "EXISTS":
        return Sql(related.select([number(1)], condition).exists(), BOOLEAN)
    form = FUNCTIONS.get(tree.function)
    if form is None:
        raise no_form(tree.function)
    return form(rows)


def _guarded(rows: _Rows, column: Element) -> Element:
    """Null where the value of any row is an error."""
    assert rows.tree.value is not None
    failed = error(rows.inner, rows.tree.value)
    if failed is None:
        return column
    return sa.case((sa.func.max(sa.case((failed, number(1)), else_=number(0))) == number(1), sa.null()), else_=column)


def _count(rows: _Rows) -> Sql:
    if rows.tree.value is None:
        return rows.scalar(sa.func.count())
    return rows.scalar(_guarded(rows, sa.func.count(rows.value().element)))


def _count_unique(rows: _Rows) -> Sql:
    return rows.scalar(_guarded(rows, sa.func.count(rows.value().element.distinct())))


def _sum(rows: _Rows) -> Sql:
    value = rows.value()
    if rows.outer.postgresql:
        return rows.scalar(
            _guarded(rows, sa.func.coalesce(sa.func.sum(sa.cast(value.element, sa.Numeric())), number(0)))
        )
    if value.wide:
        summed = sa.func.formula_sum(fitted(rows.outer, value, rows.tree.type), type_=sa.Text())
        return rows.scalar(_guarded(rows, sa.func.coalesce(summed, sa.literal_column("'0'"))))
    summed = sa.func.coalesce(sa.func.sum(raw(value.element, sa.BigInteger())), number(0))
    return rows.scalar(_guarded(rows, _widened(summed, value.type, rows.tree.type)))


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
    query = rows.related.select([value], rows.condition).where(order.is_not(sa.null()))
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
