"""Sessions: logging in, logging out, changing one's password.

Reads and writes: dougong_session (hashes of secrets), dougong_user, security events. A session ends at a fixed time after the login.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, secret_hash
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import session as table
from builder.store.tables import user as user_table
from runtime.identity.actors import SESSION_PREFIX
from runtime.identity.audit import Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.factors import Factors
from runtime.identity.passwords import Passwords
from runtime.identity.throttle import Throttle
from runtime.identity.users import User, as_user, had_passwords, normal_username, set_password

_CLIENT_LENGTH = 200
_ID_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Session:
    """An open session as its owner sees it."""

    id: str
    created_at: datetime
    expires_at: datetime
    address: str | None
    client: str | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class Login:
    """A session just opened; ``secret`` is shown this once."""

    user: User
    secret: str
    expires_at: datetime


class _Renewed(NamedTuple):
    """The hash that is kept from now on, and whether it is of another password."""

    hash: str
    is_new: bool


class Sessions:
    """Opens and ends sessions."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        passwords: Passwords,
        audit: Audit,
        factors: Factors,
        *,
        lifetime: timedelta,
    ) -> None:
        self._audit = audit
        self._factors = factors
        self._database = database
        self._clock = clock
        self._ids = ids
        self._passwords = passwords
        self._throttle = Throttle(database, clock)
        self._lifetime = lifetime

    def log_in(
        self,
        username: str,
        password: str,
        address: str,
        *,
        code: str | None = None,
        new_password: str | None = None,
        client: str = "",
        request_id: str = "",
    ) -> Login:
        """Open a session; ``new_password`` takes the place of one that has been used for as long as the settings allow.

        Raises:
            Problem: ``auth.refused`` (the same for an unknown, switched-off or password-less user), ``auth.throttled``;
                ``auth.code_required`` if the password is right and a second factor is active: send both again with the code;
                ``auth.password_expired``: send it again with a new one, too.
        """
        username = normal_username(username)
        self._throttle.charge(username, address)
        with self._database.snapshot() as connection:
            row = connection.execute(sa.select(user_table).where(user_table.c.username == username)).one_or_none()
        stored = row.password_hash if row is not None and row.active else None
        right = self._passwords.verify(stored, password)
        if row is None or stored is None or not right:
            nobody = Origin(None, address, request_id)
            self._audit.note_alone("login.refused", nobody, row.id if row is not None else None)
            raise Problem("auth.refused")
        origin = Origin(row.id, address, request_id)
        try:
            login = self._open_proven(
                row, stored, self._renewed(row, stored, password, new_password), origin, code, client
            )
        except Problem as problem:
            if problem.code in ("auth.code_required", "auth.password_expired", "identity.invalid"):
                self._throttle.forgive(username, address)
            else:
                self._audit.note_alone("login.refused", Origin(None, address, request_id), row.id, {"factor": True})
            raise
        self._throttle.forgive(username, address)
        return login

    def _renewed(self, row: Any, stored: str, password: str, new: str | None) -> _Renewed:
        """Return the hash to keep from now on: of the new password if it was time for one, else of the old, hashed as it is done today."""
        if not self._passwords.rules.is_expired(row.password_changed_at or row.created_at, self._clock.now()):
            return _Renewed(self._passwords.hash(password) if self._passwords.is_outdated(stored) else stored, False)
        if new is None:
            raise Problem("auth.password_expired")
        self._refuse_unfit(new, password, row, "/new_password")
        return _Renewed(self._passwords.hash(new), True)

    def _refuse_unfit(self, new: str, current: str, row: Any, pointer: str) -> None:
        violations = self._passwords.violations(new, row.username, pointer=pointer)
        if new == current:
            violations = [
                Violation("password_same", pointer, say("须与原密码不同", "Choose one that you do not have now"))
            ]
        if not violations:
            with self._database.snapshot() as connection:
                had = had_passwords(connection, str(row.id))
            violations = self._passwords.reuse(had, new, pointer=pointer)
        if violations:
            raise Problem("identity.invalid", violations=violations)

    def _open_proven(
        self, row: Any, stored: str, renewed: _Renewed, origin: Origin, code: str | None, client: str
    ) -> Login:
        with self._database.transaction() as connection:
            # the password was looked at outside the transaction: it has to be the same one still
            same = sa.select(user_table).where(user_table.c.id == row.id, user_table.c.password_hash == stored)
            found = connection.execute(same.where(user_table.c.active).with_for_update()).one_or_none()
            if found is None:
                raise Problem("auth.refused")
            if renewed.is_new:
                former = self._passwords.rules.former
                set_password(connection, row.id, renewed.hash, self._clock.now(), keep_former=former)
                self._audit.note(connection, "password.changed", origin, row.id, {"expired": True})
            elif renewed.hash != stored:
                same_one = sa.update(user_table).where(user_table.c.id == row.id)
                connection.execute(same_one.values(password_hash=renewed.hash))
            return self.open(connection, as_user(found), origin, client=client, way="password", code=code)

    def open(
        self,
        connection: sa.Connection,
        user: User,
        origin: Origin,
        *,
        client: str = "",
        way: str,
        code: str | None = None,
    ) -> Login:
        """Open a session for a user inside a transaction; sessions that have run out are swept.

        Args:
            way: how they proved who they are: password, link, or provider (which asks for second factors itself).

        Raises:
            Problem: ``auth.code_required``, ``auth.refused`` for a wrong code.
        """
        factor = None if way == "provider" else self._factors.ask(connection, user.id, code)
        now = self._clock.now()
        login = Login(user, SESSION_PREFIX + self._ids.secret(), now + self._lifetime)
        connection.execute(sa.delete(table).where(table.c.expires_at <= now))
        connection.execute(
            sa.insert(table).values(
                secret_hash=secret_hash(login.secret),
                user_id=user.id,
                created_at=now,
                expires_at=login.expires_at,
                address=origin.address,
                client=client[:_CLIENT_LENGTH],
            )
        )
        told = {"way": way} if factor is None else {"way": way, "factor": factor}
        self._audit.note(connection, "login", origin, user.id, told)
        return login

    def list_sessions(self, user_id: str, *, current: str | None = None) -> list[Session]:
        """Return a user's sessions that have not run out, the newest first; ``current`` is the hash of the one that asks."""
        lasting = sa.select(table).where(table.c.user_id == user_id, table.c.expires_at > self._clock.now())
        with self._database.snapshot() as connection:
            rows = connection.execute(lasting.order_by(table.c.created_at.desc())).all()
        return [_session(row, current) for row in rows]

    def end_session(self, user_id: str, session_id: str, by: Origin) -> None:
        """End one of a user's sessions by its id.

        Raises:
            Problem: ``identity.not_found``.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            rows = connection.execute(sa.select(table.c.secret_hash).where(table.c.user_id == user_id)).all()
            found = next((row.secret_hash for row in rows if session_id_of(row.secret_hash) == session_id), None)
            if found is None:
                raise Problem("identity.not_found", say("没有这个会话", "There is no such session"))
            connection.execute(sa.delete(table).where(table.c.secret_hash == found))
            raise_epoch(connection)
            self._audit.note(connection, "session.ended", by, user_id)

    def log_out(self, session_hash: str, by: Origin) -> None:
        """End a session."""
        with self._database.transaction() as connection:
            take_turns(connection)
            if connection.execute(sa.delete(table).where(table.c.secret_hash == session_hash)).rowcount:
                raise_epoch(connection)
                self._audit.note(connection, "logout", by, by.actor)

    def prove(self, user_id: str, password: str, by: Origin, *, pointer: str = "/password") -> Any:
        """Ask for a password again before something grave; return the user's row. ``pointer``: where it stood.

        Raises:
            Problem: ``auth.refused``, ``auth.throttled``.
        """
        with self._database.snapshot() as connection:
            row = connection.execute(sa.select(user_table).where(user_table.c.id == user_id)).one()
        self._throttle.charge(row.username, by.address)
        if not self._passwords.verify(row.password_hash, password):
            text = say("密码不正确", "The password is wrong")
            raise Problem("auth.refused", text, violations=[Violation("wrong", pointer, text)])
        self._throttle.forgive(row.username, by.address)
        return row

    def change_password(self, user_id: str, current: str, new: str, *, session_hash: str, by: Origin) -> None:
        """Give a user a new password; all their other sessions end. Tokens stay: they are revoked one by one.

        Raises:
            Problem: ``auth.refused`` if the current password is wrong, ``auth.throttled``, ``identity.invalid``.
        """
        self._refuse_unfit(new, current, self.prove(user_id, current, by, pointer="/current"), "/password")
        hashed = self._passwords.hash(new)
        with self._database.transaction() as connection:
            former = self._passwords.rules.former
            set_password(connection, user_id, hashed, self._clock.now(), keep_session=session_hash, keep_former=former)
            self._audit.note(connection, "password.changed", by, user_id)


def session_id_of(session_hash: str) -> str:
    """Return the name by which a session is spoken of; neither its secret nor the stored hash follows from it."""
    return secret_hash(session_hash)[:_ID_LENGTH]


def _session(row: Any, current: str | None) -> Session:
    return Session(
        id=session_id_of(row.secret_hash),
        created_at=row.created_at,
        expires_at=row.expires_at,
        address=row.address,
        client=row.client,
        is_current=row.secret_hash == current,
    )
