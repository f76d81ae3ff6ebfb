"""Routes for people who leave: what they hold, and handing it over."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from runtime.access.gate import require_role
from runtime.api.bodies import Answer, Body, Name
from runtime.api.caller import Caller, Here, Speaks, origin_of
from runtime.api.jobs import JobAnswer
from runtime.people.handover import Estate

router = APIRouter(tags=["users"])


class HandoverBody(Body):
    """Who takes over; ``deactivate``: the leaver is switched off at once."""

    to: Name
    deactivate: bool = True


class HeldRecords(BaseModel):
    """Records that name a person in a field."""

    app: str
    entity: str
    field: str
    count: int


class EstateAnswer(BaseModel):
    """What a person holds."""

    records: list[HeldRecords]
    approval_count: int
    report_count: int
    department_count: int

    @classmethod
    def of(cls, estate: Estate) -> EstateAnswer:
        """Show an estate."""
        held = [
            HeldRecords(app=app, entity=entity, field=field, count=count)
            for (app, entity, field), count in estate.records.items()
        ]
        return cls(
            records=held,
            approval_count=estate.approvals,
            report_count=estate.reports,
            department_count=estate.departments,
        )


@router.get("/api/users/{user_id}/holdings")
async def list_holdings(user_id: str, here: Here, caller: Caller) -> Answer[EstateAnswer]:
    """Say what a person holds: what a handover would pass on."""
    require_role(caller, "admin")
    user = await run_in_threadpool(here.identity.users.get_user, user_id)
    return Answer(data=EstateAnswer.of(await here.handover.look(user.id)))


@router.post("/api/users/{user_id}/handover", status_code=202)
def hand_over(
    user_id: str, body: HandoverBody, request: Request, here: Here, caller: Caller, speaks: Speaks
) -> Answer[JobAnswer]:
    """Pass everything a person holds on to somebody else, in one step; the answer is the job that does it."""
    require_role(caller, "admin")
    leaver, heir = here.identity.users.get_user(user_id), here.identity.users.get_user(body.to)
    job_id = here.handover.begin(leaver, heir, origin_of(request, caller), deactivate=body.deactivate)
    return Answer(data=JobAnswer.of(here.jobs.get_job(job_id), speaks))
