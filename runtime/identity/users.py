"""Users and departments.

Reads and writes: dougong_user, dougong_department, dougong_session (a user who is switched off is logged out).
Users are never deleted: what they did refers to them. They are switched off.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import department as department_table
from builder.store.tables import session as session_table
from builder.store.tables import user as user_table
from runtime.identity.actors import ROLES
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.passwords import Passwords, password_violations

NAME_LENGTH = 100
EMAIL_LENGTH = 254
_USERNAME = re.compile(r"[\w.@+-]{2,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CHAIN = 50
CHANGEABLE = ("name", "email", "role", "department_id", "manager_id", "active")


@dataclass(frozen=True, slots=True)
class User:
    """One user, without the password's hash."""

    id: str
    username: str
    name: str
    email: str | None
    role: str
    department_id: str | None
    manager_id: str | None
    active: bool
    has_password: bool
    created_at: datetime
    revision: int


def normal_username(text: str) -> str:
    """Return the one form of a user name: NFKC, lower case, no space around it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().lower())


class Users:
    """Who there is."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._passwords = passwords

    def list_users(self, *, after: str = "", limit: int = 100) -> list[User]:
        """Return users by user name, those after ``after``."""
        select = sa.select(user_table).where(user_table.c.username > after).order_by(user_table.c.username).limit(limit)
        with self._database.snapshot() as connection:
            return [as_user(row) for row in connection.execute(select)]

    def get_user(self, user_id: str) -> User:
        """Return a user.

        Raises:
            Problem: ``identity.not_found``.
        """
        with self._database.snapshot() as connection:
            return _get(connection, user_id)

    def find_by_username(self, username: str) -> User | None:
        """Return the user of a name."""
        select = sa.select(user_table).where(user_table.c.username == normal_username(username))
        with self._database.snapshot() as connection:
            row = connection.execute(select).one_or_none()
        return None if row is None else as_user(row)

    def create_user(self, values: Mapping[str, Any], *, password: str | None = None) -> User:
        """Make a user of ``username`` and the changeable members; without a password they need a setup link.

        Raises:
            Problem: ``identity.invalid`` with all violations, ``identity.conflict`` if the name is taken.
        """
        hashed = None if password is None else self._passwords.hash(password)  # slow: not inside the transaction
        try:
            with self._database.transaction() as connection:
                return self.insert(connection, values, password=password, hashed=hashed)
        except sa.exc.IntegrityError:
            raise _taken() from None

    def insert(
        self, connection: sa.Connection, values: Mapping[str, Any], *, password: str | None, hashed: str | None
    ) -> User:
        """Make a user inside a transaction; ``hashed`` is the password's stored form."""
        username = normal_username(values["username"])
        row: dict[str, Any] = {
            "email": None,
            "role": "member",
            "department_id": None,
            "manager_id": None,
            "active": True,
        }
        row |= {name: value for name, value in _canonical(values).items() if name in CHANGEABLE and value is not None}
        row["name"] = str(values.get("name") or username).strip()
        violations = _username_violations(username) + _violations(connection, row, None)
        violations += [] if password is None else password_violations(password, username)
        if violations:
            raise Problem("identity.invalid", violations=violations)
        if connection.execute(sa.select(user_table.c.id).where(user_table.c.username == username)).first():
            raise _taken()
        row |= {
            "id": self._ids.record_id(),
            "username": username,
            "password_hash": hashed,
            "created_at": self._clock.now(),
            "revision": 1,
        }
        connection.execute(sa.insert(user_table).values(**row))
        return _get(connection, row["id"])

    def update_user(self, user_id: str, changes: Mapping[str, Any]) -> User:
        """Change members of ``CHANGEABLE``. Another role, department or manager, or switching off, counts with the next request.

        Raises:
            Problem: ``identity.not_found``, ``identity.invalid``, ``identity.conflict`` if no active admin would be left.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            before = _get(connection, user_id)
            changed = {name: value for name, value in _canonical(changes).items() if getattr(before, name) != value}
            if not changed:
                return before
            violations = _violations(connection, changed, before.id)
            if violations:
                raise Problem("identity.invalid", violations=violations)
            _keep_an_admin(connection, before, changed)
            if changed.keys() - {"name", "email"}:
                raise_epoch(connection)
            changed["revision"] = before.revision + 1
            connection.execute(sa.update(user_table).where(user_table.c.id == before.id).values(**changed))
            if changed.get("active") is False:
                connection.execute(sa.delete(session_table).where(session_table.c.user_id == before.id))
            return _get(connection, before.id)


def set_password(connection: sa.Connection, user_id: str, hashed: str, *, keep_session: str | None = None) -> None:
    """Store a new password's hash and end the user's sessions, except the one whose hash is ``keep_session``."""
    raise_epoch(connection)
    change = sa.update(user_table).where(user_table.c.id == user_id)
    connection.execute(change.values(password_hash=hashed, revision=user_table.c.revision + 1))
    connection.execute(
        sa.delete(session_table).where(
            session_table.c.user_id == user_id, session_table.c.secret_hash != (keep_session or "")
        )
    )


def any_admin(connection: sa.Connection, *, besides: str | None = None) -> bool:
    """Tell whether an admin can log in (besides the user of an id). Sample users have no password, so they never count."""
    able = sa.select(user_table.c.id).where(
        user_table.c.role == "admin", user_table.c.active, user_table.c.password_hash.is_not(None)
    )
    if besides is not None:
        able = able.where(user_table.c.id != besides)
    return connection.execute(able.limit(1)).first() is not None


def as_user(row: Any) -> User:
    """Make a user of a row of its table."""
    return User(
        id=row.id,
        username=row.username,
        name=row.name,
        email=row.email,
        role=row.role,
        department_id=row.department_id,
        manager_id=row.manager_id,
        active=row.active,
        has_password=row.password_hash is not None,
        created_at=row.created_at,
        revision=row.revision,
    )


def _get(connection: sa.Connection, user_id: str) -> User:
    known = find_uuid(user_id)
    row = (
        connection.execute(sa.select(user_table).where(user_table.c.id == known)).one_or_none()
        if known is not None
        else None
    )
    if row is None:
        raise Problem("identity.not_found", say("没有这个用户", "There is no such user"))
    return as_user(row)


def _canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write ids in the one form in which they are stored."""
    ids = {name: find_uuid(values[name]) for name in ("department_id", "manager_id") if values.get(name) is not None}
    return {**values, **{name: known for name, known in ids.items() if known is not None}}


