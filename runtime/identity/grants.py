"""Who is given which role of an app. Reads and writes: dougong_grant, security events; a change counts with the next request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import LABEL_LENGTH
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store import tables
from builder.store.database import Database
from builder.store.tables import grant as table
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.epoch import raise_epoch

SubjectKind = Literal["user", "department", "position", "everyone"]
SUBJECT_KINDS: tuple[SubjectKind, ...] = get_args(SubjectKind)


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role given to a user, a department with those below it, a position, or everyone."""

    id: str
    app: str
    role: str
    kind: str
    subject: str
    created_at: datetime
    created_by: str | None


class Grants:
    """Which there are."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._audit = audit

    def list_grants(self, app: str) -> list[RoleGrant]:
        """Return the grants of an app by role."""
        chosen = sa.select(table).where(table.c.app == app).order_by(table.c.role, table.c.kind, table.c.subject)
        with self._database.snapshot() as connection:
            return [_grant(row) for row in connection.execute(chosen)]

    def give(self, app: str, role: str, kind: str, subject: str = "", *, by: Origin = SYSTEM_ORIGIN) -> RoleGrant:
        """Give a role; one that is given already stays as it is. Whether the app has the role is the caller's business.

        Raises:
            Problem: ``identity.invalid``.
        """
        with self._database.transaction() as connection:
            subject = _checked(connection, kind, subject)
            here = (table.c.app == app) & (table.c.role == role) & (table.c.kind == kind) & (table.c.subject == subject)
            raise_epoch(connection)  # first: it is the lock that lets one giver in at a time
            there = connection.execute(sa.select(table).where(here)).one_or_none()
            if there is not None:
                return _grant(there)
            row: dict[str, Any] = {
                "id": self._ids.record_id(),
                "app": app,
                "role": role,
                "kind": kind,
                "subject": subject,
                "created_at": self._clock.now(),
                "created_by": by.actor,
            }
            connection.execute(sa.insert(table).values(**row))
            told = {"given": role, "app": app, "kind": kind}
            self._audit.note(connection, "grant.changed", by, subject or None, told)
            return RoleGrant(**row)

    def take(self, app: str, grant_id: str, *, by: Origin = SYSTEM_ORIGIN) -> None:
        """Take a role away.

        Raises:
            Problem: ``identity.not_found``.
        """
        known = find_uuid(grant_id)
        with self._database.transaction() as connection:
            raise_epoch(connection)
            here = (table.c.id == known) & (table.c.app == app)
            row = connection.execute(sa.select(table).where(here)).one_or_none() if known else None
            if row is None:
                raise Problem("identity.not_found", say("没有这个授权", "There is no such grant"))
            connection.execute(sa.delete(table).where(here))
            told = {"taken": row.role, "app": app, "kind": row.kind}
            self._audit.note(connection, "grant.changed", by, row.subject or None, told)


def _checked(connection: sa.Connection, kind: str, subject: str) -> str:
    """Return the canonical subject."""
    if kind in ("user", "department"):
        target = tables.user if kind == "user" else tables.department
        known = find_uuid(subject)
        if known and connection.execute(sa.select(target.c.id).where(target.c.id == known)).first():
            return known
        raise _invalid(
            "/subject",
            "没有这个编号的用户或部门(编号见 /api/people 与 /api/departments)",
            "There is no user or department with this id; /api/people and /api/departments tell ids",
        )
    if kind == "everyone" and not subject:
        return ""
    if kind == "position" and 0 < len(subject.strip()) <= LABEL_LENGTH:
        return subject.strip()
    raise _invalid(
        "/subject", "position 需要岗位名称,everyone 不带对象", "A position is a text; everyone has no subject"
    )


def _invalid(pointer: str, zh: str, en: str) -> Problem:
    message = say(zh, en)
    return Problem("identity.invalid", message, violations=[Violation("grant", pointer, message)])


def _grant(row: Any) -> RoleGrant:
    return RoleGrant(str(row.id), row.app, row.role, row.kind, row.subject, row.created_at, row.created_by)
