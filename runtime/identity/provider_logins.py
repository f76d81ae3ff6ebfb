"""Logins by a provider: begun in one browser, finished in the same one, once; and whose account here a person of the provider has.

Reads and writes: dougong_provider_login, dougong_provider_account, dougong_user, dougong_session, security events. An account is bound to
(issuer, subject). By e-mail address only if the provider says it is verified, exactly one account has it and an admin wrote it there (people
cannot change their own), so nobody can lie in wait with somebody else's address (CVE-2024-38351).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, secret_hash
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.people_tables import provider_account as account_table
from builder.store.people_tables import provider_login as table
from builder.store.tables import department as department_table
from builder.store.tables import session as session_table
from builder.store.tables import user as user_table
from runtime.identity.audit import Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.provider import ProviderSettings, refused
from runtime.identity.sessions import Login, Sessions
from runtime.identity.throttle import Throttle, subject_of
from runtime.identity.users import NAME_LENGTH, User, Users, as_user, is_username, normal_username

JSON = Any
LIFETIME = timedelta(minutes=10)
PER_CALLER = 300
"""Logins begun in fifteen minutes from one address: a whole office may stand behind it."""
_NAMES_TRIED = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was begun; the secrets are in the browser and in the address it is sent to."""

    state: str
    nonce: str
    verifier: str
    browser: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A login that comes back: what it was begun with."""

    nonce: str
    verifier: str
    user_id: str | None
    next: str


class ProviderLogins:
    """Begins and finishes logins by the provider that the settings name."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        settings: ProviderSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._settings = settings
        self._throttle = Throttle(database, clock)

    def begin(self, origin: Origin, next_path: str, *, user_id: str | None = None) -> Begun:
        """Note a login that begins; ``user_id``: it binds the provider's account to this user who is logged in.

        Raises:
            Problem: ``auth.throttled``, ``request.malformed`` for an address elsewhere.
        """
        require_own_path(next_path)
        self._throttle.count({subject_of("provider logins from", origin.address): PER_CALLER})
        begun = Begun(*(self._ids.secret() for _ in range(4)))
        now = self._clock.now()
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.expires_at <= now))
            connection.execute(
                sa.insert(table).values(
                    state_hash=secret_hash(begun.state),
                    nonce=begun.nonce,
                    verifier=begun.verifier,
                    browser_hash=secret_hash(begun.browser),
                    user_id=user_id,
                    next=next_path,
                    expires_at=now + LIFETIME,
                )
            )
        return begun

    def take(self, state: str, browser: str | None) -> Taken:
        """Take the login of a state, once; only for the browser that began it.

        Raises:
            Problem: ``auth.provider_refused``.
        """
        with self._database.transaction() as connection:
            found = sa.delete(table).where(table.c.state_hash == secret_hash(state)).returning(*table.c)
            row = connection.execute(found).one_or_none()
        if row is None or row.expires_at <= self._clock.now():
            raise refused("there is no such login, or it took too long")
        if browser is None or secret_hash(browser) != row.browser_hash:
            raise refused("the login was begun in another browser")
        return Taken(row.nonce, row.verifier, row.user_id, row.next)

    def finish(self, claims: Mapping[str, JSON], taken: Taken, origin: Origin, client: str) -> Login:
        """Open a session for whom the claims name; bind or make an account as the settings say.

        Raises:
            Problem: ``auth.provider_unknown`` if nobody here is meant, ``identity.conflict`` if the account is somebody else's.
        """
        subject = str(claims["sub"])
        with self._database.transaction() as connection:
            take_turns(connection)
            bound = self._bound(connection, subject)
            if bound is not None and taken.user_id not in (None, bound.id):
                text = say(
                    "这个登录账号已绑定给另一个用户", "This account of the provider belongs to another user already"
                )
                raise Problem("identity.conflict", text)
            user = bound or self._found(connection, claims, taken, origin)
            if user is None or not user.active or user.kind == "service":
                raise Problem("auth.provider_unknown")
            if bound is None:
                self._bind(connection, subject, user, origin)
            own = Origin(user.id, origin.address, origin.request_id)
            return self._sessions.open(connection, user, own, client=client, way="provider")

    def unbind(self, user_id: str, by: Origin) -> None:
        """Give up the binding of a user who has a password to come back with.

        Raises:
            Problem: ``identity.not_found``, ``identity.conflict``.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            own = account_table.c.user_id == user_id
            if not connection.execute(sa.select(account_table.c.user_id).where(own)).first():
                raise Problem("identity.not_found", say("没有绑定登录账号", "No account of a provider is bound"))
            hashed = connection.scalar(sa.select(user_table.c.password_hash).where(user_table.c.id == user_id))
            if hashed is None:
                text = say("请先设置密码,否则无法再登录", "Set a password first, or there is no way back in")
                raise Problem("identity.conflict", text)
            connection.execute(sa.delete(account_table).where(own))
            self._audit.note(connection, "provider.unbound", by, user_id)

    def end_sessions(self, subject: str, origin: Origin) -> None:
        """End every session of a person whom the provider logged out; nothing happens if nobody here is meant."""
        with self._database.transaction() as connection:
            take_turns(connection)
            user = self._bound(connection, subject)
            if user is None:
                return
            if connection.execute(sa.delete(session_table).where(session_table.c.user_id == user.id)).rowcount:
                raise_epoch(connection)
                self._audit.note(connection, "session.ended", origin, user.id, {"by": "provider"})

    def note_refused(self, origin: Origin, why: str) -> None:
        """Write down that an answer was not believed."""
        self._audit.note_alone("login.refused", origin, None, {"provider": why[:200]})

    # -- details -------------------------------------------------------------------------------------------------------

    def _bound(self, connection: sa.Connection, subject: str) -> User | None:
        named = (account_table.c.provider == self._settings.issuer, account_table.c.subject == subject)
        found = sa.select(user_table).join(account_table, account_table.c.user_id == user_table.c.id).where(*named)
        row = connection.execute(found).one_or_none()
        return None if row is None else as_user(row)

    def _found(
        self, connection: sa.Connection, claims: Mapping[str, JSON], taken: Taken, origin: Origin
    ) -> User | None:
        if taken.user_id is not None:
            row = connection.execute(sa.select(user_table).where(user_table.c.id == taken.user_id)).one_or_none()
            return None if row is None else as_user(row)
        email = _verified_email(claims)
        rows = [] if email is None else _with_email(connection, email)
        if len(rows) == 1 and self._settings.link == "email":
            return as_user(rows[0])
        # an address that somebody here has already is never given to a second account
        return self._made(connection, claims, email, origin) if self._settings.create and not rows else None

    def _made(self, connection: sa.Connection, claims: Mapping[str, JSON], email: str | None, origin: Origin) -> User:
        values = {
            "username": _free_username(connection, claims, email),
            "name": str(claims.get("name") or "").strip()[:NAME_LENGTH] or None,
            "email": email,
            "role": self._settings.role,
            "department_id": self._department(connection),
        }
        return self._users.insert(connection, values, password=None, hashed=None, by=origin)

    def _department(self, connection: sa.Connection) -> str | None:
        key = self._settings.department
        if key is None:
            return None
        found: str | None = connection.scalar(sa.select(department_table.c.id).where(department_table.c.key == key))
        if found is None:
            raise Problem("auth.provider_unknown", say(f"设置中的部门“{key}”不存在", f'There is no department "{key}"'))
        return found

    def _bind(self, connection: sa.Connection, subject: str, user: User, origin: Origin) -> None:
        held = sa.select(account_table.c.subject).where(
            account_table.c.user_id == user.id, account_table.c.provider == self._settings.issuer
        )
        if connection.execute(held).first():
            # two people of the provider are not one here, whatever address they share
            raise Problem(
                "identity.conflict", say("该用户已绑定另一个登录账号", "This user has another account bound already")
            )
        connection.execute(
            sa.insert(account_table).values(
                provider=self._settings.issuer, subject=subject, user_id=user.id, created_at=self._clock.now()
            )
        )
        self._audit.note(connection, "provider.bound", Origin(user.id, origin.address, origin.request_id), user.id)


def require_own_path(path: str) -> None:
    """Let pass a path on this service; anything a browser could take for another site is refused.

    Raises:
        Problem: ``request.malformed``.
    """
    if not re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", path):
        text = say("next 应是本站的路径,如 /crm", "next takes a path on this service, such as /crm")
        raise Problem("request.malformed", text)


def _verified_email(claims: Mapping[str, JSON]) -> str | None:
    email = claims.get("email")
    return email.strip() if isinstance(email, str) and claims.get("email_verified") is True else None


def _with_email(connection: sa.Connection, email: str) -> list[Any]:
    same = sa.select(user_table).where(sa.func.lower(user_table.c.email) == email.lower())
    return list(connection.execute(same.limit(2)).all())


def _free_username(connection: sa.Connection, claims: Mapping[str, JSON], email: str | None) -> str:
    asked = [claims.get("preferred_username"), email, f"user-{secret_hash(str(claims['sub']))[:12]}"]
    named = (normal_username(each) for each in asked if isinstance(each, str))
    stem = next(each for each in named if is_username(each))[:56]
    tried = (stem, *(f"{stem}-{number}" for number in range(2, _NAMES_TRIED)))
    taken = set(connection.scalars(sa.select(user_table.c.username).where(user_table.c.username.in_(tried))))
    free = [each for each in tried if each not in taken]
    if not free:
        raise Problem("auth.provider_unknown")
    return free[0]
