"""The back end for sets of rows: a typed tree to a SQLAlchemy expression for SQLite or PostgreSQL."""

from __future__ import annotations

from formulas.sqlforms import compare, rollups, sets, texts
from formulas.sqlforms.core import Condition, Dialect, Element, Emitter, Form, Related, Resolver, Sql
from formulas.tree import Tree

__all__ = ["Dialect", "Related", "Resolver", "Sql", "to_condition", "to_sql"]

FORMS: dict[str, Form] = {**compare.FORMS, **texts.FORMS, **sets.FORMS}
CONDITIONS: dict[str, Condition] = {**compare.CONDITIONS, **texts.CONDITIONS, **sets.CONDITIONS}


def to_sql(tree: Tree, resolver: Resolver, dialect: Dialect) -> Element:
    """The exact value of a tree. An error value (division by zero …) is null.

    `Param` nodes become the bind parameters `p0`, `p1` …, so a shape (`tree.lift`) is compiled once and run with other
    values. Raises `FormulaError` (TYPE) when a function has no SQL form.
    """
    return Emitter(resolver, dialect, FORMS, CONDITIONS, rollups.rollup).value(tree).element


def to_condition(tree: Tree, resolver: Resolver, dialect: Dialect) -> Element:
    """A boolean tree for WHERE, where null and false mean the same: plain operators that indexes serve."""
    return Emitter(resolver, dialect, FORMS, CONDITIONS, rollups.rollup).condition(tree)
