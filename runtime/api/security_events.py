"""Routes of the security audit, for admins: search, export, verify."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from builder.kernel.canonical import dump_json
from builder.kernel.clock import instant_text
from runtime.access.gate import require_role
from runtime.api.bodies import Answer, Moment
from runtime.api.caller import Caller, Here, origin_of
from runtime.api.csv_lines import CSV_START, csv_line
from runtime.identity.audit import KINDS, Audit, Search, SecurityEvent

router = APIRouter(tags=["security events"])

PAGE = 500
COLUMNS = ("id", "at", "kind", "actor", "subject", "address", "request_id", "detail", "hash")


class SecurityEventAnswer(BaseModel):
    """One event. ``actor`` is a user id, ``system``, or null for somebody unknown."""

    id: int
    at: Moment
    kind: str
    actor: str | None
    subject: str | None
    address: str
    request_id: str
    detail: dict[str, Any]
    hash: str

    @classmethod
    def of(cls, event: SecurityEvent) -> SecurityEventAnswer:
        """Show an event."""
        return cls(**{name: getattr(event, name) for name in COLUMNS if name != "detail"}, detail=dict(event.detail))


class VerdictAnswer(BaseModel):
    """What a look at the chain found; ``last_hash`` is its head, to be compared with one written down elsewhere."""

    count: int
    is_whole: bool
    broken_at: int | None
    last_hash: str


class Wanted(BaseModel):
    """Which events are wanted."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = Field(None, description=", ".join(KINDS), max_length=40)
    actor: str | None = Field(None, max_length=64)
    subject: str | None = Field(None, max_length=64)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    text: str | None = Field(None, max_length=100, description="occurs in detail, address or request id")
    before: int | None = Field(None, ge=1, description="id to go on from")
    limit: int = Field(100, ge=1, le=PAGE)


@router.get("/api/security-events")
def list_events(here: Here, caller: Caller, wanted: Annotated[Wanted, Query()]) -> Answer[list[SecurityEventAnswer]]:
    """Search security events, the latest first."""
    require_role(caller, "admin")
    found = here.identity.audit.list_events(Search(**wanted.model_dump()))
    return Answer(data=[SecurityEventAnswer.of(event) for event in found])


@router.get("/api/security-events/verify")
def verify_events(here: Here, caller: Caller) -> Answer[VerdictAnswer]:
    """Compute the chain anew and say whether every event is as it was written."""
    require_role(caller, "admin")
    found = here.identity.audit.verify()
    verdict = VerdictAnswer(
        count=found.count, is_whole=found.broken_at is None, broken_at=found.broken_at, last_hash=found.last_hash
    )
    return Answer(data=verdict)


@router.get("/api/security-events/export", response_class=StreamingResponse)
def export_events(
    request: Request,
    here: Here,
    caller: Caller,
    form: Annotated[Literal["jsonl", "csv"], Query(description="JSON lines, or CSV for a spreadsheet")] = "jsonl",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> StreamingResponse:
    """Download events, the latest first. The export is an event itself."""
    require_role(caller, "admin")
    audit = here.identity.audit
    search = Search(since=since, until=until, limit=PAGE)
    told = {"form": form, "since": _text(since), "until": _text(until)}
    audit.note_alone("audit.exported", origin_of(request, caller), None, told)
    lines = _json_lines(audit, search) if form == "jsonl" else _csv_lines(audit, search)
    media_type = "application/jsonl" if form == "jsonl" else "text/csv; charset=utf-8"
    headers = {"content-disposition": f'attachment; filename="security-events.{form}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


def _pages(audit: Audit, search: Search) -> Iterator[SecurityEvent]:
    before: int | None = None
    while True:
        page = audit.list_events(Search(since=search.since, until=search.until, before=before, limit=search.limit))
        yield from page
        if len(page) < search.limit:
            return
        before = page[-1].id


def _json_lines(audit: Audit, search: Search) -> Iterator[bytes]:
    for event in _pages(audit, search):
        row = {name: getattr(event, name) for name in COLUMNS} | {"at": instant_text(event.at)}
        yield dump_json(row) + b"\n"


def _csv_lines(audit: Audit, search: Search) -> Iterator[bytes]:
    yield CSV_START
    yield csv_line(COLUMNS)
    for event in _pages(audit, search):
        row = {name: getattr(event, name) for name in COLUMNS}
        row |= {"at": instant_text(event.at), "detail": dump_json(dict(event.detail)).decode()}
        yield csv_line([row[name] for name in COLUMNS])


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instant_text(moment)
