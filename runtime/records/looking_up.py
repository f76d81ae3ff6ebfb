"""Questions about what no write of records changes (people, connections): each is asked once per transaction, however many messages ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from builder.store.statement import Query, Rows, Statement, Unit

if TYPE_CHECKING:
    from runtime.records.writer import Writing


def look_up(w: Writing, statement: Statement, values: Mapping[str, str]) -> Unit[Rows]:
    """Return the rows of a select; of the same question in one write those that were found before."""
    asked = statement, tuple(sorted(values.items()))
    found = w.course.looked_up.get(asked)
    if found is None:
        found = w.course.looked_up[asked] = yield Query(statement, values)
    return found
