"""The one gate: every path that a request touches passes here before a statement is made of it.

Reads and writes: nothing. It raises or returns; a boolean that somebody may forget to look at does not exist.

Whoever plans a request collects *every* path it touches in a ``FieldMap`` (what is selected, but also what is filtered, sorted,
expanded, linked, exported, looked at in history) and calls ``gate`` once. Every later rule (roles per app, grants per field, row
rules, stage locks) is added here and nowhere else, so no door can have rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.access.sight import RoleSight
from runtime.identity import scopes
from runtime.identity.actors import ROLES, Actor, Role

Use = Literal[
    "select",
    "filter",
    "sort",
    "expand",
    "aggregate",
    "search",
    "write",
    "link",
    "create",
    "delete",
    "history",
    "export",
    "import",
    "bulk",
]

_WRITING: frozenset[str] = frozenset({"write", "link", "create", "delete", "import", "bulk"})


@dataclass(slots=True)
class FieldMap:
    """Every path a request touches and what for: (entity, field path, use). An empty path means the record itself."""

    uses: set[tuple[str, str, Use]] = field(default_factory=set)
    passed: str | None = None
    """The sight that these uses were found to be fit for: a plan that is kept is looked at once."""

    asks_directory: bool = False
    """A filter of the request asks where people and departments stand."""

    _kinds: tuple[int, bool, bool] = (0, False, False)
    """What ``reads`` and ``writes`` say of so many uses: they only grow, and a kept plan is asked with every request."""

    def add(self, entity: str, path: str, use: Use) -> None:
        """Note one use."""
        self.uses.add((entity, path, use))

    @property
    def reads(self) -> bool:
        """Whether anything is looked at."""
        return self._judged()[1]

    @property
    def writes(self) -> bool:
        """Whether anything is changed."""
        return self._judged()[2]

    def _judged(self) -> tuple[int, bool, bool]:
        if self._kinds[0] != len(self.uses):
            kinds = {use in _WRITING for _, _, use in self.uses}
            self._kinds = (len(self.uses), False in kinds, True in kinds)
        return self._kinds


def gate(actor: Actor | None, app_key: str, field_map: FieldMap, sight: RoleSight | None = None) -> None:
    """Let a request for records pass or raise.

    Args:
        sight: what the actor's roles see and may do; None: everything, as in an app without roles.

    Raises:
        Problem: ``auth.required`` for nobody, ``access.denied`` for a scope that is missing or a deed no role lets do,
            ``app.not_found`` for an app that the token was not made for (hidden answers as absent).
    """
    actor = require_actor(actor)
    if sight is not None and field_map.passed != sight.key:
        for entity, path, use in sorted(field_map.uses):
            sight.require(entity, path, use)
        field_map.passed = sight.key
    if field_map.asks_directory:
        require_house(actor)
    if actor.scopes is None:
        return
    require_app(actor, app_key)
    if field_map.reads or not field_map.uses:
        require_scope(actor, (scopes.READ,))
    if field_map.writes:
        require_scope(actor, (scopes.WRITE,))


def require_actor(actor: Actor | None) -> Actor:
    """Return the actor or raise ``auth.required``."""
    if actor is None:
        raise Problem("auth.required", say("请先登录,或带上令牌", "Log in first, or send a token"))
    return actor


def require_app(actor: Actor, app_key: str) -> None:
    """Let pass who is not narrowed to other apps."""
    apps = apps_of(actor)
    if apps is not None and app_key not in apps:
        raise Problem("app.not_found", say(f"没有应用 {app_key}", f"There is no app {app_key}"))


def apps_of(actor: Actor) -> frozenset[str] | None:
    """Return the apps that a token was made for; None: all."""
    found = frozenset(s.removeprefix(scopes.APP) for s in actor.scopes or () if scopes.is_app(s))
    return found or None


def require_scope(actor: Actor, any_of: Iterable[str]) -> None:
    """Let pass a person, or a token that has one of the scopes."""
    wanted = tuple(any_of)
    if actor.scopes is not None and actor.scopes.isdisjoint(wanted):
        names = "、".join(wanted), " or ".join(wanted)
        raise Problem("access.denied", say(f"令牌缺少权限 {names[0]}", f"The token lacks the scope {names[1]}"))


def require_role(actor: Actor | None, role: Role, app: str | None = None) -> Actor:
    """Return the actor if it has the role or a higher one (member < builder < admin); a token also needs the scope of that name.

    Args:
        app: the app it is needed in; None: in the whole installation, which a token that was made for some apps never has.

    Raises:
        Problem: ``auth.required``, ``access.denied``, ``app.not_found`` for an app that the token was not made for.
    """
    actor = require_actor(actor)
    if app is not None:
        require_app(actor, app)
    if ROLES.index(actor.role) < ROLES.index(role):
        raise Problem("access.denied", say(f"需要角色 {role}", f"This needs the role {role}"))
    if role == "member":
        return actor
    require_scope(actor, (scopes.ADMIN,) if role == "admin" else (scopes.BUILDER, scopes.ADMIN))
    if app is None and apps_of(actor) is not None:
        raise Problem("access.denied", say("令牌只限于某些应用", "The token was made for some apps only"))
    return actor


def require_house(actor: Actor | None) -> Actor:
    """Return the actor if it is one of the house: dealers and customers do not learn how it is made up."""
    actor = require_actor(actor)
    if actor.kind == "external":
        raise Problem("access.denied", say("外部账号不能查看", "External accounts cannot see this"))
    return actor


def require_person(actor: Actor | None) -> Actor:
    """Return the actor if it is a logged-in person: a token can neither make tokens nor change a password."""
    actor = require_actor(actor)
    if actor.scopes is not None:
        raise Problem("access.denied", say("此操作不能用令牌,请登录", "A token cannot do this; log in"))
    return actor
