"""Routes of personal data: everything about one person as one document, and erasing a person. Rules live in ``runtime/people``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from builder.kernel.canonical import dump_json
from runtime.access.gate import require_person, require_role
from runtime.api.bodies import Answer, Body, Name
from runtime.api.caller import Caller, Here, origin_of
from runtime.people.erasure import Erased

router = APIRouter(tags=["users"])


class EraseBody(Body):
    """``confirm``: the person's user name, typed once more."""

    confirm: Name


class ErasedAnswer(BaseModel):
    """Rows that went by table, letters that went, and records that stay with nothing but the id of the person."""

    deleted: dict[str, int]
    letter_count: int
    records: dict[str, int]
    dry_run: bool

    @classmethod
    def of(cls, erased: Erased, *, dry_run: bool) -> ErasedAnswer:
        """Show what an erasure did or would do."""
        return cls(
            deleted=dict(erased.deleted), letter_count=erased.letters, records=dict(erased.records), dry_run=dry_run
        )


@router.get("/api/users/{user_id}/personal-data", response_class=Response)
async def export_person(user_id: str, request: Request, here: Here, caller: Caller) -> Response:
    """Download everything about a person as one JSON document: oneself, or as admin anybody. The export is a security event."""
    if require_person(caller).user_id != user_id:
        require_role(caller, "admin")
    user = await run_in_threadpool(here.identity.users.get_user, user_id)
    document = await here.personal_data.export(user, origin_of(request, caller))
    headers = {"content-disposition": f'attachment; filename="person-{user.id}.json"'}
    return Response(dump_json(document), media_type="application/json", headers=headers)


@router.post("/api/users/{user_id}/erase")
async def erase_person(
    user_id: str,
    body: EraseBody,
    request: Request,
    here: Here,
    caller: Caller,
    dry_run: Annotated[bool, Query(description="say what would go and do nothing")] = False,
) -> Answer[ErasedAnswer]:
    """Erase a person: the account stays as an id without a name, switched off; it cannot be undone. Hand over first what goes on."""
    require_role(caller, "admin")
    require_person(caller)
    user = await run_in_threadpool(here.identity.users.get_user, user_id)
    if dry_run:
        return Answer(data=ErasedAnswer.of(await here.personal_data.preview(user), dry_run=True))
    erased = await here.personal_data.erase(user, body.confirm, origin_of(request, caller))
    return Answer(data=ErasedAnswer.of(erased, dry_run=False))
