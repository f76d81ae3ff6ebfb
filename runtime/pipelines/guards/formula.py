"""``formula``: see ``builder/definition/guards/formula.py``."""

from __future__ import annotations

from builder.definition.guards.formula import FormulaGuard
from builder.store.statement import Unit
from formulas.checker import check_condition
from formulas.filters import parse_filter
from formulas.tree import paths
from runtime.pipelines.guards.base import Found, Plain, Standing, Texts
from runtime.pipelines.todo import Todo, of_field, sentence


class FormulaKind(Plain):
    """Asks a condition; only true counts."""

    model = FormulaGuard

    def formulas(self, guard: FormulaGuard) -> Texts:
        """The condition."""
        return (guard.formula,)

    def unmet(self, guard: FormulaGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line for each field by which it is mended, or one without."""
        yield from ()
        if found.values[0] is True:
            return []
        message = sentence(guard.message)
        keys = guard.fields or _own_fields(guard, s)
        lines = [of_field(s.entity, key, "formula", message, s.shown.get(key)) for key in keys]
        return lines or [Todo("formula", message)]


def _own_fields(guard: FormulaGuard, s: Standing) -> tuple[str, ...]:
    """Return the fields that people can fill in among those the condition reads."""
    text = guard.formula
    app, key = s.w.app, s.entity.key
    tree = check_condition(text, app, key) if isinstance(text, str) else parse_filter(text, app, key)
    read = list(paths(tree))
    own = {path[0] for path in read if len(path) == 1} - {path[0] for path in read if len(path) > 1}
    return tuple(field.key for field in s.entity.plain if field.key in own and not field.assigned)[:1]
