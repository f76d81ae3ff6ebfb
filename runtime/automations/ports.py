"""What actions need of other rooms. The composition root fits them in; an action whose port is not there fails and says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from builder.kernel.text import Text
from builder.store.statement import Unit
from runtime.expressions.expressions import Expressions
from runtime.expressions.prepared import Subject
from runtime.identity.actors import Actor
from runtime.outbox.orders import Call, Letter
from runtime.records.caller import Caller
from runtime.records.writer import Writing

JSON = Any

__all__ = [
    "JSON",
    "Approvals",
    "Assigner",
    "Call",
    "Chosen",
    "Letter",
    "Names",
    "Outward",
    "People",
    "Ports",
    "Stages",
]


class Outward(Protocol):
    """Puts down, in the transaction of a write, what leaves the house once it is committed (``runtime/outbox``)."""

    def post_letter(self, w: Writing, letter: Letter) -> Unit[None]:
        """Put down a message."""
        ...

    def post_call(self, w: Writing, call: Call) -> Unit[None]:
        """Put down a request.

        Raises:
            Problem: there is no such connection.
        """
        ...


class Stages(Protocol):
    """Moves records along their pipelines (``runtime/pipelines``)."""

    def move(self, w: Writing, subject: Subject, transition: str, reason: Text | None) -> Unit[None]:
        """Carry out a transition.

        Raises:
            Problem: a guard refuses it.
        """
        ...


class Approvals(Protocol):
    """Asks for approvals (``runtime/pipelines``)."""

    def start(self, w: Writing, subject: Subject, approval: str) -> Unit[None]:
        """Begin an approval of a record."""
        ...


class Chosen(NamedTuple):
    """What an assignment rule decided."""

    user_id: str | None
    """None: nobody; the record waits in the pool or as the rule says."""
    text: Text
    """Why."""


class Assigner(Protocol):
    """Chooses people by rules (``runtime/assignments``)."""

    def assign(self, w: Writing, subject: Subject, rule: str) -> Unit[Chosen]:
        """Let a rule choose, write the choice into the record and keep the decision."""
        ...


class People(Protocol):
    """Who there is; only people who are active count."""

    def by_username(self, w: Writing, usernames: Sequence[str]) -> Unit[list[str]]:
        """Return ids."""
        ...

    def with_role(self, w: Writing, role: str) -> Unit[list[str]]:
        """Return the ids of those who have a role in the app."""
        ...

    def in_department(self, w: Writing, department: str) -> Unit[list[str]]:
        """Return the ids of the members of a department (key or id) and of those below it."""
        ...

    def of_area(self, w: Writing, area: str) -> Unit[list[str]]:
        """Return the ids of those whose areas have this one."""
        ...

    def manager_of(self, w: Writing, user_id: str, levels: int) -> Unit[str | None]:
        """Return the manager so many levels up, or the highest there is."""
        ...

    def active(self, w: Writing, user_ids: Sequence[str]) -> Unit[list[str]]:
        """Return those of them who are active, in their order."""
        ...


class Names(Protocol):
    """In whose name actions are done (``runtime/automations/callers.py``)."""

    def find_actor(self, user_id: str) -> Unit[Actor | None]:
        """Return an active person with roles and place."""
        ...

    def acting(self, w: Writing, caller: Caller) -> Writing:
        """Return the write as a caller does it who has no more than their own rights."""
        ...


@dataclass(frozen=True)
class Ports:
    """What actions stand on."""

    people: People
    expressions: Expressions = field(default_factory=Expressions)
    outward: Outward | None = None
    stages: Stages | None = None
    approvals: Approvals | None = None
    assigner: Assigner | None = None
    names: Names | None = None
    """Without it everything is done in the name of the system."""
