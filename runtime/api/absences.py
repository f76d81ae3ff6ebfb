"""``/api/absences``: leave, travel and training, as far as assignment rules care."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, Field
from starlette.concurrency import run_in_threadpool

from builder.kernel.clock import instant_text
from builder.kernel.limits import LABEL_LENGTH
from runtime.access.gate import require_house
from runtime.api.bodies import Body
from runtime.api.caller import Caller, Here
from runtime.assignments.absences import Absence

router = APIRouter(tags=["absences"])
JSON = Any


Given = Annotated[AwareDatetime, Field(strict=False)]
"""An instant with its offset."""


class AbsenceBody(Body):
    """An absence; ``user_id`` is left out for one's own."""

    user_id: str | None = None
    kind: str
    begins_at: Given
    ends_at: Given
    note: Annotated[str, Field(max_length=LABEL_LENGTH)] | None = None


@router.get("/api/absences")
async def list_absences(here: Here, caller: Caller, user_id: str | None = None) -> JSON:
    """List what is not over yet."""
    require_house(caller)
    found = await run_in_threadpool(here.absences.list_absences, caller, user_id)
    return {"data": [_json(absence) for absence in found]}


@router.post("/api/absences", status_code=201)
async def add_absence(here: Here, caller: Caller, body: AbsenceBody) -> JSON:
    """Note an absence."""
    made = await run_in_threadpool(
        here.absences.add_absence, caller, body.user_id, body.kind, body.begins_at, body.ends_at, body.note
    )
    return {"data": _json(made)}


@router.delete("/api/absences/{absence_id}", status_code=204)
async def delete_absence(here: Here, caller: Caller, absence_id: str) -> Response:
    """Take an absence back."""
    await run_in_threadpool(here.absences.delete_absence, caller, absence_id)
    return Response(status_code=204)


def _json(absence: Absence) -> dict[str, JSON]:
    return {
        "id": absence.id,
        "user_id": absence.user_id,
        "kind": absence.kind,
        "begins_at": instant_text(absence.begins_at),
        "ends_at": instant_text(absence.ends_at),
        "note": absence.note,
    }
