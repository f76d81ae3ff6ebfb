"""Routes of users and departments, for admins. Thin: rules live in ``runtime.identity``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from builder.kernel.limits import PEOPLE_AT_ONCE
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.access.gate import require_house, require_person, require_role
from runtime.api.bodies import (
    Answer,
    DepartmentAnswer,
    DepartmentBody,
    DepartmentChange,
    LinkAnswer,
    NewUserAnswer,
    PersonAnswer,
    SessionAnswer,
    TokenAnswer,
    TokenBody,
    UserAnswer,
    UserBody,
    UserChange,
)
from runtime.api.caller import Caller, Here, actor_of, origin_of
from runtime.identity.audit import Origin
from runtime.identity.setup import SETUP_PATH
from runtime.identity.users import User
from runtime.services import Services

router = APIRouter(tags=["users"])


@router.get("/api/users")
def list_users(
    here: Here,
    caller: Caller,
    after: Annotated[str, Query(max_length=64, description="user name to go on from")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    search: Annotated[str, Query(max_length=64, description="a part of user name, name or e-mail address")] = "",
) -> Answer[list[UserAnswer]]:
    """List users by user name."""
    require_role(caller, "admin")
    found = here.identity.users.list_users(after=after, limit=limit, search=search)
    return Answer(data=[UserAnswer.of(user) for user in found])


@router.post("/api/users", status_code=201)
def create_user(body: UserBody, request: Request, here: Here, caller: Caller) -> Answer[NewUserAnswer]:
    """Make a user; without a password the answer holds a one-time link to hand over, valid for 24 hours."""
    require_role(caller, "admin")
    user = here.identity.users.create_user(
        body.model_dump(exclude={"password"}), password=body.password, by=origin_of(request, caller)
    )
    needs_link = body.password is None and body.kind != "service"
    link = _link(here, user, origin_of(request, caller)) if needs_link else None
    return Answer(data=NewUserAnswer(user=UserAnswer.of(user), link=link))


@router.get("/api/users/{user_id}")
def get_user(user_id: str, here: Here, caller: Caller) -> Answer[UserAnswer]:
    """Return one user."""
    require_role(caller, "admin")
    return Answer(data=UserAnswer.of(here.identity.users.get_user(user_id)))


@router.patch("/api/users/{user_id}")
def update_user(user_id: str, body: UserChange, request: Request, here: Here, caller: Caller) -> Answer[UserAnswer]:
    """Change a user; another role, or switching off, counts with the user's next request."""
    require_role(caller, "admin")
    changes = body.model_dump(exclude_unset=True)
    return Answer(data=UserAnswer.of(here.identity.users.update_user(user_id, changes, by=origin_of(request, caller))))


@router.post("/api/users/{user_id}/link", status_code=201)
def issue_link(user_id: str, request: Request, here: Here, caller: Caller) -> Answer[LinkAnswer]:
    """Make a one-time link with which a user sets a new password; valid for 24 hours."""
    require_role(caller, "admin")
    return Answer(data=_link(here, here.identity.users.get_user(user_id), origin_of(request, caller)))


@router.get("/api/users/{user_id}/sessions")
def list_sessions_of_user(user_id: str, here: Here, caller: Caller) -> Answer[list[SessionAnswer]]:
    """List a user's open sessions."""
    require_role(caller, "admin")
    user = here.identity.users.get_user(user_id)
    return Answer(data=[SessionAnswer.of(session) for session in here.identity.sessions.list_sessions(user.id)])


@router.delete("/api/users/{user_id}/sessions/{session_id}", status_code=204)
def end_session_of_user(user_id: str, session_id: str, request: Request, here: Here, caller: Caller) -> None:
    """End a user's session; it counts with their next request."""
    require_role(caller, "admin")
    user = here.identity.users.get_user(user_id)
    here.identity.sessions.end_session(user.id, session_id, origin_of(request, caller))


@router.delete("/api/users/{user_id}/factor", status_code=204)
def remove_factor_of(user_id: str, request: Request, here: Here, caller: Caller) -> None:
    """Remove the second factor of somebody who lost phone and recovery codes."""
    require_role(caller, "admin")
    user = here.identity.users.get_user(user_id)
    here.identity.factors.remove(user.id, origin_of(request, caller))


