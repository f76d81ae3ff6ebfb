"""Users and departments.

Reads and writes: dougong_user, dougong_department, dougong_session (a user who is switched off is logged out), security events.
Users are never deleted: what they did refers to them. They are switched off.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import AREA_LENGTH, AREAS_PER_PERSON, LABEL_LENGTH
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import department as department_table
from builder.store.tables import session as session_table
from builder.store.tables import user as user_table
from runtime.identity.actors import KINDS, ROLES
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.passwords import Passwords

NAME_LENGTH = 100
EMAIL_LENGTH = 254
_USERNAME = re.compile(r"[\w.@+-]{2,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CHAIN = 50
CHANGEABLE = ("name", "email", "role", "department_id", "manager_id", "active", "position", "phone", "areas")
FOREIGN = ("source", "external_id")
"""Where a user comes from; only a directory's sync says so."""
_HARMLESS = frozenset({"name", "email", "phone"})
"""Members on which no right hangs."""


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
    kind: str = "person"
    """person, service (a program: tokens only), external (dealers, customers: never more than member)."""
    position: str | None = None
    areas: tuple[str, ...] = ()
    phone: str | None = None
    source: str | None = None
    external_id: str | None = None


def normal_username(text: str) -> str:
    """Return the one form of a user name: NFKC, lower case, no space around it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().lower())


class Users:
    """Who there is."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, passwords: Passwords, audit: Audit) -> None:
        self._audit = audit
        self._database = database
        self._clock = clock
        self._ids = ids
        self._passwords = passwords

    def list_users(self, *, after: str = "", limit: int = 100, search: str = "") -> list[User]:
        """Return users by user name, those after ``after``; ``search`` looks in user name, name and e-mail address."""
        select = sa.select(user_table).where(user_table.c.username > after).order_by(user_table.c.username).limit(limit)
        if search:
            looked_at = (user_table.c.username, user_table.c.name, user_table.c.email)
            select = select.where(sa.or_(*(column.icontains(search, autoescape=True) for column in looked_at)))
        with self._database.snapshot() as connection:
            return [as_user(row) for row in connection.execute(select)]

    def list_people(self, *, after: str = "", limit: int = 50, search: str = "") -> list[User]:
        """Return people of the house who are there, by user name, those after ``after``; ``search`` looks in user name and name."""
        c = user_table.c
        active = sa.type_coerce(c.active, sa.Boolean()).is_(True)
        select = sa.select(user_table).where(active, c.kind == "person", c.username > after)
        if search:
            select = select.where(sa.or_(*(x.icontains(search, autoescape=True) for x in (c.username, c.name))))
        with self._database.snapshot() as connection:
            return [as_user(row) for row in connection.execute(select.order_by(c.username).limit(limit))]

    def find_users(self, user_ids: Collection[str]) -> list[User]:
        """Return the users of some ids, whoever they are, by user name; ids that nobody has are passed over."""
        known = {found for user_id in user_ids if (found := find_uuid(user_id)) is not None}
        select = sa.select(user_table).where(user_table.c.id.in_(known)).order_by(user_table.c.username)
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

    def create_user(
        self, values: Mapping[str, Any], *, password: str | None = None, by: Origin = SYSTEM_ORIGIN
    ) -> User:
        """Make a user of ``username`` and the changeable members; without a password they need a setup link.

        Raises:
            Problem: ``identity.invalid`` with all violations, ``identity.conflict`` if the name is taken.
        """
        hashed = None if password is None else self._passwords.hash(password)  # slow: not inside the transaction
        try:
            with self._database.transaction() as connection:
                return self.insert(connection, values, password=password, hashed=hashed, by=by)
        except sa.exc.IntegrityError:
            raise _taken() from None

    def insert(
        self,
        connection: sa.Connection,
        values: Mapping[str, Any],
        *,
        password: str | None,
        hashed: str | None,
        by: Origin = SYSTEM_ORIGIN,
    ) -> User:
        """Make a user inside a transaction; ``hashed`` is the password's stored form."""
        username = normal_username(values["username"])
        row: dict[str, Any] = {
            "email": None,
            "role": "member",
            "department_id": None,
            "manager_id": None,
            "active": True,
            "kind": values.get("kind") or "person",
            "areas": (),
        }
        row |= {name: values[name] for name in FOREIGN if values.get(name) is not None}
        row |= {name: value for name, value in _canonical(values).items() if name in CHANGEABLE and value is not None}
        row["name"] = str(values.get("name") or username).strip()
        violations = _username_violations(username) + _violations(connection, row, None, row)
        violations += [] if password is None else self._passwords.violations(password, username)
        if password is not None and row["kind"] == "service":
            text = say("服务账号没有密码,请用令牌", "A service account has no password; give it a token")
            violations.append(Violation("service", "/password", text))
        if violations:
            raise Problem("identity.invalid", violations=violations)
        if connection.execute(sa.select(user_table.c.id).where(user_table.c.username == username)).first():
            raise _taken()
        row |= {
            "id": self._ids.record_id(),
            "username": username,
            "password_hash": hashed,
            "created_at": self._clock.now(),
            "password_changed_at": None if hashed is None else self._clock.now(),
            "revision": 1,
        }
        raise_epoch(connection)  # whose team the new one is in sees more with the next request
        connection.execute(sa.insert(user_table).values(**_stored(row)))
        shown = {name: row[name] for name in ("username", "role", "kind")}
        self._audit.note(connection, "user.created", by, row["id"], shown)
        return _get(connection, row["id"])

    def update_user(self, user_id: str, changes: Mapping[str, Any], *, by: Origin = SYSTEM_ORIGIN) -> User:
        """Change members of ``CHANGEABLE``. Another role, department or manager, or switching off, counts with the next request.

        Raises:
            Problem: ``identity.not_found``, ``identity.invalid``, ``identity.conflict`` if no active admin would be left.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            return self.change(connection, user_id, changes, by=by)

    def change(self, connection: sa.Connection, user_id: str, changes: Mapping[str, Any], *, by: Origin) -> User:
        """Change a user inside a transaction that has taken its turn."""
        before = _get(connection, user_id)
        changed = {name: value for name, value in _canonical(changes).items() if getattr(before, name) != value}
        if not changed:
            return before
        violations = _violations(connection, changed, before.id, {"kind": before.kind, "role": before.role} | changed)
        if violations:
            raise Problem("identity.invalid", violations=violations)
        _keep_an_admin(connection, before, changed)
        if changed.keys() - _HARMLESS:
            raise_epoch(connection)
        stored = _stored(changed) | {"revision": before.revision + 1}
        connection.execute(sa.update(user_table).where(user_table.c.id == before.id).values(**stored))
        if changed.get("active") is False:
            connection.execute(sa.delete(session_table).where(session_table.c.user_id == before.id))
        # names and addresses of people stay out of what is kept for ever
        told: dict[str, Any] = {
            name: [getattr(before, name), value] for name, value in changed.items() if name not in _HARMLESS
        }
        told |= dict.fromkeys(sorted(changed.keys() & _HARMLESS), "changed")
        self._audit.note(connection, "user.changed", by, before.id, told)
        return _get(connection, before.id)


def had_passwords(connection: sa.Connection, user_id: str) -> list[str]:
    """Return the hashes of a user's present password and of the former ones that are kept, the latest first."""
    c = user_table.c
    row = connection.execute(sa.select(c.password_hash, c.former_passwords).where(c.id == user_id)).first()
    if row is None or row.password_hash is None:
        return []
    return [row.password_hash, *(parse_json(row.former_passwords) if row.former_passwords else ())]


