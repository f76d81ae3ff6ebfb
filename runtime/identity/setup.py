"""The first admin, and one-time links with which a person sets their own password.

Reads and writes: dougong_setup_link (hashes of secrets), dougong_user, security events. Links for the first admin die with the first admin, so nobody
who finds an old one can take an installation over; two people using two links at once cannot both become it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, secret_hash
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import setup_link as table
from builder.store.tables import user as user_table
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.epoch import take_turns
from runtime.identity.passwords import Passwords
from runtime.identity.sessions import Login, Sessions
from runtime.identity.tokens import revoke_all
from runtime.identity.users import User, Users, any_admin, as_user, had_passwords, set_password

LINK_LIFETIME = timedelta(hours=24)
LINK_PREFIX = "dgl_"
SETUP_PATH = "/setup#"
"""Where a link leads; its secret stands behind the #: browsers do not send it, so it is in no log."""


class Setup:
    """Makes the first admin and one-time links."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        passwords: Passwords,
        users: Users,
        sessions: Sessions,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._database = database
        self._clock = clock
        self._ids = ids
        self._passwords = passwords
        self._users = users
        self._sessions = sessions

    def ensure_first_admin(self, username: str | None, password: str | None) -> str | None:
        """If no admin can log in yet, make the one that the settings name, or return the secret of a link to become it.

        Raises:
            Problem: ``identity.invalid`` if the settings' name or password will not do.
        """
        with self._database.snapshot() as connection:
            if any_admin(connection):
                return None
        if username is None or password is None:
            return self._issue(None, SYSTEM_ORIGIN)
        hashed = self._passwords.hash(password)
        with self._database.transaction() as connection:
            take_turns(connection)
            if not any_admin(connection):
                values = {"username": username, "role": "admin"}
                self._users.insert(connection, values, password=password, hashed=hashed)
        return None

    def issue_link(
        self, user: User, *, by: Origin = SYSTEM_ORIGIN, lifetime: timedelta = LINK_LIFETIME
    ) -> tuple[str, datetime]:
        """Make a link with which a user sets a password (a new user, or one who forgot it); returns secret and expiry."""
        return self._issue(user.id, by, lifetime), self._clock.now() + lifetime

    def _issue(self, user_id: str | None, by: Origin, lifetime: timedelta = LINK_LIFETIME) -> str:
        secret = LINK_PREFIX + self._ids.secret()
        now = self._clock.now()
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.expires_at <= now))
            connection.execute(
                sa.insert(table).values(secret_hash=secret_hash(secret), user_id=user_id, expires_at=now + lifetime)
            )
            self._audit.note(connection, "link.issued", by, user_id)
        return secret

    def redeem(
        self,
        secret: str,
        password: str,
        *,
        username: str | None = None,
        name: str | None = None,
        origin: Origin = SYSTEM_ORIGIN,
        client: str = "",
        code: str | None = None,
    ) -> Login:
        """Use a link: set the password (and for the first admin the user name) and log in.

        Raises:
            Problem: ``auth.link_invalid``, ``identity.invalid``, ``auth.code_required``; a link is used up only when this succeeds.
        """
        reused = self._find(secret, password)  # before the slow hash, so that guessing links is cheap for us
        hashed = self._passwords.hash(password)
        with self._database.transaction() as connection:
            take_turns(connection)
            user_id = self._take(connection, secret)
            if user_id is None:
                user = self._first_admin(connection, username, name, password, hashed)
            else:
                user = self._with_password(connection, user_id, password, hashed, reused)
            own = Origin(user.id, origin.address, origin.request_id)
            self._audit.note(connection, "link.used", own, user.id)
            return self._sessions.open(connection, user, own, client=client, way="link", code=code)

    def _find(self, secret: str, password: str) -> list[Violation]:
        """Return what is wrong with a password for having been had before."""
        with self._database.snapshot() as connection:
            row = connection.execute(self._valid(secret)).first()
            had = [] if row is None or row.user_id is None else had_passwords(connection, row.user_id)
        if row is None:
            raise _link_invalid()
        return self._passwords.reuse(had, password)

    def _take(self, connection: sa.Connection, secret: str) -> str | None:
        row = connection.execute(self._valid(secret)).first()
        if row is None:
            raise _link_invalid()
        # every other link for the same purpose dies with it
        connection.execute(sa.delete(table).where(table.c.user_id.is_not_distinct_from(row.user_id)))
        user_id: str | None = row.user_id
        return user_id

    def _valid(self, secret: str) -> sa.Select[tuple[str | None]]:
        return sa.select(table.c.user_id).where(
            table.c.secret_hash == secret_hash(secret), table.c.expires_at > self._clock.now()
        )

    def _first_admin(
        self, connection: sa.Connection, username: str | None, name: str | None, password: str, hashed: str
    ) -> User:
        if any_admin(connection):
            raise _link_invalid()
        if username is None:
            missing = Violation("missing", "/username", say("请给出用户名", "Choose a user name"))
            raise Problem("identity.invalid", violations=[missing])
        values = {"username": username, "name": name, "role": "admin"}
        return self._users.insert(connection, values, password=password, hashed=hashed)

    def _with_password(
        self, connection: sa.Connection, user_id: str, password: str, hashed: str, reused: list[Violation]
    ) -> User:
        """Set the password; what was opened or made with the former one (sessions, tokens) ends: it may be a thief's."""
        row = connection.execute(sa.select(user_table).where(user_table.c.id == user_id, user_table.c.active)).first()
        if row is None:
            raise _link_invalid()
        violations = self._passwords.violations(password, row.username) or reused
        if violations:
            raise Problem("identity.invalid", violations=violations)
        set_password(connection, user_id, hashed, self._clock.now(), keep_former=self._passwords.rules.former)
        revoke_all(connection, user_id, self._clock.now())
        return as_user(row)


def _link_invalid() -> Problem:
    return Problem("auth.link_invalid")
