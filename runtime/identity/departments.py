"""Departments: a tree, each with a manager. Reads and writes: dougong_department, security events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import KEY_LENGTH, LABEL_LENGTH
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import department as table
from builder.store.tables import user as user_table
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns

CHANGEABLE = ("name", "parent_id", "manager_id")
_KEY = re.compile(f"[a-z][a-z0-9_]{{0,{KEY_LENGTH - 1}}}")
_DEEPEST = 30


@dataclass(frozen=True, slots=True)
class Department:
    """One department; ``parent_id`` None = at the top."""

    id: str
    key: str
    name: str
    parent_id: str | None
    manager_id: str | None = None
    source: str | None = None
    external_id: str | None = None


class Departments:
    """Which there are."""

    def __init__(self, database: Database, ids: Ids, audit: Audit) -> None:
        self._database = database
        self._ids = ids
        self._audit = audit

    def list_departments(self) -> list[Department]:
        """Return all departments by key."""
        with self._database.snapshot() as connection:
            return [_department(row) for row in connection.execute(sa.select(table).order_by(table.c.key))]

    def create_department(
        self,
        key: str,
        name: str,
        parent_id: str | None = None,
        manager_id: str | None = None,
        *,
        by: Origin = SYSTEM_ORIGIN,
    ) -> Department:
        """Make a department.

        Raises:
            Problem: ``identity.invalid``, ``identity.conflict`` if the key is taken.
        """
        values = {"key": key, "name": name, "parent_id": parent_id, "manager_id": manager_id}
        try:
            with self._database.transaction() as connection:
                return self.insert(connection, values, by=by)
        except sa.exc.IntegrityError:
            raise Problem("identity.conflict", say("部门键已被使用", "This department key is taken")) from None

    def insert(self, connection: sa.Connection, values: Mapping[str, Any], *, by: Origin) -> Department:
        """Make a department inside a transaction."""
        violations = [] if _KEY.fullmatch(values["key"]) else [_wrong_key()]
        _refuse(violations + _violations(connection, values, None))
        row = _canonical(values) | {"id": self._ids.record_id(), "name": values["name"].strip()}
        raise_epoch(connection)
        connection.execute(sa.insert(table).values(**row))
        self._audit.note(connection, "department.changed", by, row["id"], {"created": values["key"]})
        return _get(connection, row["id"])

    def update_department(
        self, department_id: str, changes: Mapping[str, Any], *, by: Origin = SYSTEM_ORIGIN
    ) -> Department:
        """Change name, parent or manager; what rights hang on it counts with the next request.

        Raises:
            Problem: ``identity.not_found``, ``identity.invalid``.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            return self.change(connection, department_id, changes, by=by)

    def change(
        self, connection: sa.Connection, department_id: str, changes: Mapping[str, Any], *, by: Origin
    ) -> Department:
        """Change a department inside a transaction that has taken its turn."""
        before = _get(connection, department_id)
        changed = {name: value for name, value in _canonical(changes).items() if getattr(before, name) != value}
        if not changed:
            return before
        _refuse(_violations(connection, changed, before.id))
        connection.execute(sa.update(table).where(table.c.id == before.id).values(**changed))
        raise_epoch(connection)
        told = {name: [getattr(before, name), value] for name, value in changed.items()}
        self._audit.note(connection, "department.changed", by, before.id, told)
        return _get(connection, before.id)

    def delete_department(self, department_id: str, *, by: Origin = SYSTEM_ORIGIN) -> None:
        """Remove a department that has nobody in it and none below it; records that name it keep its id as a text nobody finds.

        Raises:
            Problem: ``identity.not_found``, ``identity.conflict``.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            before = _get(connection, department_id)
            people = connection.scalar(
                sa.select(sa.func.count()).select_from(user_table).where(user_table.c.department_id == before.id)
            )
            below = connection.scalar(
                sa.select(sa.func.count()).select_from(table).where(table.c.parent_id == before.id)
            )
            if people or below:
                detail = say(
                    f"部门中还有 {people} 人、{below} 个下级部门,请先移走",
                    f"The department still has {people} people and {below} departments below it; move them first",
                )
                raise Problem("identity.conflict", detail)
            try:
                connection.execute(sa.delete(table).where(table.c.id == before.id))
            except sa.exc.IntegrityError:
                detail = say(
                    "仍有记录使用这个部门,请先修改它们", "Records still name this department; change them first"
                )
                raise Problem("identity.conflict", detail) from None
            raise_epoch(connection)
            self._audit.note(connection, "department.changed", by, before.id, {"deleted": before.key})


def _get(connection: sa.Connection, department_id: str) -> Department:
    known = find_uuid(department_id)
    row = connection.execute(sa.select(table).where(table.c.id == known)).one_or_none() if known else None
    if row is None:
        raise Problem("identity.not_found", say("没有这个部门", "There is no such department"))
    return _department(row)


def _department(row: Any) -> Department:
    return Department(row.id, row.key, row.name, row.parent_id, row.manager_id, row.source, row.external_id)


def _canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    ids = {name: find_uuid(values[name]) for name in ("parent_id", "manager_id") if values.get(name) is not None}
    return {**values, **{name: known for name, known in ids.items() if known is not None}}


def _wrong_key() -> Violation:
    text = say("键须是小写字母、数字和下划线,以字母开头", "A key is lower-case letters, digits and _, a letter first")
    return Violation("key", "/key", text)


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise Problem("identity.invalid", say("部门资料有误", "Invalid department"), violations=violations)


def _violations(connection: sa.Connection, values: Mapping[str, Any], department_id: str | None) -> list[Violation]:
    found = []
    if "name" in values and not 0 < len(values["name"].strip()) <= LABEL_LENGTH:
        text = say(f"名称须有 1 至 {LABEL_LENGTH} 个字符", f"A name has 1 to {LABEL_LENGTH} characters")
        found.append(Violation("name", "/name", text))
    for name, target in (("parent_id", table), ("manager_id", user_table)):
        if values.get(name) is not None and not _exists(connection, target, values[name]):
            found.append(Violation("unknown", f"/{name}", say("不存在", "There is none with this id")))
    if not found and values.get("parent_id") is not None:
        found += _parent_violations(connection, department_id, values["parent_id"])
    return found


def _parent_violations(connection: sa.Connection, department_id: str | None, parent_id: str) -> list[Violation]:
    parents: dict[str, str | None] = {row.id: row.parent_id for row in connection.execute(sa.select(table))}
    above: str | None = find_uuid(parent_id)
    for _ in range(_DEEPEST):
        if above is None:
            return []
        if above == department_id:
            return [Violation("circle", "/parent_id", say("上级部门成环", "The departments would form a circle"))]
        above = parents.get(above)
    text = say(f"部门最多 {_DEEPEST} 层", f"Departments are at most {_DEEPEST} levels deep")
    return [Violation("depth", "/parent_id", text)]


def _exists(connection: sa.Connection, target: sa.Table, identifier: str) -> bool:
    known = find_uuid(identifier)
    return (
        known is not None and connection.execute(sa.select(target.c.id).where(target.c.id == known)).first() is not None
    )
