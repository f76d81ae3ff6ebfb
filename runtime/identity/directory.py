"""Users and departments as a directory has them (DingTalk, WeCom, a sheet): one contract, brought in whole or not at all.

Reads and writes: dougong_user, dougong_department, dougong_session, security events. Nobody is deleted; who is gone is switched off. Roles
are never given here, and admins are never switched off: a directory must not be able to take an installation over or lock it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

import sqlalchemy as sa

from builder.definition.keys import free_key, key_of
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.tables import department as department_table
from builder.store.tables import user as user_table
from runtime.identity.audit import Audit, Origin
from runtime.identity.departments import Departments
from runtime.identity.epoch import take_turns
from runtime.identity.users import Users, normal_username

Mode = Literal["full", "partial"]
_ALWAYS_LEAVE = 3
"""So many may leave at once in any company."""


class Unsaid(Enum):
    """The type of ``UNSAID``."""

    UNSAID = "unsaid"


UNSAID = Unsaid.UNSAID
Deed = Literal["created", "changed", "unchanged", "switched_off"]


@dataclass(frozen=True, slots=True)
class ListedDepartment:
    """A department; ``parent`` and ``manager`` are ids of the directory."""

    external_id: str
    name: str
    parent: str | None = None
    manager: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A person. ``UNSAID`` = the directory says nothing of it, and it stays as it is; None = there is none.

    ``department`` and ``manager`` are ids of the directory, or the key of a department or the user name of somebody who is there.
    """

    external_id: str
    username: str
    name: str | Unsaid = UNSAID
    email: str | Unsaid | None = UNSAID
    phone: str | Unsaid | None = UNSAID
    department: str | Unsaid | None = UNSAID
    manager: str | Unsaid | None = UNSAID
    position: str | Unsaid | None = UNSAID
    areas: tuple[str, ...] | Unsaid = UNSAID
    active: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """What a directory says. ``full``: who is not in it is gone; ``partial``: the rest stays as it is."""

    source: str
    mode: Mode
    departments: tuple[ListedDepartment, ...] = ()
    users: tuple[ListedUser, ...] = ()


@dataclass(slots=True)
class SyncReport:
    """What became (or would become) of each: (user name or department name, deed)."""

    departments: list[tuple[str, Deed]] = field(default_factory=list)
    users: list[tuple[str, Deed]] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """How many are not as they were."""
        return sum(deed != "unchanged" for _, deed in (*self.departments, *self.users))

    @property
    def leavers(self) -> int:
        """How many are switched off."""
        return sum(deed == "switched_off" for _, deed in self.users)


class _DryRun(Exception):
    """Everything was tried; nothing shall stay."""


class Directory:
    """Brings listings in."""

    def __init__(self, database: Database, users: Users, departments: Departments, audit: Audit) -> None:
        self._database = database
        self._users = users
        self._departments = departments
        self._audit = audit

    def sync(self, listing: Listing, *, by: Origin, dry_run: bool = False, most_leavers: int = 100) -> SyncReport:
        """Make users and departments as a listing says, in one transaction. The same listing again changes nothing.

        Args:
            most_leavers: percent of the people of this source that may be switched off.

        Raises:
            Problem: ``identity.invalid`` with every violation; pointers are ``/users/3/email``. ``directory.many_leavers``.
        """
        violations = _wrong_names(listing)
        if violations:
            raise Problem("identity.invalid", say("名录有误", "Invalid directory"), violations=violations)
        report = SyncReport()
        try:
            with self._database.transaction() as connection:
                take_turns(connection)
                active = _count_active(connection, listing.source)
                _Sync(connection, self._users, self._departments, listing, by, report).run()
                if not dry_run:
                    _refuse_many_leavers(report.leavers, active, most_leavers)
                if report.changes and not dry_run:
                    detail = {"source": listing.source, "mode": listing.mode, "changes": report.changes}
                    self._audit.note(connection, "directory.synced", by, None, detail)
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass
        return report


def _count_active(connection: sa.Connection, source: str) -> int:
    rows = sa.select(sa.func.count()).select_from(user_table).where(user_table.c.source == source, user_table.c.active)
    return int(connection.scalar(rows) or 0)


def _refuse_many_leavers(leavers: int, active: int, most: int) -> None:
    """A directory that suddenly shows few people is more often a lost permission than a company that ends."""
    if leavers > _ALWAYS_LEAVE and leavers * 100 > active * most:
        raise Problem(
            "directory.many_leavers",
            say(
                f"{active} 人中有 {leavers} 人将被停用,超过 {most}%,没有导入;核对后可确认同步",
                f"{leavers} of {active} people would be switched off, more than {most}%; nothing was brought in. "
                "If that is right, sync with accept_leavers",
            ),
        )


