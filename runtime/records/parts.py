"""A part of a write that can be undone alone: a savepoint of the database, and of what the write remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from builder.kernel.problems import Problem
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Statement, Unit
from runtime.records.writer import Writing

T = TypeVar("T")

_SAVE = Statement("SAVEPOINT part", (), has_rows=False)
_BACK = Statement("ROLLBACK TO SAVEPOINT part", (), has_rows=False)
_RELEASE = Statement("RELEASE SAVEPOINT part", (), has_rows=False)


def try_part(w: Writing, make: Callable[[], Unit[T]]) -> Unit[T | Problem | ConstraintRefused]:
    """Run a part of a write; what refuses it is returned, and nothing of it stays."""
    go_back, changes = w.course.mark(), w.changes.mark()
    yield Query(_SAVE, {})
    try:
        result = yield from make()
    except (Problem, ConstraintRefused) as refused:
        yield Query(_BACK, {})
        yield Query(_RELEASE, {})
        go_back()
        w.changes.go_back(changes)
        return refused
    yield Query(_RELEASE, {})
    return result
