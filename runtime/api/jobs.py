"""Routes of jobs: everybody sees and cancels their own, admins all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.access.gate import apps_of
from runtime.api.bodies import Answer, Moment
from runtime.api.caller import Caller, Here, Speaks
from runtime.identity.actors import Actor
from runtime.jobs.rows import Job
from runtime.services import Services

router = APIRouter(tags=["jobs"])


class JobAnswer(BaseModel):
    """A job: waiting, running, done, failed or cancelled; ``total_count`` null = not known yet."""

    id: str
    kind: str
    app: str | None
    state: str
    done_count: int
    total_count: int | None
    result: Any
    error: str | None
    cancel_requested: bool
    created_at: Moment
    created_by: str | None
    ended_at: Moment | None

    @classmethod
    def of(cls, job: Job, language: Speaks) -> JobAnswer:
        """Show a job."""
        same = {name: getattr(job, name) for name in cls.model_fields if name != "error"}
        return cls(**same, error=None if job.error is None else job.error.pick(language))


@router.get("/api/jobs")
def list_jobs(
    here: Here,
    caller: Caller,
    speaks: Speaks,
    app: Annotated[str | None, Query(max_length=20)] = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
) -> Answer[list[JobAnswer]]:
    """List one's own jobs (admins: all), the latest first."""
    by = None if caller.oversees else caller.user_id
    found = here.jobs.list_jobs(app=app, state=state, by=by, within=apps_of(caller))
    return Answer(data=[JobAnswer.of(job, speaks) for job in found])


@router.get("/api/jobs/{job_id}")
def get_job(job_id: str, here: Here, caller: Caller, speaks: Speaks) -> Answer[JobAnswer]:
    """Return one job with its progress."""
    return Answer(data=JobAnswer.of(_own(here, caller, job_id), speaks))


@router.post("/api/jobs/{job_id}/cancel")
def cancel_job(job_id: str, here: Here, caller: Caller, speaks: Speaks) -> Answer[JobAnswer]:
    """Ask a job to stop after the step it is in; what it has done stays."""
    _own(here, caller, job_id)
    return Answer(data=JobAnswer.of(here.jobs.cancel(job_id), speaks))


@router.post("/api/jobs/{job_id}/retry")
def retry_job(job_id: str, here: Here, caller: Caller, speaks: Speaks) -> Answer[JobAnswer]:
    """Let a job that failed or was cancelled go on from where it stood."""
    _own(here, caller, job_id)
    return Answer(data=JobAnswer.of(here.jobs.retry(job_id), speaks))


def _own(here: Services, caller: Actor, job_id: str) -> Job:
    job = here.jobs.get_job(job_id)
    within = apps_of(caller)
    if (within is not None and job.app not in within) or not (caller.oversees or job.created_by == caller.user_id):
        raise Problem("job.not_found", say("没有这个任务", "There is no such job"))
    return job
