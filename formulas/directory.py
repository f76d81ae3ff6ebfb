"""A directory given as values: the people and departments that a line of a batch or a test brings along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from formulas.literals import WrongValueError
from formulas.schema import Directory
from formulas.sqlforms.core import Asked, Element

#: How far a department's path is followed upwards: a circle ends there.
DEEPEST = 50
PEOPLE_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Listed(Directory):
    """People with their department and manager, departments with their name and the one above."""

    departments: Mapping[str, str | None] = field(default_factory=dict)
    managers: Mapping[str, str | None] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str | None] = field(default_factory=dict)

    def answer(self, function: str, subject: str) -> str | None:
        """As listed."""
        if function in ("DEPTPATH", "DEPTIDS"):
            return self._path(subject, ids=function == "DEPTIDS")
        return (self.departments if function == "USERDEPT" else self.managers).get(subject)

    def subjects(self, function: str) -> Iterable[str]:
        """Everything that something is known of."""
        return self.names if function in ("DEPTPATH", "DEPTIDS") else self.departments

    def _path(self, department: str | None, *, ids: bool) -> str | None:
        names: list[str] = []
        while department is not None and department in self.names and len(names) < DEEPEST:
            names.append(department if ids else self.names[department])
            department = self.parents.get(department)
        return "/".join(reversed(names)) or None


def read_directory(given: object) -> Listed:
    """`{"people": {id: {"department", "manager"}}, "departments": {id: {"name", "parent"}}}`. Raises `WrongValueError`."""
    if given is None:
        return Listed()
    if not isinstance(given, dict) or not given.keys() <= {"people", "departments"}:
        raise WrongValueError
    people = _entries(given.get("people", {}), {"department", "manager"})
    departments = _entries(given.get("departments", {}), {"name", "parent"})
    names = {key: entry.get("name") or key for key, entry in departments.items()}
    return Listed(
        {key: entry.get("department") for key, entry in people.items()},
        {key: entry.get("manager") for key, entry in people.items()},
        names,
        {key: entry.get("parent") for key, entry in departments.items()},
    )


def _entries(given: object, members: set[str]) -> dict[str, dict[str, str | None]]:
    if not isinstance(given, dict) or len(given) > PEOPLE_LIMIT:
        raise WrongValueError
    for entry in given.values():
        plain = isinstance(entry, dict) and entry.keys() <= members
        if not plain or not all(value is None or isinstance(value, str) for value in entry.values()):
            raise WrongValueError
    return given


def asked_of(directory: Directory, function: str, literal: Callable[[str | None], Element]) -> Asked:
    """The same in SQL, as a choice over everybody who is listed."""
    known = directory.subjects(function) if isinstance(directory, Listed) else ()
    pairs = [(subject, directory.answer(function, subject)) for subject in known]

    def answer(subject: Element) -> Element:
        whens = [(subject == literal(key), literal(value)) for key, value in pairs if value is not None]
        return sa.case(*whens) if whens else literal(None)

    return Asked(sa.column("subject", sa.Text()), answer)
