"""``Package``: an app's documents together with its sample records, as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from builder.definition.kinds import Definition
from builder.kernel.limits import VIOLATIONS_SHOWN
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import errors_found, say

USERS = "_users"
DEPARTMENTS = "_departments"
GRANTS = "_grants"
#: Sample files that are not an entity's; no entity's key begins with an underscore.
PEOPLE_FILES: tuple[str, ...] = (DEPARTMENTS, USERS, GRANTS)

SAMPLE_FOLDER = "sample"


@dataclass(frozen=True)
class Package:
    """An app that can be carried away: folder, one JSON or zip, always the same value."""

    definition: Definition
    sample: Mapping[str, str] = field(default_factory=dict)
    """Name of the file without ``.csv`` (an entity's key, ``_users``, ``_departments``) -> CSV text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample", MappingProxyType(dict(sorted(self.sample.items()))))

    @property
    def key(self) -> str:
        """The app's key."""
        return self.definition.key


def in_file(violation: Violation, file: str) -> Violation:
    """Return the violation with the file it was found in: ``params["file"]``; the pointer stays inside the document."""
    params = {"file": file, **violation.params}
    message = say(f"{file}:{violation.message.zh}", f"{file}: {violation.message.en}")
    return Violation(violation.code, violation.pointer, message, params)


def unknown_sample(name: str, entities: Sequence[str], file: str, pointer: str = "") -> Violation | None:
    """Say that a sample file belongs to nothing, or return None if it does."""
    known = (*entities, *PEOPLE_FILES)
    if name in known:
        return None
    hint = nearest_hint(name, known)
    message = say(f"没有实体“{name}”{hint.zh}", f'There is no entity "{name}"{hint.en}')
    return in_file(Violation("unknown", pointer, message), file)


def invalid_package(violations: Sequence[Violation]) -> Problem:
    """Return the problem that tells everything wrong with a package at once."""
    count = len(violations)
    return Problem(
        "package.invalid",
        errors_found(count, "应用包", "The app package has"),
        violations=violations[:VIOLATIONS_SHOWN],
    )


def refuse_package(code: str, zh: str, en: str, file: str | None = None) -> Problem:
    """Return the problem for one thing that makes a package unreadable as a whole."""
    violation = Violation(code, "", say(zh, en))
    return invalid_package([violation if file is None else in_file(violation, file)])
