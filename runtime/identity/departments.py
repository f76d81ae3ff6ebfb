"""Departments: a tree. Reads and writes: dougong_department."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import KEY_LENGTH, LABEL_LENGTH
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import department as table

_KEY = re.compile(f"[a-z][a-z0-9_]{{0,{KEY_LENGTH - 1}}}")


@dataclass(frozen=True, slots=True)
class Department:
    """One department; ``parent_id`` None = at the top."""

    id: str
    key: str
    name: str
    parent_id: str | None


class Departments:
    """Which there are."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def list_departments(self) -> list[Department]:
        """Return all departments by key."""
        with self._database.snapshot() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.key)).all()
        return [Department(row.id, row.key, row.name, row.parent_id) for row in rows]

    def create_department(self, key: str, name: str, parent_id: str | None = None) -> Department:
        """Make a department.

        Raises:
            Problem: ``identity.invalid``, ``identity.conflict`` if the key is taken.
        """
        violations = []
        if not _KEY.fullmatch(key):
            text = say(
                "键须是小写字母、数字和下划线,以字母开头", "A key is lower-case letters, digits and _, a letter first"
            )
            violations.append(Violation("key", "/key", text))
        if not 0 < len(name.strip()) <= LABEL_LENGTH:
            text = say(f"名称须有 1 至 {LABEL_LENGTH} 个字符", f"A name has 1 to {LABEL_LENGTH} characters")
            violations.append(Violation("name", "/name", text))
        made = Department(self._ids.record_id(), key, name.strip(), parent_id)
        try:
            with self._database.transaction() as connection:
                if parent_id is not None and not _exists(connection, parent_id):
                    violations.append(Violation("unknown", "/parent_id", say("不存在", "There is none with this id")))
                if violations:
                    raise Problem("identity.invalid", say("部门资料有误", "Invalid department"), violations=violations)
                connection.execute(
                    sa.insert(table).values(id=made.id, key=made.key, name=made.name, parent_id=made.parent_id)
                )
        except sa.exc.IntegrityError:
            raise Problem("identity.conflict", say("部门键已被使用", "This department key is taken")) from None
        return made


def _exists(connection: sa.Connection, identifier: str) -> bool:
    known = find_uuid(identifier)
    return (
        known is not None and connection.execute(sa.select(table.c.id).where(table.c.id == known)).first() is not None
    )
