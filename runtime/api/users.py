"""Routes of users and departments, for admins. Thin: rules live in ``runtime.identity``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from runtime.access.gate import require_role
from runtime.api.bodies import (
    Answer,
    DepartmentAnswer,
    DepartmentBody,
    LinkAnswer,
    NewUserAnswer,
    UserAnswer,
    UserBody,
    UserChange,
)
from runtime.api.caller import Caller, Here, actor_of
from runtime.identity.users import User
from runtime.services import Services

router = APIRouter(tags=["users"])

SETUP_PATH = "/setup#"
"""A link's secret stands behind the #: browsers do not send it, so it is in no log."""


@router.get("/api/users")
def list_users(
    here: Here,
    caller: Caller,
    after: Annotated[str, Query(max_length=64, description="user name to go on from")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Answer[list[UserAnswer]]:
    """List users by user name."""
    require_role(caller, "admin")
    return Answer(data=[UserAnswer.of(user) for user in here.identity.users.list_users(after=after, limit=limit)])


@router.post("/api/users", status_code=201)
def create_user(body: UserBody, here: Here, caller: Caller) -> Answer[NewUserAnswer]:
    """Make a user; without a password the answer holds a one-time link to hand over, valid for 24 hours."""
    require_role(caller, "admin")
    user = here.identity.users.create_user(body.model_dump(exclude={"password"}), password=body.password)
    link = None if body.password is not None else _link(here, user)
    return Answer(data=NewUserAnswer(user=UserAnswer.of(user), link=link))


@router.get("/api/users/{user_id}")
def get_user(user_id: str, here: Here, caller: Caller) -> Answer[UserAnswer]:
    """Return one user."""
    require_role(caller, "admin")
    return Answer(data=UserAnswer.of(here.identity.users.get_user(user_id)))


@router.patch("/api/users/{user_id}")
def update_user(user_id: str, body: UserChange, here: Here, caller: Caller) -> Answer[UserAnswer]:
    """Change a user; another role, or switching off, counts with the user's next request."""
    require_role(caller, "admin")
    return Answer(data=UserAnswer.of(here.identity.users.update_user(user_id, body.model_dump(exclude_unset=True))))


@router.post("/api/users/{user_id}/link", status_code=201)
def issue_link(user_id: str, here: Here, caller: Caller) -> Answer[LinkAnswer]:
    """Make a one-time link with which a user sets a new password; valid for 24 hours."""
    require_role(caller, "admin")
    return Answer(data=_link(here, here.identity.users.get_user(user_id)))


@router.get("/api/departments", dependencies=[Depends(actor_of)])
def list_departments(here: Here) -> Answer[list[DepartmentAnswer]]:
    """List all departments by key; for everybody who is logged in."""
    return Answer(data=[DepartmentAnswer.of(each) for each in here.identity.departments.list_departments()])


@router.post("/api/departments", status_code=201)
def create_department(body: DepartmentBody, here: Here, caller: Caller) -> Answer[DepartmentAnswer]:
    """Make a department."""
    require_role(caller, "admin")
    made = here.identity.departments.create_department(body.key, body.name, body.parent_id)
    return Answer(data=DepartmentAnswer.of(made))


def _link(here: Services, user: User) -> LinkAnswer:
    secret, expires_at = here.identity.setup.issue_link(user)
    return LinkAnswer(link=(here.settings.public_url or "") + SETUP_PATH + secret, expires_at=expires_at)
