"""Functions over the rows of a to-many relation, as correlated subqueries."""

from __future__ import annotations

from formulas.sqlforms.core import Element, Emitter, Related, Sql, no_form, number
from formulas.tree import Rollup
from formulas.types import BOOLEAN


def rollup(emitter: Emitter, tree: Rollup) -> Sql:
    """The SQL of a rollup node, with its condition on the related row."""
    related = emitter.scopes[-1 - tree.up].related(tree.relation)
    inner = emitter.inside(related.resolver)
    condition = None if tree.condition is None else inner.condition(tree.condition)
    if tree.function == "EXISTS":
        return _exists(related, condition)
    raise no_form(tree.function)


def _exists(related: Related, condition: Element | None) -> Sql:
    return Sql(related.select([number(1)], condition).exists(), BOOLEAN)
