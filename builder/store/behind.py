"""Rows that nothing in a unit asks for: they are inserted behind everything else, those of one statement together.

A reminder that falls due for five hundred records writes five hundred messages: one trip to PostgreSQL instead of five hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, NamedTuple, TypeVar

from builder.store.statement import Query, Rows, Sheet, Statement, Unit

T = TypeVar("T")

_TAKEN: Rows = ((1,),)


def put_behind(unit: Unit[T], tables: Set[str]) -> Unit[T]:
    """Run a unit; its inserts into some tables come last, in their order. What a constraint says against them is raised at the end.

    Args:
        tables: no row of others refers to theirs.
    """
    waiting = _Waiting(tables)
    result = yield from _without(unit, waiting)
    yield from waiting.insert()
    return result


def _without(unit: Unit[T], waiting: _Waiting) -> Unit[T]:
    try:
        query = next(unit)
        while True:
            if waiting.take(query):
                query = unit.send(_TAKEN)
                continue
            if waiting.is_asked_by(query):
                yield from waiting.insert()
            try:
                rows = yield query
            except Exception as error:  # noqa: BLE001 - whatever it is belongs to the unit: this stands between as ``yield from`` would
                query = unit.throw(error)
            else:
                query = unit.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


class _Waiting:
    """Inserts that are put off."""

    def __init__(self, tables: Set[str]) -> None:
        self._tables = tables
        self._taken: list[Query] = []
        self._done = 0
        """So many of them are inserted."""
        self._marks: list[_Mark] = []

    def take(self, query: Query) -> bool:
        """Take an insert that can wait; and follow what is undone."""
        statement = query.statement
        if statement.inserts in self._tables and not isinstance(query.values, Sheet):
            self._taken.append(query)
            return True
        verb, _, name = statement.sql.partition("SAVEPOINT ")
        if name and not verb:
            self._marks.append(_Mark(name, len(self._taken), self._done))
        elif name and verb == "ROLLBACK TO ":
            mark = self._last(name)
            self._marks.append(mark)  # it can be gone back to again
            self._done = mark.done  # what was inserted since is undone with the rest
            del self._taken[mark.taken :]
        elif name and verb == "RELEASE ":
            self._last(name)
        return False

    def _last(self, name: str) -> _Mark:
        while (mark := self._marks.pop()).name != name:
            pass
        return mark

    def is_asked_by(self, query: Query) -> bool:
        """Whether a read looks at what waits."""
        reads = query.statement.reads
        return reads is not None and len(self._taken) > self._done and not reads.isdisjoint(self._tables)

    def insert(self) -> Unit[None]:
        """Insert what waits."""
        together: dict[Statement, list[Mapping[str, Any]]] = {}
        for statement, values in self._taken[self._done :]:
            assert not isinstance(values, Sheet)
            together.setdefault(statement, []).extend([values] if isinstance(values, Mapping) else values)
        self._done = len(self._taken)
        for statement, rows in together.items():
            yield Query(statement, rows if len(rows) > 1 else rows[0])


class _Mark(NamedTuple):
    """How it was at a savepoint."""

    name: str
    taken: int
    done: int