@router.get("/api/users/{user_id}/tokens")
def list_tokens_of_user(user_id: str, here: Here, caller: Caller) -> Answer[list[TokenAnswer]]:
    """List the tokens with which programs act as a user."""
    require_role(caller, "admin")
    user = here.identity.users.get_user(user_id)
    return Answer(data=[TokenAnswer.of(token) for token in here.identity.tokens.list_tokens(user.id)])


@router.post("/api/users/{user_id}/tokens", status_code=201)
def create_token_of_user(
    user_id: str, body: TokenBody, request: Request, here: Here, caller: Caller
) -> Answer[TokenAnswer]:
    """Make a token for a service account; its secret is shown this once. People make their own."""
    require_role(caller, "admin")
    require_person(caller)
    user = here.identity.users.get_user(user_id)
    if user.kind != "service":
        detail = say("只能为服务账号创建令牌,人员请自行创建", "Only for service accounts; people make their own tokens")
        raise Problem("identity.invalid", detail)
    secret, token = here.identity.tokens.create_token(
        user, body.name, body.scopes, body.expires_at, by=origin_of(request, caller)
    )
    return Answer(data=TokenAnswer.of(token, secret))


@router.get("/api/people", dependencies=[Depends(actor_of)])
def list_people(
    here: Here,
    caller: Caller,
    search: Annotated[str, Query(max_length=64, description="a part of user name or name")] = "",
    after: Annotated[str, Query(max_length=64, description="user name to go on from")] = "",
    limit: Annotated[int, Query(ge=1, le=PEOPLE_AT_ONCE)] = 50,
    ids: Annotated[
        str, Query(max_length=PEOPLE_AT_ONCE * 37, description="ids, with commas: names of whoever they are")
    ] = "",
) -> Answer[list[PersonAnswer]]:
    """List people by user name, to be chosen from; for everybody of the house. With ``ids`` also who has left, and programs."""
    require_house(caller)
    users = here.identity.users
    if ids:
        return Answer(data=[PersonAnswer.of(user) for user in users.find_users(_asked(ids))])
    return Answer(data=[PersonAnswer.of(user) for user in users.list_people(after=after, limit=limit, search=search)])


@router.get("/api/departments", dependencies=[Depends(actor_of)])
def list_departments(here: Here, caller: Caller) -> Answer[list[DepartmentAnswer]]:
    """List all departments by key; for everybody of the house."""
    require_house(caller)
    return Answer(data=[DepartmentAnswer.of(each) for each in here.identity.departments.list_departments()])


@router.post("/api/departments", status_code=201)
def create_department(body: DepartmentBody, request: Request, here: Here, caller: Caller) -> Answer[DepartmentAnswer]:
    """Make a department."""
    require_role(caller, "admin")
    made = here.identity.departments.create_department(
        body.key, body.name, body.parent_id, body.manager_id, by=origin_of(request, caller)
    )
    return Answer(data=DepartmentAnswer.of(made))


@router.patch("/api/departments/{department_id}")
def update_department(
    department_id: str, body: DepartmentChange, request: Request, here: Here, caller: Caller
) -> Answer[DepartmentAnswer]:
    """Rename a department, move it in the tree, or give it another manager."""
    require_role(caller, "admin")
    changes = body.model_dump(exclude_unset=True)
    changed = here.identity.departments.update_department(department_id, changes, by=origin_of(request, caller))
    return Answer(data=DepartmentAnswer.of(changed))


@router.delete("/api/departments/{department_id}", status_code=204)
def delete_department(department_id: str, request: Request, here: Here, caller: Caller) -> None:
    """Remove a department that is empty."""
    require_role(caller, "admin")
    here.identity.departments.delete_department(department_id, by=origin_of(request, caller))


def _asked(ids: str) -> list[str]:
    asked = ids.split(",")
    if len(asked) > PEOPLE_AT_ONCE:
        most = PEOPLE_AT_ONCE
        raise Problem("query.invalid", say(f"ids 最多 {most} 个", f"ids are {most} at most"))
    return asked


def _link(here: Services, user: User, by: Origin) -> LinkAnswer:
    secret, expires_at = here.identity.setup.issue_link(user, by=by)
    return LinkAnswer(link=(here.settings.public_url or "") + SETUP_PATH + secret, expires_at=expires_at)