def _taken() -> Problem:
    return Problem("identity.conflict", say("用户名已被使用", "This user name is taken"))


def _username_violations(username: str) -> list[Violation]:
    if _USERNAME.fullmatch(username):
        return []
    text = say(
        "用户名须有 2 至 64 个字母、数字或 . _ @ + - 字符",
        "A user name has 2 to 64 letters, digits or . _ @ + - characters",
    )
    return [Violation("username", "/username", text)]


def _violations(connection: sa.Connection, values: Mapping[str, Any], user_id: str | None) -> list[Violation]:
    found = []
    if "name" in values and not 0 < len(values["name"].strip()) <= NAME_LENGTH:
        text = say(f"姓名须有 1 至 {NAME_LENGTH} 个字符", f"A name has 1 to {NAME_LENGTH} characters")
        found.append(Violation("name", "/name", text))
    email = values.get("email")
    if email is not None and not (len(email) <= EMAIL_LENGTH and _EMAIL.fullmatch(email)):
        found.append(Violation("email", "/email", say("不是邮箱地址", "This is not an e-mail address")))
    if "role" in values and values["role"] not in ROLES:
        found.append(Violation("role", "/role", say("没有这个角色", "There is no such role"), {"roles": list(ROLES)}))
    for name, table in (("department_id", department_table), ("manager_id", user_table)):
        if values.get(name) is not None and not _exists(connection, table, values[name]):
            found.append(Violation("unknown", f"/{name}", say("不存在", "There is none with this id")))
    if not found and values.get("manager_id") is not None and _is_circle(connection, user_id, values["manager_id"]):
        found.append(Violation("circle", "/manager_id", say("上级关系成环", "The managers would form a circle")))
    return found


def _exists(connection: sa.Connection, table: sa.Table, identifier: str) -> bool:
    known = find_uuid(identifier)
    return (
        known is not None and connection.execute(sa.select(table.c.id).where(table.c.id == known)).first() is not None
    )


def _is_circle(connection: sa.Connection, user_id: str | None, manager_id: str) -> bool:
    above: str | None = manager_id
    for _ in range(_CHAIN):
        if above is None:
            return False
        if above == user_id:
            return True
        above = connection.execute(sa.select(user_table.c.manager_id).where(user_table.c.id == above)).scalar()
    return True


def _keep_an_admin(connection: sa.Connection, before: User, changed: Mapping[str, Any]) -> None:
    is_admin = before.active and before.role == "admin"
    if not is_admin or (changed.get("active", True) and changed.get("role", "admin") == "admin"):
        return
    if not any_admin(connection, besides=before.id):
        raise Problem(
            "identity.conflict", say("至少要保留一名能登录的管理员", "At least one admin who can log in has to remain")
        )
