"""What no write of records changes is asked once per transaction."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from builder.store.statement import Query, Unit, prepare
from runtime.automations.people import PlatformPeople
from runtime.records.seams import Course

ANN, BOB = "019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"


class Asked:
    """A write whose database knows two people, and what it was asked."""

    def __init__(self) -> None:
        statements = SimpleNamespace(listed=lambda: [ANN, BOB], kept=self._kept)
        course = SimpleNamespace(looked_up={})
        self.writing: Any = SimpleNamespace(statements=statements, course=course)
        self.queries: list[Query] = []
        self._statements: dict[Any, Any] = {}

    def _kept(self, key: Any, make: Any) -> Any:
        return self._statements.setdefault(key, prepare(make("sqlite"), "sqlite"))

    def run(self, unit: Unit[Any]) -> Any:
        try:
            query = next(unit)
            while True:
                self.queries.append(query)
                query = unit.send([(ANN, None), (BOB, None)])
        except StopIteration as stop:
            return stop.value


def test_the_same_question_is_asked_once() -> None:
    asked, people = Asked(), PlatformPeople()
    assert asked.run(people.active(asked.writing, [BOB, ANN])) == [BOB, ANN]
    assert asked.run(people.active(asked.writing, [BOB, ANN])) == [BOB, ANN]
    assert len(asked.queries) == 1
    assert asked.run(people.active(asked.writing, [ANN])) == [ANN]
    assert asked.run(people.by_username(asked.writing, ["ann"])) == [ANN, BOB]
    assert len(asked.queries) == 3


def test_another_try_asks_again() -> None:
    course = Course(SimpleNamespace())  # type: ignore[arg-type]
    course.looked_up[prepare(sa.select(1), "sqlite"), ()] = []
    course.begin()
    assert not course.looked_up
