"""Who there is, asked inside a transaction. Reads: dougong_user, dougong_department."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.store import tables
from builder.store.statement import Unit
from builder.store.types import Identifier, Words
from runtime.records.looking_up import active_people, look_up
from runtime.records.writer import Writing

_user, _department = tables.user, tables.department


class PlatformPeople:
    """People as the platform knows them."""

    def by_username(self, w: Writing, usernames: Sequence[str]) -> Unit[list[str]]:
        """Return ids of active people, in the order of the names."""
        found: list[str] = []
        statement = w.statements.kept(("people", "username"), lambda _: _select(_user.c.username == _named("name")))
        for name in usernames:
            rows = yield from look_up(w, statement, {"name": name.lower()})
            found += [str(row[0]) for row in rows]
        return found

    def with_role(self, w: Writing, role: str) -> Unit[list[str]]:
        """Return the ids of those who have a role of the app (by whatever grant) or of the platform, by user name.

        External people have portal roles only, whatever they were given.
        """
        statement = w.statements.kept(("people", "role"), lambda _: _select(_has_role()))
        portal = role in w.app.portal_roles
        rows = yield from look_up(w, statement, {"role": role, "app": w.app.key, "portal": portal})
        return [str(row[0]) for row in rows]

    def in_department(self, w: Writing, department: str) -> Unit[list[str]]:
        """Return the ids of the members of a department (key or id) and of those below it, by user name."""
        by_id = find_uuid(department) is not None
        statement = w.statements.kept(
            ("people", "department", by_id), lambda _: _select(_user.c.department_id.in_(_below(by_id=by_id)))
        )
        rows = yield from look_up(w, statement, {"department": department})
        return [str(row[0]) for row in rows]

    def of_area(self, w: Writing, area: str) -> Unit[list[str]]:
        """Return the ids of those whose areas have this one, by user name."""
        # areas are a short JSON list of keys in a text column; a quoted key can stand nowhere else in it
        statement = w.statements.kept(
            ("people", "area"), lambda _: _select(sa.func.replace(_user.c.areas, _named("area"), "") != _user.c.areas)
        )
        rows = yield from look_up(w, statement, {"area": dump_json(area).decode()})
        return [str(row[0]) for row in rows]

    def manager_of(self, w: Writing, user_id: str, levels: int) -> Unit[str | None]:
        """Return the active manager so many levels up, or the highest there is below that."""
        statement = w.statements.kept(
            ("people", "manager"),
            lambda _: sa.select(_user.c.manager_id, _user.c.active).where(
                _user.c.id == sa.bindparam("id", type_=Identifier())
            ),
        )
        found: str | None = None
        here: str | None = user_id
        level = 0
        seen: set[str] = set()
        while here is not None and here not in seen and level <= levels:
            seen.add(here)
            rows = yield from look_up(w, statement, {"id": here})
            if not rows:
                break
            manager_id, is_active = rows[0]
            if is_active and level:  # who left is passed over, his manager stands in
                found = here
            if is_active or not level:
                level += 1
            here = None if manager_id is None else str(manager_id)
        return found

    def active(self, w: Writing, user_ids: Sequence[str]) -> Unit[list[str]]:
        """Return those of them who are active, each once, in their order."""
        wanted = list(dict.fromkeys(i for i in user_ids if find_uuid(i)))
        if not wanted:
            return []
        there = yield from active_people(w, wanted)
        return [user_id for user_id in wanted if user_id in there]


def _select(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(_user.c.id).where(_user.c.active, condition).order_by(_user.c.username)


def _has_role() -> sa.ColumnElement[bool]:
    """Whether a person has the role: of the platform, or by a grant to them, their position, department or everybody."""
    g = tables.grant
    here = (g.c.app == _named("app")) & (g.c.role == _named("role"))

    def subjects(kind: str) -> sa.Select[Any]:
        return sa.select(g.c.subject).where(here, g.c.kind == kind)

    top = sa.select(_department.c.id).where(sa.cast(_department.c.id, sa.Text).in_(subjects("department")))
    tree = top.cte("granted", recursive=True)
    child = _department.alias("child")
    tree = tree.union(sa.select(child.c.id).where(child.c.parent_id == tree.c.id))
    is_open = (_user.c.kind != "external") | sa.bindparam("portal", type_=sa.Boolean())
    return sa.or_(
        _user.c.role == _named("role"),
        is_open
        & sa.or_(
            sa.cast(_user.c.id, sa.Text).in_(subjects("user")),
            _user.c.position.in_(subjects("position")),
            _user.c.department_id.in_(sa.select(tree.c.id)),
            sa.exists(subjects("everyone")),
        ),
    )


def _named(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=Words())


def _below(*, by_id: bool) -> sa.Select[Any]:
    """Return the ids of a department and of all below it; a circle ends, because a row is taken up once."""
    key = sa.bindparam("department", type_=Identifier() if by_id else Words())
    top = sa.select(_department.c.id).where((_department.c.id if by_id else _department.c.key) == key)
    tree = top.cte("below", recursive=True)
    child = _department.alias("child")
    tree = tree.union(sa.select(child.c.id).where(child.c.parent_id == tree.c.id))
    return sa.select(tree.c.id)