def set_password(
    connection: sa.Connection,
    user_id: str,
    hashed: str,
    at: datetime,
    *,
    keep_session: str | None = None,
    keep_former: int = 0,
) -> None:
    """Store a new password's hash and end the user's sessions, except the one whose hash is ``keep_session``.

    Args:
        keep_former: how many former hashes stay known.
    """
    raise_epoch(connection)
    former = had_passwords(connection, user_id)[:keep_former]
    change = sa.update(user_table).where(user_table.c.id == user_id)
    kept = dump_json(former).decode() if former else None
    new = {"password_hash": hashed, "password_changed_at": at, "former_passwords": kept}
    connection.execute(change.values(**new, revision=user_table.c.revision + 1))
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
        kind=row.kind,
        position=row.position,
        areas=tuple(parse_json(row.areas)),
        phone=row.phone,
        source=row.source,
        external_id=row.external_id,
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
    """Write ids in the one form in which they are stored, and areas as a set in order."""
    ids = {name: find_uuid(values[name]) for name in ("department_id", "manager_id") if values.get(name) is not None}
    canonical = {**values, **{name: known for name, known in ids.items() if known is not None}}
    if canonical.get("areas") is not None:
        canonical["areas"] = tuple(sorted({str(area).strip() for area in canonical["areas"]}))
    return canonical


def _stored(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dump_json(list(value)).decode() if name == "areas" else value for name, value in row.items()}


def _taken() -> Problem:
    return Problem("identity.conflict", say("用户名已被使用", "This user name is taken"))


def is_username(text: str) -> bool:
    """Tell whether a text will do as a user name."""
    return _USERNAME.fullmatch(text) is not None


def _username_violations(username: str) -> list[Violation]:
    if is_username(username):
        return []
    text = say(
        "用户名须有 2 至 64 个字母、数字或 . _ @ + - 字符",
        "A user name has 2 to 64 letters, digits or . _ @ + - characters",
    )
    return [Violation("username", "/username", text)]


def _violations(
    connection: sa.Connection, values: Mapping[str, Any], user_id: str | None, whole: Mapping[str, Any]
) -> list[Violation]:
    """Return what is wrong with members; ``whole`` has at least kind and role as they will be."""
    found = _word_violations(values) + _kind_violations(whole)
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


def _word_violations(values: Mapping[str, Any]) -> list[Violation]:
    found = []
    for name, most in (("position", LABEL_LENGTH), ("phone", 40)):
        if values.get(name) is not None and not 0 < len(values[name].strip()) <= most:
            text = say(f"须有 1 至 {most} 个字符", f"1 to {most} characters")
            found.append(Violation(name, f"/{name}", text, {"maximum": most}))
    areas = values.get("areas") or ()
    if len(areas) > AREAS_PER_PERSON or any(not 0 < len(area) <= AREA_LENGTH for area in areas):
        text = say(
            f"最多 {AREAS_PER_PERSON} 个区域,每个 1 至 {AREA_LENGTH} 个字符",
            f"At most {AREAS_PER_PERSON} areas of 1 to {AREA_LENGTH} characters",
        )
        found.append(Violation("areas", "/areas", text))
    return found


def _kind_violations(whole: Mapping[str, Any]) -> list[Violation]:
    if whole["kind"] not in KINDS:
        return [
            Violation("kind", "/kind", say("没有这种账号", "There is no such kind of account"), {"kinds": list(KINDS)})
        ]
    if whole["kind"] == "external" and whole["role"] != "member":
        text = say("外部账号只能是 member", "An external account is never more than a member")
        return [Violation("external", "/role", text)]
    return []


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
