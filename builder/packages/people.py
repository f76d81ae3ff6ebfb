"""The people of sample records and their roles: ``_departments.csv``, ``_users.csv``, ``_grants.csv``. Reading them makes nobody; installing does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from builder.definition.kinds import ROLES
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from builder.packages.csv_text import Faults, Table, read_table
from builder.packages.package import DEPARTMENTS, GRANTS, USERS, Package

DEPARTMENT_COLUMNS: tuple[str, ...] = ("key", "name", "parent")
GRANT_COLUMNS: tuple[str, ...] = ("role", "kind", "subject")
USER_COLUMNS: tuple[str, ...] = ("username", "name", "email", "department", "manager", "position")


@dataclass(frozen=True, slots=True)
class SampleDepartment:
    """A department; ``parent`` is the key of one that comes before it."""

    key: str
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class SampleUser:
    """A person; ``department`` is a department's key, ``manager`` the user name of one who comes before them."""

    username: str
    name: str
    email: str | None
    department: str | None
    manager: str | None
    position: str | None


@dataclass(frozen=True, slots=True)
class SampleGrant:
    """A role given: ``subject`` is a user name, a department's key or a position, by ``kind``; blank for everyone."""

    role: str
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class People:
    """Departments and users in an order in which they can be made one after the other."""

    departments: tuple[SampleDepartment, ...]
    users: tuple[SampleUser, ...]
    grants: tuple[SampleGrant, ...] = ()


def read_people(package: Package) -> People:
    """Read the people of a package; without the files there are none.

    Raises:
        Problem: ``package.invalid`` with the place of every fault.
    """
    faults = Faults()
    departments = read_table(DEPARTMENTS, package.sample.get(DEPARTMENTS, ""), DEPARTMENT_COLUMNS, faults)
    users = read_table(USERS, package.sample.get(USERS, ""), USER_COLUMNS, faults)
    department_rows = _by_name(departments, "key", faults)
    user_rows = _by_name(users, "username", faults)
    _check_links(departments, "parent", department_rows, faults)
    _check_links(users, "department", department_rows, faults)
    _check_links(users, "manager", user_rows, faults)
    faults.raise_found()
    grants = read_table(GRANTS, package.sample.get(GRANTS, ""), GRANT_COLUMNS, faults)
    roles = [role.key for role in package.definition.of(ROLES)]
    for row in grants.rows:
        role = row.cells.get("role", "")
        if role not in roles:
            hint = nearest_hint(role, roles)
            text = say(f"没有角色“{role}”{hint.zh}", f'There is no role "{role}"{hint.en}')
            faults.add("reference", text, grants.file, row.line, "role")
    people = People(
        tuple(_department(department_rows[key]) for key in _ordered(departments, department_rows, "parent", faults)),
        tuple(_user(user_rows[name]) for name in _ordered(users, user_rows, "manager", faults)),
        tuple(SampleGrant(*(row.cells.get(column, "") for column in GRANT_COLUMNS)) for row in grants.rows),
    )
    faults.raise_found()
    return people


def _by_name(table: Table, column: str, faults: Faults) -> dict[str, Mapping[str, str]]:
    rows: dict[str, Mapping[str, str]] = {}
    for row in table.rows:
        for needed in (column, "name"):
            if needed not in row.cells:
                faults.add("required", say("不能为空", "Must not be blank"), table.file, row.line, needed)
        name = row.cells.get(column)
        if name is not None and name in rows:
            faults.add("duplicate", say(f"“{name}”出现两次", f'"{name}" occurs twice'), table.file, row.line, column)
        elif name is not None:
            rows[name] = row.cells
    return rows


def _check_links(table: Table, column: str, known: Mapping[str, object], faults: Faults) -> None:
    for row in table.rows:
        name = row.cells.get(column)
        if name is not None and name not in known:
            hint = nearest_hint(name, known)
            faults.add(
                "reference",
                say(f"没有“{name}”{hint.zh}", f'There is no "{name}"{hint.en}'),
                table.file,
                row.line,
                column,
            )


def _ordered(table: Table, rows: Mapping[str, Mapping[str, str]], column: str, faults: Faults) -> Sequence[str]:
    before: dict[str, Iterable[str]] = {
        name: [cells[column]] if column in cells else [] for name, cells in rows.items()
    }
    try:
        return tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        faults.add("cycle", say(f"上下级成环:{circle}", f"A circle of superiors: {circle}"), table.file, None, column)
        return ()


def _department(cells: Mapping[str, str]) -> SampleDepartment:
    return SampleDepartment(cells["key"], cells["name"], cells.get("parent"))


def _user(cells: Mapping[str, str]) -> SampleUser:
    return SampleUser(
        *(cells[column] for column in USER_COLUMNS[:2]), *(cells.get(column) for column in USER_COLUMNS[2:])
    )
