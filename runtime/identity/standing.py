"""Who stands where: departments with those below, people with those who report to them, and who has which role of which app.

Reads: dougong_department, dougong_user, dougong_grant. The rows are small and change seldom, so they are read once per identity epoch
(whatever changes them raises it) and answered from memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.store import tables
from builder.store.statement import Query, Unit, prepare

_DEEPEST = 50


class Person(NamedTuple):
    """What roles and rows hang on."""

    id: str
    department_id: str | None
    manager_id: str | None
    position: str | None


class Given(NamedTuple):
    """A role of an app given to somebody."""

    app: str
    role: str
    kind: str
    subject: str


class Standing:
    """Departments, people and grants at one identity epoch."""

    def __init__(self, parents: Mapping[str, str | None], people: Sequence[Person], grants: Sequence[Given]) -> None:
        self._parents = parents
        self._grants = grants
        self._below: dict[str, list[str]] = _grouped((parent, key) for key, parent in parents.items())
        self._members: dict[str, list[str]] = _grouped((p.department_id, p.id) for p in people)
        self._reporting: dict[str, list[str]] = _grouped((p.manager_id, p.id) for p in people)

    def departments_of(self, department_id: str | None) -> tuple[str, ...]:
        """Return a department and all below it."""
        return () if department_id is None else _walk(department_id, self._below)

    def team_of(self, department_id: str | None) -> tuple[str, ...]:
        """Return everybody in a department or one below it."""
        return tuple(sorted(p for d in self.departments_of(department_id) for p in self._members.get(d, ())))

    def reports_of(self, user_id: str) -> tuple[str, ...]:
        """Return everybody who reports to a person, directly or over others."""
        return tuple(sorted(_walk(user_id, self._reporting)[1:]))

    def roles_of(self, person: Person) -> dict[str, frozenset[str]]:
        """Return the roles of a person by app: their own, their position's, their department's and those of the ones above it."""
        above = set(self._above(person.department_id))
        found: dict[str, set[str]] = {}
        for given in self._grants:
            if (
                given.kind == "everyone"
                or (given.kind == "user" and given.subject == person.id)
                or (given.kind == "position" and given.subject == person.position)
                or (given.kind == "department" and given.subject in above)
            ):
                found.setdefault(given.app, set()).add(given.role)
        return {app: frozenset(roles) for app, roles in found.items()}

    def _above(self, department_id: str | None) -> Iterable[str]:
        for _ in range(_DEEPEST):
            if department_id is None:
                return
            yield department_id
            department_id = self._parents.get(department_id)


def read_standing(dialect: str) -> Unit[Standing]:
    """Read all of it. Cost: three statements."""
    d, u, g = tables.department.c, tables.user.c, tables.grant.c
    wanted = (
        sa.select(d.id, d.parent_id),
        sa.select(u.id, u.department_id, u.manager_id, u.position),
        sa.select(g.app, g.role, g.kind, g.subject),
    )
    departments = yield Query(prepare(wanted[0], dialect), {})
    people = yield Query(prepare(wanted[1], dialect), {})
    grants = yield Query(prepare(wanted[2], dialect), {})
    return Standing(
        {str(row[0]): _text(row[1]) for row in departments},
        [Person(str(row[0]), _text(row[1]), _text(row[2]), row[3]) for row in people],
        [Given(*row) for row in grants],
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _grouped(pairs: Iterable[tuple[str | None, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for above, below in pairs:
        if above is not None:
            found.setdefault(above, []).append(below)
    return found


def _walk(start: str, below: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return where one starts and all below; a circle ends, because each is taken up once."""
    found = dict.fromkeys([start])
    waiting = [start]
    while waiting:
        for each in below.get(waiting.pop(), ()):
            if each not in found:
                found[each] = None
                waiting.append(each)
    return tuple(found)
