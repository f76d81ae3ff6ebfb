"""What the language asks of its surroundings: the fields of entities, and the moment and person of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Protocol

from formulas.types import Type


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field as formulas see it.

    `target_entity` is set for relations: `many` says whether it leads to one record (a path goes through it) or to
    several (a rollup goes over it).
    """

    key: str
    type: Type
    target_entity: str | None = None
    many: bool = False
    label: str = ""
    #: The system numbers it.
    numbered: bool = False
    #: Steps that stand before the key: the field is reached over a link.
    through: tuple[str, ...] = ()
    #: The entity of a relation's rows, where names behind it are looked up elsewhere (`target_entity`).
    rows: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the field in a path."""
        return (*self.through, self.key)

    @property
    def leads_to(self) -> str | None:
        """The entity whose table a path comes to."""
        return self.rows or self.target_entity


class Schema(Protocol):
    """The entities a formula may touch. The compiled app implements it, already narrowed to what an actor may read."""

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """The field with this key, or None."""

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Key and label of every field of the entity."""


class Directory(Protocol):
    """Who stands where, as the functions that ask it see it. Whoever evaluates fills it before (docs/decisions/0031)."""

    def answer(self, function: str, subject: str) -> str | None:
        """What `USERDEPT` or `MANAGER` says of a person, `DEPTPATH` or `DEPTIDS` of a department; None where nothing is known."""


class _Nobody(Directory):
    """Knows of no one."""

    def answer(self, function: str, subject: str) -> str | None:
        return None


NOBODY: Directory = _Nobody()


@dataclass(frozen=True, slots=True)
class Context:
    """The moment, the person and the zone of one evaluation; also the values only the record's surroundings know."""

    now: datetime
    user: str | None = None
    zone: tzinfo = UTC
    department: str | None = None
    roles: tuple[str, ...] = ()
    #: The user's own department and all below it, the people in those, everybody who reports to the user (over others too).
    departments: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    #: Areas the user works in, and who the user reports to.
    areas: tuple[str, ...] = ()
    manager: str | None = None
    #: Non-working days and shifted working days of the tenant: date -> is it worked?
    calendar: Mapping[date, bool] = field(default_factory=dict)
    #: Weekdays off where the calendar says nothing, Monday 0.
    weekend: frozenset[int] = frozenset((5, 6))
    #: In the rules of a write: the canonical values of the record before it; None for a new record.
    before: Mapping[str, Any] | None = None
    #: Where other people and departments than the user's own stand.
    directory: Directory = NOBODY

    @property
    def today(self) -> date:
        """The day in the tenant's zone."""
        return self.now.astimezone(self.zone).date()
