"""Routes that bring people in: the contract that directories are met by, and sheets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from builder.kernel.limits import DIRECTORY_DEPARTMENTS, DIRECTORY_USERS, SHEET_BYTES
from runtime.access.gate import require_role
from runtime.api.bodies import Answer, Area, Body, Name
from runtime.api.caller import Caller, Here, Speaks, origin_of
from runtime.api.http import read_body
from runtime.api.jobs import JobAnswer
from runtime.identity.directory import ListedDepartment, ListedUser, Listing, SyncReport

router = APIRouter(tags=["users"])

DryRun = Annotated[bool, Query(description="only say what would become of each")]
ModeName = Literal["full", "partial"]


class DepartmentItem(Body):
    """A department of a directory; ``parent`` and ``manager`` are ids of the directory."""

    external_id: Name
    name: Name
    parent: Name | None = None
    manager: Name | None = None
    key: Name | None = None


class UserItem(Body):
    """A person of a directory; members that are left out stay as they are, null empties them."""

    external_id: Name
    username: Name
    name: Name | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None
    department: Name | None = None
    manager: Name | None = None
    position: Name | None = None
    areas: Annotated[list[Area], Field(max_length=100)] | None = None
    active: bool = True


class DirectoryBody(Body):
    """What a directory says. ``full``: who is not in it is switched off."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    mode: ModeName = "partial"
    departments: Annotated[list[DepartmentItem], Field(max_length=DIRECTORY_DEPARTMENTS)] = Field(default_factory=list)
    users: Annotated[list[UserItem], Field(max_length=DIRECTORY_USERS)] = Field(default_factory=list)

    def listing(self) -> Listing:
        """Return this as the value the directory takes."""
        users = [ListedUser(**_said(item)) for item in self.users]
        departments = [ListedDepartment(**item.model_dump()) for item in self.departments]
        return Listing(self.source, self.mode, tuple(departments), tuple(users))


def _said(item: UserItem) -> dict[str, Any]:
    """Return the members that were given."""
    said = item.model_dump(exclude_unset=True)
    if "areas" in said:
        said["areas"] = tuple(said["areas"] or ())
    if said.get("name", "") is None:
        del said["name"]
    return said


class Became(BaseModel):
    """What became of one: created, changed, unchanged, switched_off."""

    name: str
    deed: str


class ReportAnswer(BaseModel):
    """What became, or with ``dry_run`` would become, of each."""

    dry_run: bool
    change_count: int
    departments: list[Became]
    users: list[Became]

    @classmethod
    def of(cls, report: SyncReport, *, dry_run: bool) -> ReportAnswer:
        """Show a report."""
        departments = [Became(name=name, deed=deed) for name, deed in report.departments]
        users = [Became(name=name, deed=deed) for name, deed in report.users]
        return cls(dry_run=dry_run, change_count=report.changes, departments=departments, users=users)


@router.post("/api/directory/sync")
def sync(
    body: DirectoryBody, request: Request, here: Here, caller: Caller, dry_run: DryRun = False
) -> Answer[ReportAnswer]:
    """Bring users and departments in as a directory has them, all or nothing; the same again changes nothing."""
    require_role(caller, "admin")
    report = here.identity.directory.sync(body.listing(), by=origin_of(request, caller), dry_run=dry_run)
    return Answer(data=ReportAnswer.of(report, dry_run=dry_run))


@router.post("/api/directory/sync/{connection}", status_code=202)
def sync_connection(
    connection: str,
    request: Request,
    here: Here,
    caller: Caller,
    speaks: Speaks,
    dry_run: DryRun = False,
    accept_leavers: Annotated[bool, Query(description="switch off however many are not in it any more")] = False,
) -> Answer[JobAnswer]:
    """Bring in what DingTalk or WeCom has, through a connection; the answer is the job that does it, its result the report."""
    require_role(caller, "admin")
    by = origin_of(request, caller)
    job_id = here.directory_sync.begin(connection, by, dry_run=dry_run, accept_leavers=accept_leavers)
    return Answer(data=JobAnswer.of(here.jobs.get_job(job_id), speaks))


@router.post(
    "/api/directory/import",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def import_sheet(
    request: Request,
    here: Here,
    caller: Caller,
    dry_run: DryRun = False,
    mode: Annotated[ModeName, Query(description="full: who is not in the sheet any more is switched off")] = "partial",
) -> Answer[ReportAnswer]:
    """Bring people in from a sheet (.xlsx, .xls, .ods, .csv) with columns such as 用户名, 姓名, 部门, 上级, 职位, 区域."""
    from runtime.imports.people import people_of
    from runtime.imports.sheets import read_sheet

    require_role(caller, "admin")
    content = await read_body(request.receive, SHEET_BYTES)
    origin = origin_of(request, caller)

    def bring_in() -> SyncReport:
        return here.identity.directory.sync(people_of(read_sheet(content), mode), by=origin, dry_run=dry_run)

    return Answer(data=ReportAnswer.of(await run_in_threadpool(bring_in), dry_run=dry_run))
