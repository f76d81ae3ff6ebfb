"""On whose behalf and through which door records are read or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from runtime.identity.actors import SYSTEM, Actor

Door = Literal[
    "rest",
    "batch",
    "install",
    "import",
    "sheet",
    "automation",
    "timer",
    "connector",
    "restore",
    "merge",
    "handover",
    "erase",
    "recompute",
    "share",
    "form",
]


class Reply(NamedTuple):
    """An answer, as it goes out and is kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(slots=True)
class Once:
    """A write that is carried out once for its ``Idempotency-Key``, however often it is sent."""

    key: str
    fingerprint: str
    """Of everything that was sent: the same key with something else is a mistake."""
    render: Callable[[Any], Reply]
    """What the write gives, as the answer that is kept."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's actor. ``epoch`` is the identity epoch the actor was recognised under; None = not checked (the system itself)."""

    actor: Actor | None
    request_id: str
    door: Door = "rest"
    epoch: int | None = None
    cause: str = ""
    """The run of an automation (or the like) that this follows from; empty for what somebody asked for."""
    depth: int = 0
    """How many such runs stand before this one, over transactions too."""
    override: str = ""
    """Why locks are to be overridden; empty: they are not."""
    dry_run: bool = False
    """Do everything, say what would happen, and undo it."""
    once: Once | None = None
    exporting: frozenset[str] = frozenset()
    """Entities whose records are to leave the house: of them is seen only what some grant lets export."""
    own_rights: bool = False
    """What follows from something is done in somebody's name: with their rights, as if they did it themselves."""

    @property
    def for_app(self) -> bool:
        """Whether it acts for the app, whatever rights the actor has: what follows from something does, as a rule."""
        return (bool(self.cause) or self.door == "automation") and not self.own_rights

    @property
    def actor_id(self) -> str | None:
        """Who is written into records and events."""
        if self.actor is None:
            return None
        return self.actor.user_id or self.actor.username


def system_caller(request_id: str, door: Door) -> Caller:
    """Return the caller for work of the system itself."""
    return Caller(SYSTEM, request_id, door)


class StaleApp(Exception):
    """The app was published (or deleted) since it was pinned: pin again and repeat."""


class StaleIdentity(Exception):
    """Some right may have shrunk since the actor was recognised: recognise again and repeat."""
