"""Routes of roles: which an app has, who has them, and what they may do. For admins."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from builder.definition.kinds import LOCKS, ROLES, names_of
from builder.definition.lock import Lock
from builder.fields.base import label_text
from builder.kernel.problems import Problem, Violation, key_hint
from builder.kernel.text import say
from builder.registry.registry import PublishedApp, load_published, no_app
from runtime.access.explaining import role_matrix
from runtime.access.gate import require_role
from runtime.access.grants import roles_of
from runtime.api.bodies import Answer, Body, Moment
from runtime.api.caller import Caller, Here, origin_of
from runtime.api.http import request_language
from runtime.identity import scopes
from runtime.identity.actors import Actor
from runtime.identity.grants import RoleGrant
from runtime.identity.periods import closed_periods, set_closed
from runtime.records.narrowing import narrows
from runtime.services import Services

router = APIRouter(tags=["roles"])


class GrantBody(Body):
    """Who is given a role: a user or department by id (a department with those below it), a position by name, or everyone."""

    role: Annotated[str, Field(min_length=1, max_length=40)]
    kind: Literal["user", "department", "position", "everyone"]
    subject: Annotated[str, Field(max_length=200)] = ""


class GrantAnswer(Body):
    """A role given to somebody."""

    id: str
    role: str
    kind: str
    subject: str
    created_at: Moment
    created_by: str | None

    @classmethod
    def of(cls, grant: RoleGrant) -> GrantAnswer:
        """Show a grant."""
        at: datetime = grant.created_at
        return cls(
            id=grant.id,
            role=grant.role,
            kind=grant.kind,
            subject=grant.subject,
            created_at=at,
            created_by=grant.created_by,
        )


@router.get("/api/{app}/roles")
def list_roles(app: str, request: Request, here: Here, caller: Caller) -> Answer[list[dict[str, Any]]]:
    """List the roles of an app with what each may do: the matrix of permissions."""
    require_role(caller, "admin", app)
    published = _published(here, app)
    language = request_language(request.scope, published.app.definition.app.language)
    return Answer(data=[role_matrix(published.app, role, language) for role in published.app.definition.of(ROLES)])


@router.get("/api/{app}/grants")
def list_grants(app: str, here: Here, caller: Caller) -> Answer[list[GrantAnswer]]:
    """List who has which role of an app."""
    require_role(caller, "admin", app)
    _published(here, app)
    return Answer(data=[GrantAnswer.of(grant) for grant in here.identity.grants.list_grants(app)])


@router.post("/api/{app}/grants", status_code=201)
def give_role(app: str, body: GrantBody, request: Request, here: Here, caller: Caller) -> Answer[GrantAnswer]:
    """Give a role; it counts with the next request."""
    require_role(caller, "admin", app)
    published = _published(here, app)
    known = published.app.definition.of(ROLES)
    if body.role not in [role.key for role in known]:
        hint = key_hint(body.role, names_of(known))
        text = say(f"没有角色“{body.role}”{hint.zh}", f'There is no role "{body.role}"{hint.en}')
        raise Problem("identity.invalid", text, violations=[Violation("unknown", "/role", text)])
    given = here.identity.grants.give(app, body.role, body.kind, body.subject, by=origin_of(request, caller))
    return Answer(data=GrantAnswer.of(given))


@router.delete("/api/{app}/grants/{grant_id}", status_code=204)
def take_role(app: str, grant_id: str, request: Request, here: Here, caller: Caller) -> None:
    """Take a role away; it counts with the next request."""
    require_role(caller, "admin", app)
    here.identity.grants.take(app, grant_id, by=origin_of(request, caller))


def _published(here: Services, app: str) -> PublishedApp:
    found = load_published(here.registry, app)
    if found is None:
        raise no_app(app[:40])
    return found


class ClosedBody(Body):
    """Days up to this one are closed; null opens the period again."""

    closed_until: Annotated[date, Field(strict=False)] | None


class LockAnswer(Body):
    """A lock of an app; ``closed_until`` of one with periods."""

    key: str
    label: str
    entity: str
    has_periods: bool
    closed_until: date | None


@router.get("/api/{app}/locks")
def list_locks(app: str, request: Request, here: Here, caller: Caller) -> Answer[list[LockAnswer]]:
    """List the locks of an app that the caller may close, with their closed periods."""
    published = _published(here, app)
    language = request_language(request.scope, published.app.definition.app.language)
    closed = closed_periods(here.database, app)
    locks = [lock for lock in published.app.definition.of(LOCKS) if _may_close(caller, app, lock)]
    if not locks:
        _require_visible(published, caller)
        require_role(caller, "admin", app)
    return Answer(
        data=[
            LockAnswer(
                key=lock.key,
                label=label_text(lock.label).pick(language),
                entity=lock.entity,
                has_periods=lock.period is not None,
                closed_until=closed.get(lock.key),
            )
            for lock in locks
        ]
    )


@router.put("/api/{app}/locks/{key}", status_code=204)
def close_period(app: str, key: str, body: ClosedBody, request: Request, here: Here, caller: Caller) -> None:
    """Close a period up to a day, or open it; for the lock's closers and admins. It counts with the next write."""
    published = _published(here, app)
    lock = published.app.definition.find(LOCKS, key)
    if lock is None or not _may_close(caller, app, lock):
        _require_visible(published, caller)
        require_role(caller, "admin", app)
    if lock is None or lock.period is None:
        raise Problem("definition.not_found", say("没有这个可关账的锁定", "There is no such lock with periods"))
    by = origin_of(request, caller)
    set_closed(here.database, here.clock, here.identity.audit, app, key, body.closed_until, by)


def _require_visible(published: PublishedApp, actor: Actor) -> None:
    """An app in which somebody has no role is not there for them."""
    if actor.role != "admin" and narrows(published, actor) and not roles_of(published.app, actor):
        raise no_app(published.app.key)


def _may_close(actor: Actor, app: str, lock: Lock) -> bool:
    if actor.scopes is not None and scopes.WRITE not in actor.scopes:
        return False
    return actor.role == "admin" or (actor.kind != "external" and bool(actor.roles_in(app) & set(lock.closers)))
