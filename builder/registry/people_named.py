"""People, departments and roles that an app's documents name and that are not there. Doubts, no errors: they may come later."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from builder.checks.finding import Finding, warning
from builder.definition.actions.base import Who
from builder.definition.approval import Approval
from builder.definition.kinds import ROLES, Definition
from builder.definition.pipeline import Transition
from builder.definition.references import Place, find_models
from builder.definition.triggers.button import Button
from builder.fields.base import Model, label_text
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from builder.store import tables

PLATFORM_ROLES = ("admin", "builder", "member")
_WITH_ROLES: tuple[type[Model], ...] = (Transition, Approval, Button)


class _Known(NamedTuple):
    """Who there is; names as people say them lead to keys."""

    users: Mapping[str, str]
    departments: Mapping[str, str]
    roles: Mapping[str, Text]
    given: Collection[str]
    """Roles that somebody has."""


def look_for_people(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    """Yield a warning for every person, department and role that is named in vain, and for every role asked that nobody has."""
    asked: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
        (Who, ("user", "department", "role")),
        *((kind, ("roles",)) for kind in _WITH_ROLES),
    )
    places = [
        (place, member)
        for kind, members in asked
        for place in find_models(definition, kind)
        for member in members
        if getattr(place.model, member)
    ]
    if not places:
        return
    known = _look_up(connection, definition)
    for place, member in places:
        yield from _check(place, member, known)


def _look_up(connection: sa.Connection, definition: Definition) -> _Known:
    user, department, grant = tables.user.c, tables.department.c, tables.grant.c
    given = sa.select(grant.role).where(grant.app == definition.key).distinct()
    return _Known(
        {row[0]: row[1] for row in connection.execute(sa.select(user.username, user.name).where(user.active))},
        {row[0]: row[1] for row in connection.execute(sa.select(department.key, department.name))},
        {role.key: label_text(role.label) for role in definition.of(ROLES)},
        set(connection.scalars(given)),
    )


def _check(place: Place, member: str, known: _Known) -> Iterator[Finding]:
    named = getattr(place.model, member)
    pointer = f"{place.pointer}/{member}"
    if member == "user":
        message = _unknown_user(named, known.users)
    elif member == "department":
        message = _unknown(named, known.departments, say("部门", "department"))
    elif member == "role":
        message = _unknown_role(named, known, is_asked=True)
    else:
        for number, role in enumerate(named):
            message = _unknown_role(role, known, is_asked=False)
            if message is not None:
                yield warning("people.missing", place.document, f"{pointer}/{number}", message)
        return
    if message is not None:
        yield warning("people.missing", place.document, pointer, message)


def _unknown_user(username: str, users: Mapping[str, str]) -> Text | None:
    if username.lower() in users:
        return None
    return _unknown(username, users, say("在用的用户", "active user"))


def _unknown_role(role: str, known: _Known, *, is_asked: bool) -> Text | None:
    """Say what is wrong with a role. Of those who merely may do something there need be nobody yet."""
    if role in PLATFORM_ROLES:
        return None
    if role not in known.roles:
        return _unknown(role, {key: label.zh for key, label in known.roles.items()}, say("角色", "role"))
    if role in known.given or not is_asked:
        return None
    label = known.roles[role]
    return say(
        f"角色“{label.zh}”({role})还没有成员,这里找不到人;请管理员授予此角色",
        f'Nobody has the role {label.en} ("{role}") yet, so nobody is found here; an admin has to give it to somebody',
    )


def _unknown(key: str, known: Mapping[str, str], what: Text) -> Text | None:
    if key in known:
        return None
    named = [other for other, name in known.items() if name == key]
    if named:
        return _by_name(key, named, what)
    hint = nearest_hint(key, known)
    return say(f"没有{what.zh}“{key}”{hint.zh}", f'There is no {what.en} "{key}"{hint.en}')


def _by_name(name: str, keys: Sequence[str], what: Text) -> Text:
    """A name stands where a key has to."""
    zh, en = "”或“".join(sorted(keys)), '" or "'.join(sorted(keys))
    return say(
        f"没有{what.zh}“{name}”:这里写键“{zh}”,不写名称", f'There is no {what.en} "{name}": write "{en}", not the name'
    )
