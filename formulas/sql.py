"""The back end for sets of rows: a typed tree to a SQLAlchemy expression for SQLite or PostgreSQL."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Any

import sqlalchemy as sa

from formulas.errors import FormulaError, FormulaErrors, Message
from formulas.functions import find_function
from formulas.locate import find_call
from formulas.schema import Context
from formulas.sqlforms import arithmetic, choices, compare, postgresql, rollups
from formulas.sqlforms.calls import call_python
from formulas.sqlforms.core import (
    Asked,
    Asking,
    Condition,
    Dialect,
    Element,
    Emitter,
    Form,
    Gathered,
    Gathering,
    Related,
    Resolver,
    Sql,
)
from formulas.sqlforms.kinds import error_kind
from formulas.sqlforms.numbers import fitted, fitted_within
from formulas.sqlforms.shortcuts import WITHIN_64_BITS, Shortcuts
from formulas.sqlforms.template import pieces
from formulas.tree import Call, Path, Rollup, Tree, walk
from formulas.types import Type

__all__ = [
    "Asked",
    "Asking",
    "Dialect",
    "Gathered",
    "Gathering",
    "Related",
    "Resolver",
    "Sql",
    "has_sql_form",
    "to_condition",
    "to_error_kind",
    "to_sort_key",
    "to_sql",
    "to_stored",
]

#: Operators and choices are said to both databases by one form.
_SHARED: dict[str, Form] = {**compare.FORMS, **choices.FORMS, **arithmetic.FORMS}


class _Declarations:
    """The declared functions as the emitter asks for them."""

    def form(self, function: str, dialect: Dialect) -> Form | None:
        """Shared, then declared for the dialect; SQLite computes every other portable function in Python."""
        if function in _SHARED:
            return _SHARED[function]
        declared = find_function(function)
        if declared.asks:
            return choices.ask
        if not declared.portable or declared.volatility != "stable":
            return None
        if dialect == "postgresql":
            return declared.postgresql or arithmetic.POSTGRESQL.get(function) or postgresql.FORMS.get(function)
        return declared.sqlite or arithmetic.SQLITE.get(function) or call_python

    def condition(self, function: str) -> Condition | None:
        """The form in which only true counts."""
        return compare.CONDITIONS.get(function) or find_function(function).condition

    def letters(self, call: Call) -> list[str]:
        """Signature letters; the last parameter repeats."""
        parameters = find_function(call.function).parameters
        return [parameters[min(place, len(parameters) - 1)].letter for place in range(len(call.args))]

    def fails(self, function: str) -> bool:
        """As declared."""
        return find_function(function).fails

    def strict(self, function: str) -> bool:
        """As declared."""
        return find_function(function).nulls == "P"

    def local(self, function: str) -> bool:
        """Whoever needs the context needs its zone."""
        return find_function(function).needs_context

    def rollup(self, emitter: Emitter, tree: Rollup) -> Sql:
        """Over related rows."""
        return rollups.rollup(emitter, tree)


_DECLARATIONS = _Declarations()


def to_sql(tree: Tree, resolver: Resolver, dialect: Dialect, context: Context | None = None) -> Element:
    """The exact value of a tree. An error value (division by zero …) is null.

    `Param` nodes become the bind parameters `p0`, `p1` …, so a shape (`tree.lift`) is compiled once and run with other
    values. The context gives the zone; bind the moment and the person before (`moments.bind_context`). Raises
    `FormulaError` (TYPE) when a function has no SQL form.
    """
    return _emitter(resolver, dialect, context).value(tree).element


def to_stored(tree: Tree, type_: Type, resolver: Resolver, dialect: Dialect, context: Context | None = None) -> Element:
    """The value of a tree in the storage form of a column of `type_` (at most `NARROW_DIGITS` digits); null where it does not fit.

    An empty text is null: comparisons take it that columns hold none.
    """
    emitter = _emitter(resolver, dialect, context)
    value = emitter.value(tree)
    if type_.is_textual and not isinstance(tree, Path):
        return sa.func.nullif(value.element, sa.literal_column("''"), type_=value.element.type)
    if not type_.is_number:
        return value.element
    if value.type.digits <= type_.digits:
        return fitted(emitter, value, type_) if dialect == "sqlite" else value.element
    if dialect == "sqlite":
        return fitted_within(emitter, value, type_)
    rounded: Element = sa.cast(value.element, sa.Numeric())
    if value.type.scale > type_.scale:
        rounded = sa.func.round(rounded, sa.literal_column(str(type_.scale)))
    within = f"case when abs({{0}}) < {10 ** (type_.digits - type_.scale)} then {{0}} end"
    return pieces(within, [rounded], sa.Numeric())


def to_sort_key(tree: Tree, resolver: Resolver, dialect: Dialect, context: Context | None = None) -> Element:
    """What to order by: the value, except that SQLite keeps numbers of many digits as text, which sorts otherwise."""
    value = _emitter(resolver, dialect, context).value(tree)
    if value.wide:
        key = sa.func.formula_sort_key(value.element, type_=sa.Text())
        return key if value.short.native is None or not value.short.firm else _native_key(value.short, key)
    if dialect == "postgresql" and value.type.is_textual and value.column is None:
        return sa.collate(value.element, "C")
    return value.element


def _native_key(short: Shortcuts, key: Element) -> Element:
    """SQLite sorts texts after all numbers: as integers while they hold, what is above them (or blank) by its exact key.

    What is below them stays a REAL: numbers of more than 18 digits below zero are told apart by their first 15.
    """
    small = None if short.held is None or short.held.small is None else short.held.small.within(WITHIN_64_BITS)
    enough = [] if small is None else [(small, short.native)]
    return sa.case(*enough, (short.native < sa.literal_column(str(WITHIN_64_BITS)), short.native), else_=key)


def to_error_kind(tree: Tree, resolver: Resolver, dialect: Dialect, context: Context | None = None) -> Element | None:
    """Which error the value is (DIV0, VALUE, NUM, NA), null for none; None if it can be none. Raises as `to_sql`."""
    return error_kind(_emitter(resolver, dialect, context), tree)


def to_condition(tree: Tree, resolver: Resolver, dialect: Dialect, context: Context | None = None) -> Element:
    """A boolean tree for WHERE, where null and false mean the same: plain operators that indexes serve."""
    return _emitter(resolver, dialect, context).condition(tree)


def _emitter(resolver: Resolver, dialect: Dialect, context: Context | None) -> Emitter:
    return Emitter(resolver, dialect, _DECLARATIONS, "UTC" if context is None else zone_name(context.zone, context))


def zone_name(zone: tzinfo, context: Context) -> str:
    """The name of a zone, or its fixed offset in seconds."""
    key: Any = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    offset = zone.utcoffset(context.now) or timedelta(0)
    return str(int(offset.total_seconds())) if offset else "UTC"


def require_sql_form(tree: Tree, text: str) -> None:
    """Let a condition pass that both databases can judge; `text` is how it was written, to point into. Raises `FormulaErrors`."""
    for node in walk(tree):
        if not (has_sql_form(node, "sqlite") and has_sql_form(node, "postgresql")):
            name = getattr(node, "function", "")
            zh, en = (
                f"数据库不能计算 {name}，请先做成公式字段",
                f"the database cannot compute {name}; put it into a formula field",
            )
            raise FormulaErrors([FormulaError("TYPE", Message(zh, en), find_call(text, name))])


def has_sql_form(tree: Tree, dialect: Dialect) -> bool:
    """Whether this call, apart from its arguments, can be computed by the database."""
    if isinstance(tree, Rollup):
        return tree.function == "EXISTS" or tree.function in rollups.FUNCTIONS
    if not isinstance(tree, Call) or tree.function in ("IFS", "SWITCH"):  # written as IF, which both know
        return True
    return _DECLARATIONS.form(tree.function, dialect) is not None
