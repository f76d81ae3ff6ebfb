"""``records``: see ``builder/definition/guards/records.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from builder.compiled.resolver import Joins
from builder.definition.guards.records import RecordsGuard
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from builder.store.types import Identifier, Instant
from formulas.errors import CellError
from runtime.pipelines.guards.base import Asking, Found, Plain, Standing, Texts, words
from runtime.pipelines.todo import Todo


class RecordsKind(Plain):
    """Counts related records."""

    model = RecordsGuard
    columns = 1

    def formulas(self, guard: RecordsGuard) -> Texts:
        """What theirs has to be equal to."""
        return (guard.ours,)

    def counts(self, guard: RecordsGuard, asking: Asking) -> Sequence[sa.ColumnElement[Any]]:
        """How many there are."""
        target = asking.app.entities[guard.entity]
        joins = Joins(asking.app, target, target.table.alias(), asking.dialect)
        theirs = joins.at((guard.theirs,))
        conditions = [theirs == asking.param("ours", theirs.type)]
        conditions.append(joins.at(("id",)) != asking.param("self", Identifier()))  # ids are of one kind everywhere
        if guard.condition is not None:
            conditions.append(asking.holds(target, joins, guard.condition))
        if guard.within_hours is not None:
            conditions.append(joins.at(tuple(guard.at.split("."))) >= asking.param("after", Instant()))
        counted = sa.select(sa.func.count()).select_from(joins.from_clause()).where(*conditions)
        return (counted.scalar_subquery(),)

    def values(self, guard: RecordsGuard, s: Standing, values: Sequence[Any]) -> Mapping[str, Any]:
        """The record, what it shares with them, and since when they count."""
        ours = None if isinstance(values[0], CellError) else values[0]
        found = {"ours": ours, "self": s.record_id}
        if guard.within_hours is not None:
            found["after"] = s.w.now - timedelta(hours=guard.within_hours)
        return found

    def unmet(self, guard: RecordsGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line if there are too few or too many."""
        yield from ()
        count = int(found.counts[0] or 0)
        if guard.minimum <= count and (guard.maximum is None or count <= guard.maximum):
            return []
        needed = {"minimum": guard.minimum, **({} if guard.maximum is None else {"maximum": guard.maximum})}
        label = s.w.app.entities[guard.entity].label()
        message = words(guard, _message(guard, label, count))
        return [Todo("records", message, label=label, current=count, needed=needed, entity=guard.entity)]


def _message(guard: RecordsGuard, label: Text, count: int) -> Text:
    zh, en = "", ""
    if guard.within_hours is not None:
        zh, en = f"{guard.within_hours} 小时内", f" within {guard.within_hours} h"
    if count < guard.minimum:
        return say(
            f"{zh}至少要有 {guard.minimum} 条符合条件的“{label.zh}”,现有 {count} 条",
            f"There have to be {guard.minimum} {label.en} that meet the condition{en}; there are {count}",
        )
    return say(
        f"{zh}最多只能有 {guard.maximum} 条这样的“{label.zh}”,现有 {count} 条",
        f"There may be no more than {guard.maximum} such {label.en}{en}; there are {count}",
    )
