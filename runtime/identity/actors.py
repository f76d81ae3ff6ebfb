"""Actors: who makes a request, and how that is learnt without a query per request.

Reads: dougong_session, dougong_token, dougong_user, dougong_department, dougong_grant, dougong_identity. Writes: nothing.

An actor is remembered by the hash of the secret that proved it, together with the identity epoch of that moment. Whatever
may change a right (logout, revocation, deactivation, another role, department or password) raises the epoch in its own transaction, so a
remembered actor is used only while its epoch is still the current one: revocation works with the next request, in every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

import sqlalchemy as sa

from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import secret_hash
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import tables
from builder.store.database import Database
from builder.store.statement import Query, Statement, Unit, prepare
from builder.store.types import Identifier
from runtime.identity import scopes
from runtime.identity.audit import Audit
from runtime.identity.standing import Person, Standing, read_standing

Role = Literal["admin", "builder", "member"]
ROLES: tuple[Role, ...] = ("member", "builder", "admin")
"""From least to most."""
UserKind = Literal["person", "service", "external"]
KINDS: tuple[UserKind, ...] = ("person", "service", "external")

SESSION_COOKIE = "dougong_session"
TOKEN_PREFIX = "dgt_"  # noqa: S105 - a mark that secret scanners can look for
SESSION_PREFIX = "dgs_"

_REMEMBERED = 10_000
_SECRET_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request. ``scopes`` None = everything the role allows (a person's session); a set = no more than that (a token)."""

    user_id: str | None
    username: str
    name: str
    role: Role
    scopes: frozenset[str] | None = None
    department_id: str | None = None
    kind: UserKind = "person"
    position: str | None = None
    areas: tuple[str, ...] = ()
    manager_id: str | None = None
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Roles by app."""
    departments: tuple[str, ...] = ()
    """The own department and all below it."""
    team: tuple[str, ...] = ()
    """Everybody in those departments."""
    reports: tuple[str, ...] = ()
    """Everybody who reports to the actor, directly or over others."""

    @property
    def oversees(self) -> bool:
        """Whether it is an admin who looks over what belongs to others: in person, or by a token that says so and is for all apps."""
        if self.role != "admin":
            return False
        return self.scopes is None or (scopes.ADMIN in self.scopes and not any(map(scopes.is_app, self.scopes)))

    def roles_in(self, app: str) -> frozenset[str]:
        """Return the actor's roles in an app."""
        return self.roles.get(app, _NO_ROLES)


_NO_ROLES: frozenset[str] = frozenset()
SYSTEM = Actor(user_id=None, username="system", name="Dougong", role="admin")
"""The actor of install, migration and the command line."""


class Known(NamedTuple):
    """An actor as it was at an identity epoch."""

    actor: Actor
    epoch: int
    expires_at: datetime | None
    by_cookie: bool


class Credential(NamedTuple):
    """A secret that a request presented, hashed, and where it stood."""

    hash: str
    is_token: bool
    by_cookie: bool


def find_credential(authorization: str | None, cookie: str | None) -> Credential | None:
    """Read ``Authorization: Bearer …`` or, without that header, the session cookie.

    Raises:
        Problem: ``auth.required`` for an Authorization header of another form; it is never passed over in favour of a cookie.
    """
    if authorization is not None:
        scheme, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not 0 < len(secret) <= _SECRET_LENGTH:
            raise _not_valid()
        return Credential(secret_hash(secret), secret.startswith(TOKEN_PREFIX), by_cookie=False)
    session = find_cookie(cookie, SESSION_COOKIE) if cookie else None
    if not session or len(session) > _SECRET_LENGTH:
        return None
    return Credential(secret_hash(session), is_token=False, by_cookie=True)


def find_cookie(header: str, name: str) -> str | None:
    """Return the first value of a cookie in a ``Cookie`` header (RFC 6265)."""
    for part in header.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name:
            return value.strip().strip('"')
    return None


def _not_valid() -> Problem:
    return Problem(
        "auth.required",
        say("登录凭据无效、已过期或已撤销", "The credentials are not valid, expired or revoked"),
    )


