"""``checklist``: see ``builder/definition/guards/checklist.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.resolver import Joins
from builder.definition.guards.checklist import ChecklistGuard
from builder.fields.base import label_text
from builder.kernel.text import say
from builder.store.statement import Query, Unit
from formulas.errors import CellError
from runtime.expressions.expressions import context_of, moment
from runtime.pipelines.guards.base import Asking, Found, Plain, Standing, Texts, words
from runtime.pipelines.todo import Todo
from runtime.query.statements import sql_dialect

_SHOWN = 30


class ChecklistKind(Plain):
    """Counts the items, and those that are red without a remedy."""

    model = ChecklistGuard
    columns = 2

    def formulas(self, guard: ChecklistGuard) -> Texts:
        """What theirs has to be equal to."""
        return (guard.ours,)

    def counts(self, guard: ChecklistGuard, asking: Asking) -> Sequence[sa.ColumnElement[Any]]:
        """All items, and the red ones without a remedy."""
        found = []
        for red in (False, True):
            joins, conditions = _items(guard, asking, red=red)
            counted = sa.select(sa.func.count()).select_from(joins.from_clause()).where(*conditions)
            found.append(counted.scalar_subquery())
        return found

    def values(self, guard: ChecklistGuard, s: Standing, values: Sequence[Any]) -> Mapping[str, Any]:
        """Whose items."""
        return {"ours": None if isinstance(values[0], CellError) else values[0]}

    def unmet(self, guard: ChecklistGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line if items are missing, and one for each red item without a remedy."""
        count, red = (int(number or 0) for number in found.counts)
        target = s.w.app.entities[guard.entity]
        label = target.label()
        lines: list[Todo] = []
        if count < guard.minimum:
            message = say(
                f"“{label.zh}”要有 {guard.minimum} 项,现有 {count} 项",
                f"{label.en} needs {guard.minimum} items; there are {count}",
            )
            needed = {"minimum": guard.minimum}
            lines.append(Todo("checklist", message, label=label, current=count, needed=needed, entity=guard.entity))
        if red:
            lines += yield from _name(guard, s, target, found.values[0])
        return lines


def _name(guard: ChecklistGuard, s: Standing, target: CompiledEntity, ours: Any) -> Unit[list[Todo]]:
    w = s.w

    def make(dialect: str) -> sa.Select[Any, Any]:
        asking = Asking(w.app, sql_dialect(dialect), "g_")
        joins, conditions = _items(guard, asking, red=True)
        title = joins.at((target.title_key,)) if target.title_key is not None else joins.at(("id",))
        chosen = sa.select(joins.at(("id",)), sa.cast(title, sa.Text)).select_from(joins.from_clause())
        return chosen.where(*conditions).order_by(joins.at(("created_at",)), joins.at(("id",))).limit(_SHOWN)

    statement = w.statements.kept(("guards", "red", s.entity.key, guard.model_dump_json()), make)
    rows = yield Query(statement, {**moment(context_of(w)), "g_ours": ours})
    remedy = label_text(target.fields[guard.remedy].label)
    lines = []
    for item_id, title in rows:
        made = say(f"“{title}”为红灯,请填写“{remedy.zh}”", f'"{title}" is red; fill in {remedy.en}')
        lines.append(
            Todo(
                "checklist.red",
                words(guard, made),
                field=guard.remedy,
                label=say(str(title), str(title)),
                entity=guard.entity,
                record_id=str(item_id),
            )
        )
    return lines


def _items(guard: ChecklistGuard, asking: Asking, *, red: bool) -> tuple[Joins, list[sa.ColumnElement[Any]]]:
    target = asking.app.entities[guard.entity]
    joins = Joins(asking.app, target, target.table.alias(), asking.dialect)
    theirs = joins.at((guard.theirs,))
    conditions: list[sa.ColumnElement[Any]] = [theirs == asking.param("ours", theirs.type)]
    if red:
        conditions += [asking.holds(target, joins, guard.red), joins.at((guard.remedy,)).is_(None)]
    return joins, conditions