def _wrong_names(listing: Listing) -> list[Violation]:
    """Ids occur once, and what is named is there or was there before (found later); circles are refused."""
    found = list(_repeated("users", [user.external_id for user in listing.users], "external_id"))
    found += _repeated("users", [normal_username(user.username) for user in listing.users], "username")
    found += _repeated("departments", [department.external_id for department in listing.departments], "external_id")
    found += _circle("users", {user.external_id: _said(user.manager) for user in listing.users}, "manager")
    found += _circle("departments", {item.external_id: item.parent for item in listing.departments}, "parent")
    return found


def _said(name: str | Unsaid | None) -> str | None:
    return None if isinstance(name, Unsaid) else name


def _repeated(kind: str, names: Sequence[str], member: str) -> Iterable[Violation]:
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            message = say(f"“{name}”出现两次", f'"{name}" occurs twice')
            yield Violation("duplicate", f"/{kind}/{place}/{member}", message)
        seen.add(name)


def _circle(kind: str, above: Mapping[str, str | None], member: str) -> Iterable[Violation]:
    try:
        _above_first(above)
    except CycleError as error:
        circle = " → ".join(map(str, error.args[1]))
        place = list(above).index(error.args[1][0])
        message = say(f"上下级成环:{circle}", f"A circle of superiors: {circle}")
        yield Violation("circle", f"/{kind}/{place}/{member}", message)


def _above_first(above: Mapping[str, str | None]) -> list[str]:
    known = {name: [over] if over is not None and over in above else [] for name, over in above.items()}
    return list(TopologicalSorter(known).static_order())