class Authenticator:
    """Turns credentials into actors, remembering them while nothing shrank."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.audit = Audit(database, clock)
        self._database = database
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._standing: tuple[int, Standing] | None = None
        self._epoch_query = Query(prepare(sa.select(tables.identity.c.epoch), database.dialect), {})
        self._session = prepare(_session_select(), database.dialect)
        self._token = prepare(_token_select(), database.dialect)
        self._person = prepare(_person_select(), database.dialect)
        self._active_person = prepare(_person_select().where(tables.user.c.active), database.dialect)

    async def current_epoch(self) -> int:
        """Return the identity epoch: one point read."""
        return await self._database.read(self._read_epoch, scan=False)

    def remembered(self, credential: Credential) -> Known | None:
        """Return what is known of a credential without asking the database; true only if its epoch is still the current one.

        For callers that read the epoch with a statement of their own and compare afterwards.
        """
        known = self._known.get(credential.hash)
        if known is None or known.by_cookie != credential.by_cookie:
            return None
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            del self._known[credential.hash]
            return None
        return known

    async def actor(
        self, authorization: str | None, cookie: str | None = None, *, epoch: int | None = None
    ) -> Actor | None:
        """Return the actor of a request's headers; None = anonymous (no credential, or a cookie that is not valid any more).

        Args:
            epoch: the current identity epoch if another statement brought it; otherwise it is read.

        Raises:
            Problem: ``auth.required`` if an Authorization header is there but proves nobody.
        """
        credential = find_credential(authorization, cookie)
        return None if credential is None else await self.identify(credential, epoch=epoch)

    async def identify(self, credential: Credential, *, epoch: int | None = None) -> Actor | None:
        """Return the actor of a credential, as ``actor`` does."""
        known = self.remembered(credential)
        if known is not None and known.epoch == (await self.current_epoch() if epoch is None else epoch):
            return known.actor
        known = await self._database.read(lambda: self._read_known(credential), scan=False)
        if known is None:
            self._known.pop(credential.hash, None)
            if credential.by_cookie:
                return None
            raise _not_valid()
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[credential.hash] = known
        return known.actor

    def _read_epoch(self) -> Unit[int]:
        rows = yield self._epoch_query
        return int(rows[0][0])

    def _read_known(self, credential: Credential) -> Unit[Known | None]:
        statement: Statement = self._token if credential.is_token else self._session
        rows = yield Query(statement, {"hash": credential.hash})
        if not rows:
            return None
        *person, expires_at, epoch, scopes = rows[0]
        expires = _instant(expires_at)
        if expires is not None and expires <= self._clock.now():
            return None
        actor = replace(_read_actor(person), scopes=None if scopes is None else frozenset(parse_json(scopes)))
        actor = yield from self._placed(actor, int(epoch))
        return Known(actor, int(epoch), expires, credential.by_cookie)

    def _placed(self, actor: Actor, epoch: int) -> Unit[Actor]:
        """Return the actor with what follows from where they stand. What is read here may be newer than the epoch, never older."""
        held = self._standing
        if held is None or held[0] != epoch:
            held = self._standing = (epoch, (yield from read_standing(self._database.dialect)))
        standing = held[1]
        assert actor.user_id is not None
        person = Person(actor.user_id, actor.department_id, actor.manager_id, actor.position)
        return replace(
            actor,
            roles=standing.roles_of(person),
            departments=standing.departments_of(person.department_id),
            team=standing.team_of(person.department_id),
            reports=standing.reports_of(person.id),
        )

    async def see_as(self, user_id: str) -> Known | None:
        """Return another person as an actor, for who looks through their eyes or works in their name; None: nobody of this id."""
        return await self._database.read(lambda: self._find_known(user_id), scan=False)

    def find_actor(self, user_id: str) -> Unit[Actor | None]:
        """Return an active person with roles and place, inside a transaction; None: nobody of this id."""
        known = yield from self._find_known(user_id, active=True)
        return None if known is None else known.actor

    def _find_known(self, user_id: str, *, active: bool = False) -> Unit[Known | None]:
        rows = yield Query(self._active_person if active else self._person, {"id": user_id})
        if not rows:
            return None
        actor, epoch = _read_actor(rows[0][:-1]), int(rows[0][-1])
        return Known((yield from self._placed(actor, epoch)), epoch, None, by_cookie=False)


def _read_actor(row: Sequence[Any]) -> Actor:
    """Return the actor of a row of ``_user_columns``."""
    user_id, username, name, role, department_id, kind, position, areas, manager_id = row
    return Actor(
        user_id=str(user_id),
        username=username,
        name=name,
        role=cast("Role", role),
        department_id=None if department_id is None else str(department_id),
        kind=cast("UserKind", kind),
        position=position,
        areas=tuple(parse_json(areas)),
        manager_id=None if manager_id is None else str(manager_id),
    )


def _instant(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _session_select() -> sa.Select[Any]:
    session, user = tables.session, tables.user
    return (
        sa.select(*_user_columns(), session.c.expires_at, _epoch(), sa.null().label("scopes"))
        .join_from(session, user, session.c.user_id == user.c.id)
        .where(session.c.secret_hash == sa.bindparam("hash"), user.c.active)
    )


def _token_select() -> sa.Select[Any]:
    token, user = tables.token, tables.user
    return (
        sa.select(*_user_columns(), token.c.expires_at, _epoch(), token.c.scopes)
        .join_from(token, user, token.c.user_id == user.c.id)
        .where(token.c.secret_hash == sa.bindparam("hash"), token.c.revoked_at.is_(None), user.c.active)
    )


def _person_select() -> sa.Select[Any]:
    user = tables.user
    return sa.select(*_user_columns(), _epoch()).where(user.c.id == sa.bindparam("id", type_=Identifier()))


def _user_columns() -> list[sa.ColumnElement[Any]]:
    user = tables.user.c
    known = [user.id, user.username, user.name, user.role, user.department_id]
    return [*known, user.kind, user.position, user.areas, user.manager_id]


def _epoch() -> sa.ColumnElement[int]:
    # in the same statement as the actor's rows: one snapshot, so nothing can be revoked in between
    return sa.select(tables.identity.c.epoch).scalar_subquery().label("epoch")