class _Sync:
    """One listing on its way in."""

    def __init__(
        self,
        connection: sa.Connection,
        users: Users,
        departments: Departments,
        listing: Listing,
        by: Origin,
        report: SyncReport,
    ) -> None:
        self._connection = connection
        self._users = users
        self._departments = departments
        self._listing = listing
        self._by = by
        self._report = report
        self._violations: list[Violation] = []
        self._department_ids = self._known(department_table)
        self._user_ids = self._known(user_table)

    def run(self) -> None:
        """Departments first (parents before children), then people (managers first), then managers of departments."""
        self._bring_departments()
        self._bring_users()
        self._refuse()
        self._set_department_managers()
        if self._listing.mode == "full":
            self._switch_off_the_rest()
        self._refuse()

    def _refuse(self) -> None:
        if self._violations:
            found = sorted(self._violations, key=lambda violation: violation.pointer)
            raise Problem("identity.invalid", say("名录有误", "Invalid directory"), violations=found)

    def _known(self, table: sa.Table) -> dict[str, str]:
        rows = self._connection.execute(
            sa.select(table.c.external_id, table.c.id).where(table.c.source == self._listing.source)
        )
        return {row.external_id: row.id for row in rows}

    # -- departments ---------------------------------------------------------------------------------------------------

    def _bring_departments(self) -> None:
        listed = {item.external_id: (place, item) for place, item in enumerate(self._listing.departments)}
        for external_id in _above_first({key: item.parent for key, (_, item) in listed.items()}):
            place, item = listed[external_id]
            pointer = f"/departments/{place}"
            parent = self._find(self._department_ids, item.parent, f"{pointer}/parent")
            with _at(pointer, self._violations):
                self._bring_department(item, parent)

    def _bring_department(self, item: ListedDepartment, parent: str | None) -> None:
        values = {"name": item.name, "parent_id": parent}
        known = self._department_ids.get(item.external_id) or self._adopt(department_table, "key", item.key, item)
        if known is None:
            made = self._departments.insert(
                self._connection, {**values, "key": self._free_key(item), **self._origin(item)}, by=self._by
            )
            self._department_ids[item.external_id] = made.id
            self._report.departments.append((item.name, "created"))
            return
        self._department_ids[item.external_id] = known
        before = self._row(department_table, known)
        self._departments.change(self._connection, known, values, by=self._by)
        after = self._row(department_table, known)
        self._report.departments.append((item.name, "unchanged" if before == after else "changed"))

    def _free_key(self, item: ListedDepartment) -> str:
        taken = set(self._connection.scalars(sa.select(department_table.c.key)))
        return free_key(item.key or key_of(item.name), taken)

    def _set_department_managers(self) -> None:
        for place, item in enumerate(self._listing.departments):
            if item.manager is None:
                continue
            manager = self._find(self._user_ids, item.manager, f"/departments/{place}/manager")
            if manager is not None:
                known = self._department_ids[item.external_id]
                self._departments.change(self._connection, known, {"manager_id": manager}, by=self._by)

    # -- people --------------------------------------------------------------------------------------------------------

    def _bring_users(self) -> None:
        listed = {item.external_id: (place, item) for place, item in enumerate(self._listing.users)}
        for external_id in _above_first({key: _said(item.manager) for key, (_, item) in listed.items()}):
            place, item = listed[external_id]
            pointer = f"/users/{place}"
            values = self._user_values(item, pointer)
            with _at(pointer, self._violations):
                self._bring_user(item, values)

    def _user_values(self, item: ListedUser, pointer: str) -> dict[str, Any]:
        values: dict[str, Any] = {"active": item.active}
        for name in ("name", "email", "phone", "position", "areas"):
            if getattr(item, name) is not UNSAID:
                values[name] = getattr(item, name)
        for member, ids in (("department", self._department_ids), ("manager", self._user_ids)):
            named = getattr(item, member)
            if named is not UNSAID:
                values[f"{member}_id"] = self._find(ids, named, f"{pointer}/{member}")
        return values

    def _bring_user(self, item: ListedUser, values: dict[str, Any]) -> None:
        username = normal_username(item.username)
        known = self._user_ids.get(item.external_id) or self._adopt(user_table, "username", username, item)
        if known is None:
            given = {**values, "username": username, **self._origin(item)}
            made = self._users.insert(self._connection, given, password=None, hashed=None, by=self._by)
            self._user_ids[item.external_id] = made.id
            self._report.users.append((username, "created"))
            return
        self._user_ids[item.external_id] = known
        before = self._row(user_table, known)
        if before.role == "admin" and not item.active:
            values = {**values, "active": True}
        changed = self._users.change(self._connection, known, values, by=self._by)
        deed: Deed = "unchanged"
        if before.active and not changed.active:
            deed = "switched_off"
        elif before.revision != changed.revision or before.external_id is None:
            deed = "changed"
        self._report.users.append((username, deed))

    def _switch_off_the_rest(self) -> None:
        listed = {item.external_id for item in self._listing.users}
        source = user_table.c.source == self._listing.source
        gone = sa.select(user_table).where(source, user_table.c.active, user_table.c.role != "admin")
        for row in self._connection.execute(gone.order_by(user_table.c.username)).all():
            if row.external_id not in listed:
                self._users.change(self._connection, row.id, {"active": False}, by=self._by)
                self._report.users.append((row.username, "switched_off"))

    # -- both ----------------------------------------------------------------------------------------------------------

    def _find(self, ids: Mapping[str, str], external_id: str | None, pointer: str) -> str | None:
        if external_id is None:
            return None
        found = ids.get(external_id) or self._by_name(ids, external_id)
        if found is None and not any(violation.pointer.startswith(pointer) for violation in self._violations):
            message = say(f"名录中没有“{external_id}”", f'The directory has no "{external_id}"')
            self._violations.append(Violation("unknown", pointer, message))
        return found

    def _by_name(self, ids: Mapping[str, str], name: str) -> str | None:
        if ids is self._user_ids:
            select = sa.select(user_table.c.id).where(user_table.c.username == normal_username(name))
        else:
            select = sa.select(department_table.c.id).where(department_table.c.key == name)
        return self._connection.scalar(select)

    def _adopt(self, table: sa.Table, column: str, name: str | None, item: ListedDepartment | ListedUser) -> str | None:
        """Take up one that was made by hand and has the name; one that belongs to another directory is not ours."""
        if name is None:
            return None
        row = self._connection.execute(sa.select(table).where(table.c[column] == name)).one_or_none()
        if row is None or row.source is not None:
            return None
        self._connection.execute(sa.update(table).where(table.c.id == row.id).values(**self._origin(item)))
        return str(row.id)

    def _origin(self, item: ListedDepartment | ListedUser) -> dict[str, str]:
        return {"source": self._listing.source, "external_id": item.external_id}

    def _row(self, table: sa.Table, known: str) -> Any:
        return self._connection.execute(sa.select(table).where(table.c.id == known)).one()


class _at:
    """Collects what is refused inside, with the place of the item before the pointers."""

    def __init__(self, pointer: str, violations: list[Violation]) -> None:
        self._pointer = pointer
        self._violations = violations

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Problem) or not error.code.startswith("identity."):
            return False
        inner = error.violations or [Violation("conflict", "", error.detail)]
        for violation in inner:
            member = violation.pointer.removesuffix("_id")
            placed = Violation(violation.code, self._pointer + member, violation.message, violation.params)
            self._violations.append(placed)
        return True
